// SPDX-License-Identifier: Apache-2.0
// What was signed is what counts: nothing else, nowhere else, and not twice.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Challenge, EnvelopeBody } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { namespaces } from '../../src/kernel/statements.ts';
import { addMs } from '../../src/kernel/instant.ts';
import { deployAction, minute, personOf, policyOf, sign, tier } from '../support/world.ts';
import { startRunning, type Running } from '../server/running.ts';
import { changePolicy, headOf, lockedAction, oneSeatAction, refused, votesOf, worked } from './stage.ts';

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(oneSeatAction()) });
});
after(() => running.close());

const votes = (id: string): string => `/v1/requests/${id}/votes`;
const edited = ({ statement, signature }: EnvelopeBody, over: JsonObject): EnvelopeBody => ({
  statement: canonicalize({ ...(JSON.parse(statement) as JsonObject), ...over }),
  signature,
});

test('T6 C1 C2 A36: a vote is worth nothing for another request, revision, digest, tenant or ledger, nor when one byte is edited', async () => {
  const [first, second] = [await running.ask(), await running.ask({ facts: { service: 'till', risk: 10 } })];
  const { envelope } = await running.voteBody(first.request, 'linus');
  refused(await running.post(votes(second.request), { envelope }), 'vote-wrong-request');
  const edits: readonly JsonObject[] = [
    { request: second.request, change: second.change },
    { change: second.change },
    { revision: 2 },
    { decision: 'reject' },
    { seats: ['security'] },
    { not_after: addMs(running.now(), 1000) },
    { by: `person:${personOf('grace')}` },
    { tenant: 'other' },
    { ledger: digestOf('another ledger') },
  ];
  const codes = ['signature-invalid', 'statement-elsewhere', 'vote-wrong-request'];
  for (const over of edits)
    refused(await running.post(votes(first.request), { envelope: edited(envelope, over) }), ...codes);
  refused(
    await running.post(votes(second.request), {
      envelope: edited(envelope, { request: second.request, change: second.change }),
    }),
    'signature-invalid',
  );
  for (const [over, code] of [
    [{ change: second.change }, 'vote-wrong-change'],
    [{ revision: 2 }, 'revision-stale'],
    [{ tenant: 'other' }, 'statement-elsewhere'],
    [{ ledger: digestOf('another ledger') }, 'statement-elsewhere'],
    [{ request: second.request }, 'vote-wrong-request'],
  ] as const)
    refused(await running.post(votes(first.request), await running.voteBody(first.request, 'linus', over)), code);
  worked(await running.post(votes(first.request), { envelope }));
  refused(await running.post(votes(first.request), { envelope }), 'vote-already-cast');
  assert.deepEqual(await votesOf(running, second.request), []);
  refused(await running.permit(second.request), 'gate-pending');
});

test('T6 C11: the votes of one revision are worth nothing for the next, and void permits are not revived by going back', async () => {
  const revised = await startRunning({ policy: policyOf(oneSeatAction()), tickEveryMs: 3_600_000 });
  try {
    const { request: id } = await revised.ask();
    const early = await revised.voteBody(id, 'linus');
    const kept = await revised.voteBody(id, 'grace');
    worked(await revised.post(votes(id), early));
    const longer = policyOf(oneSeatAction({ timing: { ...deployAction().timing, permit_valid_ms: minute } }));
    await changePolicy(revised, longer);
    refused(await revised.permit(id), 'revision-stale');
    refused(await revised.post(votes(id), early), 'revision-stale');
    refused(await revised.post(votes(id), kept), 'revision-stale');
    await changePolicy(revised, policyOf(oneSeatAction()));
    refused(await revised.permit(id), 'revision-stale');
    assert.equal((await revised.show(id)).revision, 3);
    for (const body of [early, kept]) refused(await revised.post(votes(id), body), 'revision-stale');
    refused(await revised.permit(id), 'gate-pending');
  } finally {
    await revised.close();
  }
});

test('A37 C15: a permit that was out when policy changed is void, also when policy goes back to what it was', async () => {
  const changed = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const { request, permit } = await changed.permitted();
    await changePolicy(
      changed,
      policyOf(oneSeatAction({ timing: { ...deployAction().timing, permit_valid_ms: minute } })),
    );
    refused(await changed.permit(request.request), 'permit-void', 'request-refused');
    await changePolicy(changed, policyOf(oneSeatAction()));
    const use = changed.consumptionBody(permit.permit, request.change);
    refused(await changed.post(`/v1/permits/${permit.permit}/consume`, use), 'request-refused', 'permit-void');
  } finally {
    await changed.close();
  }
});

test('T7: what was signed for one purpose is worth nothing for another, in either direction', async () => {
  const { request: id, change } = await running.ask();
  const { challenge, server } = worked(await running.get<Challenge>('/v1/challenge'));
  const login = { type: 'countersign.dev/login/v0', ...running.common('linus'), challenge, server };
  const vote = JSON.parse((await running.voteBody(id, 'linus')).envelope.statement) as JsonObject;
  const veto = JSON.parse((await running.stopBody(id, 'linus', 'veto')).envelope.statement) as JsonObject;
  const head = await headOf(running);
  for (const namespace of new Set([...Object.values(namespaces), 'git', 'file'])) {
    if (namespace !== 'countersign-vote@v1')
      refused(await running.post(votes(id), { envelope: sign(vote, 'linus', namespace) }), 'signature-namespace');
    if (namespace !== 'countersign-login@v1')
      refused(await running.post('/v1/sessions', { envelope: sign(login, 'linus', namespace) }), 'signature-namespace');
    if (namespace !== 'countersign-veto@v1')
      refused(
        await running.post(`/v1/requests/${id}/veto`, { envelope: sign(veto, 'linus', namespace) }),
        'signature-namespace',
      );
  }
  refused(await running.post(votes(id), { envelope: sign(login, 'linus') }), 'shape-mismatch');
  refused(await running.post('/v1/sessions', { envelope: sign(vote, 'linus') }), 'shape-mismatch');
  refused(await running.post(`/v1/requests/${id}/withdraw`, { envelope: sign(veto, 'linus') }), 'address-mismatch');
  const result = { ...running.common('deployer'), type: 'countersign.dev/result/v0', permit: `pmt_${'0'.repeat(26)}` };
  const use = { ...running.common('deployer'), type: 'countersign.dev/consumption/v0', change };
  for (const statement of [result, use])
    refused(
      await running.post(`/v1/permits/pmt_${'0'.repeat(26)}/consume`, { envelope: sign(statement, 'deployer') }),
      'shape-mismatch',
    );
  assert.equal(await headOf(running), head);
});

test('T5: a vote that names a checkpoint of another history is refused', async () => {
  const { request: id } = await running.ask();
  const { size, root } = await running.info();
  for (const seen of [
    { size, root: 'a'.repeat(64) },
    { size: size + 1, root },
    { size: size + 1000, root: 'a'.repeat(64) },
    { size: 1, root },
    { size: 0, root: digestOf('').slice(7) },
  ])
    refused(await running.post(votes(id), await running.voteBody(id, 'linus', { seen })), 'seen-not-in-history');
  const forged = {
    ...(await running.voteBody(id, 'linus', { seen: { size: 1, root } })),
    seen_proof: { size, hashes: ['b'.repeat(64)] },
  };
  refused(await running.post(votes(id), forged), 'seen-not-in-history');
  assert.deepEqual(await votesOf(running, id), []);
});

test('INV6 A36: what is withdrawn, rejected, vetoed or expired takes no vote and no permit any more', async () => {
  const over = await startRunning({ policy: policyOf(lockedAction()) });
  try {
    const asked = await Promise.all(Array.from({ length: 4 }, () => over.ask()));
    const [withdrawn = '', rejected = '', vetoed = '', met = ''] = asked.map(({ request }) => request);
    const late = await Promise.all(asked.map(({ request }) => over.voteBody(request, 'grace')));
    worked(await over.post(`/v1/requests/${withdrawn}/withdraw`, await over.stopBody(withdrawn, 'ada', 'withdrawal')));
    worked(await over.post(votes(rejected), await over.voteBody(rejected, 'linus', { decision: 'reject', seats: [] })));
    worked(await over.post(`/v1/requests/${vetoed}/veto`, await over.stopBody(vetoed, 'margaret', 'veto')));
    worked(await over.vote(met, 'linus'));
    worked(await over.post(`/v1/requests/${met}/veto`, await over.stopBody(met, 'margaret', 'veto')));
    const codes = ['request-withdrawn', 'request-refused', 'request-vetoed', 'request-vetoed'];
    for (const [at, id] of [withdrawn, rejected, vetoed, met].entries()) {
      const code = codes[at] ?? '';
      refused(await over.post(votes(id), late[at]), code);
      refused(await over.permit(id), code);
      refused(await over.post(`/v1/requests/${id}/veto`, await over.stopBody(id, 'linus', 'veto')), code);
    }
  } finally {
    await over.close();
  }
});

test('A35: content is read whole or not asked for: what the digest does not give is refused', async () => {
  const digest = digestOf('rm -rf /');
  const body = running.requestBody({ content: digest });
  refused(await running.post('/v1/requests', body), 'attachment-missing');
  const other = { [digest]: Buffer.from('ls').toString('base64') };
  refused(await running.post('/v1/requests', { ...body, attachments: other }), 'attachment-mismatch');
  const reason = { salt: '1'.repeat(32), text: 'nothing to see' };
  refused(await running.post('/v1/requests', { ...running.requestBody(), reason }), 'attachment-mismatch');
  const asked = await running.ask();
  const comment = { salt: '1'.repeat(32), text: 'I approve' };
  refused(
    await running.post(votes(asked.request), { ...(await running.voteBody(asked.request, 'linus')), comment }),
    'attachment-mismatch',
  );
});

test('C20: words approve nothing: neither a comment nor a reason, whoever writes them', async () => {
  const { request: id } = await running.ask();
  const text = 'LGTM, approved by p_linus0 and p_grace0, /approve';
  const comment = { salt: '2'.repeat(32), text };
  const envelope = (
    await running.voteBody(id, 'linus', { decision: 'reject', seats: [], comment: digestOf(canonicalize(comment)) })
  ).envelope;
  worked(await running.post(votes(id), { envelope, comment }));
  const view = await running.show(id);
  assert.deepEqual([view.status, view.ended_by], ['refused', 'request-rejected']);
  refused(await running.permit(id), 'request-refused', 'request-rejected');
});

test('A12: a requester writes no part of the gate: approvers, tiers, seats and producers are not theirs to name', async () => {
  for (const over of [
    { approvers: [personOf('linus')] },
    { gate: { seats: [] } },
    { tier: 'standard' },
    { producers: [] },
    { persons: 2 },
    { seats: [{ name: 'platform', group: 'group:developers', count: 1 }] },
    { request: 'req_00000000000000000000000000' },
  ] as readonly JsonObject[])
    refused(await running.post('/v1/requests', running.requestBody(over)), 'shape-mismatch');
  const body = running.requestBody();
  for (const extra of [
    { server_nonce: '0'.repeat(16) },
    { gathered: [] },
    { verified: true },
    { approved_by: ['p_linus0'] },
  ])
    refused(await running.post('/v1/requests', { ...body, ...extra }), 'shape-mismatch');
  const strict = await startRunning({ policy: policyOf(deployAction({ tiers: [tier()] })) });
  try {
    const { request } = await strict.ask({ drivers: [] });
    const view = JSON.parse((await strict.show(request)).change_text) as { producers: string[] };
    assert.deepEqual(view.producers, [personOf('ada')]);
  } finally {
    await strict.close();
  }
});
