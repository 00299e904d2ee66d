// SPDX-License-Identifier: Apache-2.0
// Somebody who wants to be enough: by other routes, groups, keys, names, machines and sessions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Session } from '../../src/contract/api.ts';
import { verifyPermit } from '../../src/verify/verify.ts';
import { fingerprintOf, keyOf, personOf, policyOf, rosterRecords, sign } from '../support/world.ts';
import { principalOf, startRunning, type Running } from '../server/running.ts';
import {
  changeRoster,
  oneSeatAction,
  proposalBody,
  recordOf,
  refused,
  rosterChange,
  twoSeatAction,
  votesOf,
  worked,
} from './stage.ts';

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(twoSeatAction()) });
});
after(() => running.close());

const voteWith = async (id: string, by: string, key: string, over = {}) =>
  running.post(`/v1/requests/${id}/votes`, await running.voteBody(id, by, over, key));

test('A01 A02 C6: whoever asks approves nothing: not as an approver, not as a founder, not with a second key', async () => {
  const { request: id } = await running.ask({}, 'grace');
  for (const seats of [['platform'], ['security'], ['platform', 'security']])
    for (const key of ['grace', 'grace-second'])
      refused(await voteWith(id, 'grace', key, { seats }), 'vote-by-producer');
  refused(await running.permit(id), 'gate-pending');
  refused(await running.post(`/v1/requests/${id}/activate`, {}), 'activation-not-governance');
  assert.deepEqual(await votesOf(running, id), []);
});

test('A03: the last approver left is not enough when it is who asked', async () => {
  const alone = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const { request: id } = await alone.ask({}, 'grace');
    const gone = { ...(await recordOf(alone, `person/${personOf('linus')}`, { status: 'suspended' })) };
    const too = await recordOf(alone, `person/${personOf('ada')}`, { status: 'suspended' });
    await changeRoster(alone, { ...gone, ...too }, { by: 'vint' });
    refused(await alone.vote(id, 'grace'), 'vote-by-producer');
    refused(await alone.vote(id, 'linus'), 'principal-suspended');
    refused(await alone.permit(id), 'gate-pending');
  } finally {
    await alone.close();
  }
});

test('A04 C21: one person in both groups fills one seat, whatever seats and keys the votes name', async () => {
  const { request: id } = await running.ask();
  worked(await voteWith(id, 'grace', 'grace', { seats: ['platform', 'security'] }));
  refused(await voteWith(id, 'grace', 'grace-second', { seats: ['security'] }), 'vote-already-cast');
  refused(await running.permit(id), 'gate-pending');
  const view = await running.show(id);
  assert.deepEqual([view.status, view.seats_filled, view.seats_wanted], ['pending', 1, 2]);
  worked(await running.vote(id, 'linus'));
  const { file } = worked(await running.permit(id));
  const { permit } = verifyPermit(file, { pin: running.pin, allowTrial: true });
  assert.deepEqual(
    permit?.seats.map(({ seat, person }) => [seat, person]),
    [
      ['platform', personOf('linus')],
      ['security', personOf('grace')],
    ],
  );
});

test('A05 T10: another key, another spelling or a borrowed name of one person is the same person or nobody', async () => {
  const { request: id } = await running.ask();
  worked(await voteWith(id, 'grace', 'grace-second'));
  refused(await voteWith(id, 'grace', 'grace'), 'vote-already-cast');
  refused(await voteWith(id, 'linus', 'grace-second'), 'key-of-another');
  refused(await voteWith(id, 'linus', 'stranger'), 'key-unknown');
  for (const by of [
    'person:P_LINUS0',
    'person:p_linus0 ',
    ' person:p_linus0',
    'person:p_linus0\u200b',
    'Person:p_linus0',
  ])
    refused(await voteWith(id, 'linus', 'linus', { by }), 'shape-mismatch');
  assert.deepEqual(await votesOf(running, id), [personOf('grace')]);
});

test('T10 A05: a key of one person is not enrolled for another, and a new key not without its own signature', async () => {
  const key = keyOf('grace-second').public;
  const record = { status: 'active', line: key.line, level: 'own-key', distrusted_from: null };
  const moved = { [`key/${key.fingerprint}`]: { ...record, holder: principalOf('linus') } };
  const propose = async (set: Parameters<typeof rosterChange>[1], possession: readonly object[] = []) =>
    running.post(
      '/v1/requests',
      proposalBody(running, 'governance.roster', await rosterChange(running, set, { possession: possession as never })),
    );
  refused(await propose(moved), 'key-under-two-persons');
  const fresh = keyOf('stranger').public;
  const entering = {
    [`key/${fresh.fingerprint}`]: { ...record, line: fresh.line, holder: principalOf('linus') },
  };
  refused(await propose(entering), 'key-possession-missing');
  const claim = {
    type: 'countersign.dev/key-possession/v0',
    ledger: running.pin,
    tenant: 'main',
    holder: principalOf('ada'),
    key: fresh.fingerprint,
  };
  refused(await propose(entering, [sign(claim, 'stranger')]), 'key-possession-missing');
  refused(await propose(entering, [sign({ ...claim, holder: principalOf('linus') }, 'ada')]), 'key-possession-missing');
});

test('A06: a group of that name in another ledger lets nobody in here', async () => {
  const records = rosterRecords();
  records['group/security'] = { members: [personOf('bob'), personOf('radia')] };
  const elsewhere = await startRunning({ records, nonce: 'f'.repeat(32), policy: policyOf(twoSeatAction()) });
  try {
    const { request: id } = await running.ask();
    const there = await elsewhere.ask();
    const foreign = await elsewhere.voteBody(there.request, 'bob', { seats: ['security'] });
    refused(await running.post(`/v1/requests/${there.request}/votes`, foreign), 'statement-elsewhere');
    refused(await voteWith(id, 'bob', 'bob', { seats: ['security'] }), 'vote-not-entitled');
    const { change } = await running.show(id);
    const crossed = await elsewhere.voteBody(there.request, 'bob', { request: id, change, seats: ['security'] });
    refused(await running.post(`/v1/requests/${id}/votes`, crossed), 'statement-elsewhere');
    refused(await voteWith(id, 'radia', 'radia', { tenant: 'other' }), 'statement-elsewhere');
  } finally {
    await elsewhere.close();
  }
});

test('A07: a group holds persons; a group, a machine or a nobody in it is refused', async () => {
  for (const member of ['group:platform', 'platform', 'machine:ci', '*', personOf('nobody')]) {
    const change = await rosterChange(running, { 'group/security': { members: [personOf('radia'), member] } });
    refused(
      await running.post('/v1/requests', proposalBody(running, 'governance.roster', change)),
      'shape-mismatch',
      'roster-record-malformed',
      'roster-dangling',
    );
  }
});

test('A08 C3: an agent approves nothing, and whoever owns or drives it does not approve what it asks', async () => {
  const { request: id } = await running.ask({ drivers: [personOf('linus')] }, 'agent');
  refused(await running.vote(id, 'grace'), 'vote-by-producer');
  refused(await voteWith(id, 'grace', 'grace-second'), 'vote-by-producer');
  refused(await running.vote(id, 'linus'), 'vote-by-producer');
  for (const machine of ['agent', 'ci', 'deployer'])
    refused(await voteWith(id, machine, machine, { seats: ['platform'] }), 'vote-by-machine');
  refused(await voteWith(id, 'grace', 'agent'), 'key-of-another');
  const own = await running.ask();
  refused(await voteWith(own.request, 'agent', 'agent', { seats: ['platform', 'security'] }), 'vote-by-machine');
  refused(await running.permit(id), 'gate-pending');
});

test('A08 C31: a session or a link carries nobody’s vote: who signed it counts, whoever sends it', async () => {
  const { request: id } = await running.ask();
  const { challenge, server } = worked(await running.get<{ challenge: string; server: string }>('/v1/challenge'));
  const login = { type: 'countersign.dev/login/v0', ...running.common('ada'), challenge, server };
  const { token } = worked(await running.post<Session>('/v1/sessions', { envelope: sign(login, 'ada') }));
  const asAda = { authorization: `Bearer ${token}` };
  const { statement } = worked(
    await running.get<{ statement: string }>(
      `/v1/requests/${id}/statement?decision=approve&person=${personOf('linus')}`,
      asAda,
    ),
  );
  const path = `/v1/requests/${id}/votes`;
  refused(await running.post(path, {}, asAda), 'shape-mismatch');
  refused(
    await running.post(path, { envelope: { statement, signature: '' } }, asAda),
    'shape-mismatch',
    'signature-malformed',
  );
  const { signature } = sign(JSON.parse(statement), 'ada');
  refused(await running.post(path, { envelope: { statement, signature } }, asAda), 'key-of-another');
  worked(await running.post(path, await running.voteBody(id, 'linus'), asAda));
  assert.deepEqual(await votesOf(running, id), [personOf('linus')]);
  refused(await running.post(path, await running.voteBody(id, 'ada'), asAda), 'vote-by-producer');
});

test('C3 A01: the executor approves nothing of what it runs, as a person or as a machine', async () => {
  const policy = policyOf(oneSeatAction({ run: ['group:platform', 'machine:deployer'] }));
  const other = await startRunning({ policy });
  try {
    const { request: id } = await other.ask({ executor: fingerprintOf('grace') });
    refused(await other.vote(id, 'grace'), 'vote-by-executor');
    const second = await other.voteBody(id, 'grace', {}, 'grace-second');
    refused(await other.post(`/v1/requests/${id}/votes`, second), 'vote-by-executor');
    worked(await other.vote(id, 'linus'));
    worked(await other.permit(id));
  } finally {
    await other.close();
  }
});
