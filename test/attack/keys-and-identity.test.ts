// SPDX-License-Identifier: Apache-2.0
// Who is who: passkeys that show too little, keys that are revoked or distrusted, logins, tokens, sessions, headers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Challenge, RequestView, RosterView, Session } from '../../src/contract/api.ts';
import { signedData } from '../../src/crypto/sshsig.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { mintToken, revokeToken } from '../../src/server/tokens.ts';
import { deployAction, fingerprintOf, hour, personOf, policyOf, rosterRecords, sign, tier } from '../support/world.ts';
import { principalOf, startRunning, subjectIn, type Running } from '../server/running.ts';
import {
  assertSecurityKey,
  assertWebauthn,
  flag,
  softwareKey,
  type Assertion,
  type SoftwareKey,
} from '../crypto/software-authenticator.ts';
import {
  changePolicy,
  changeRoster,
  Clock,
  headOf,
  oneSeatAction,
  recordOf,
  refused,
  twoSeatAction,
  votesOf,
  worked,
} from './stage.ts';

const namespace = 'countersign-vote@v1';
const ours = 'https://countersign.example';
const votes = (id: string): string => `/v1/requests/${id}/votes`;
const clock = new Clock();
let running: Running;
before(async () => {
  const records = { ...rosterRecords(), [`origin/${ours}`]: { operator: 'us', independent: false } };
  running = await startRunning({ policy: policyOf(oneSeatAction()), records, now: clock.now, tickEveryMs: 3_600_000 });
});
after(() => running.close());

const enrol = async (person: string, key: SoftwareKey): Promise<void> => {
  const holding = { type: 'countersign.dev/key-possession/v0', ledger: running.pin, tenant: 'main' };
  const statement = canonicalize({ ...holding, holder: principalOf(person), key: key.public.fingerprint });
  const possession = [
    {
      statement,
      signature: encodeBase64(assertWebauthn(key, { message: statement, namespace: 'countersign-roster@v1' })),
    },
  ];
  const record = {
    status: 'active',
    holder: principalOf(person),
    line: key.public.line,
    level: 'present',
    distrusted_from: null,
  };
  await changeRoster(running, { [`key/${key.public.fingerprint}`]: record }, { possession });
};

test('A13 T8: a passkey vote without verification, of another origin, in a frame, for other bytes or with a swapped key fills no seat', async () => {
  const [key, other] = [softwareKey(), softwareKey()];
  await enrol('linus', key);
  const levelled = { ...(await recordOf(running, `key/${fingerprintOf('grace')}`, { level: 'hardware' })) };
  await changeRoster(running, levelled, { by: 'vint' });
  await changePolicy(running, policyOf(oneSeatAction({ tiers: [tier({ sign_with: 'present' })] })));
  const { request: id } = await running.ask();
  const { statement } = (await running.voteBody(id, 'linus')).envelope;
  const send = async (assertion: Partial<Assertion>, from = key, make = assertWebauthn) => {
    const signature = encodeBase64(make(from, { message: statement, namespace, ...assertion }));
    return running.post(votes(id), { envelope: { statement, signature } });
  };
  refused(await send({ flags: flag.present }), 'vote-level-too-low');
  refused(await send({ flags: flag.present }, key, assertSecurityKey), 'vote-level-too-low');
  refused(await send({ flags: flag.verified }), 'signature-invalid');
  refused(await send({ flags: 0 }), 'signature-invalid');
  refused(await send({ flags: flag.present | flag.verified | flag.attested }), 'signature-invalid');
  refused(await send({ origin: 'https://countersign.example.evil.test' }), 'webauthn-origin');
  refused(await send({ origin: 'http://countersign.example' }), 'webauthn-origin');
  refused(await send({ outerOrigin: ours, clientData: { origin: 'https://evil.example' } }), 'signature-invalid');
  refused(await send({ clientData: { crossOrigin: true } }), 'webauthn-origin');
  refused(await send({ clientData: { topOrigin: 'https://evil.example' } }), 'webauthn-origin');
  refused(await send({ clientData: { type: 'webauthn.create' } }), 'signature-invalid');
  const login = signedData('countersign-login@v1', 'sha512', statement).toString('base64url');
  refused(await send({ clientData: { challenge: login } }), 'signature-invalid');
  refused(await send({ namespace: 'countersign-login@v1' }), 'signature-namespace');
  refused(await send({ message: `${statement} ` }), 'signature-invalid');
  refused(
    await send({ clientDataText: (usual) => usual.replace('{', `{"origin":"https://evil.example",`) }),
    'json-duplicate-key',
    'signature-invalid',
  );
  refused(await send({}, other), 'key-unknown');
  refused(await send({}, { ...key, privateKey: other.privateKey }), 'signature-invalid');
  refused(await send({}, { ...other, privateKey: key.privateKey }), 'signature-invalid');
  refused(await running.vote(id, 'linus'), 'vote-level-too-low');
  refused(await running.vote(id, 'grace'), 'vote-level-too-low');
  assert.deepEqual(await votesOf(running, id), []);
  worked(await send({}));
  worked(await running.permit(id));
  await changePolicy(running, policyOf(oneSeatAction()));
});

test('T9: a key revoked or distrusted between vote and permit, or between permit and use, takes its vote along', async () => {
  const changes: readonly ((of: Running) => JsonObject)[] = [
    () => ({ status: 'revoked' }),
    () => ({ distrusted_from: 1 }),
    () => ({ distrusted_from: 0, status: 'revoked' }),
  ];
  for (const change of changes) {
    const server = await startRunning({ policy: policyOf(oneSeatAction()) });
    try {
      const met = await server.ask();
      worked(await server.vote(met.request, 'linus'));
      const { request, permit } = await server.permitted();
      await changeRoster(server, await recordOf(server, `key/${fingerprintOf('linus')}`, change(server)));
      refused(await server.permit(met.request), 'gate-lost');
      const use = server.consumptionBody(permit.permit, request.change);
      refused(await server.post(`/v1/permits/${permit.permit}/consume`, use), 'gate-lost');
      refused(await server.permit(request.request), 'gate-lost', 'request-refused', 'request-over');
    } finally {
      await server.close();
    }
  }
});

test('T9 V5: a distrusted key signs nothing any more: no vote, no fact, no use, no request, no login', async () => {
  const server = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const { request, permit } = await server.permitted();
    const open = await server.ask();
    const distrusted = {};
    for (const name of ['ada', 'grace', 'deployer'])
      Object.assign(distrusted, await recordOf(server, `key/${fingerprintOf(name)}`, { distrusted_from: 5 }));
    await changeRoster(server, distrusted, { by: 'vint' });
    refused(await server.vote(open.request, 'grace'), 'key-distrusted');
    refused(await server.post('/v1/requests', server.requestBody()), 'key-distrusted');
    const use = server.consumptionBody(permit.permit, request.change);
    refused(await server.post(`/v1/permits/${permit.permit}/consume`, use), 'key-distrusted');
    const body = server.requestBody({ executor: fingerprintOf('deployer') }, 'bob');
    refused(await server.post('/v1/requests', body), 'executor-not-allowed');
    refused(
      await server.post('/v1/requests', {
        ...body,
        attested: [server.attest('tested', true, subjectIn(body), 'grace')],
      }),
      'key-distrusted',
    );
    const { challenge, server: url } = worked(await server.get<Challenge>('/v1/challenge'));
    const login = { type: 'countersign.dev/login/v0', ...server.common('ada'), challenge, server: url };
    refused(await server.post('/v1/sessions', { envelope: sign(login, 'ada') }), 'key-distrusted');
    const second = await server.voteBody(open.request, 'grace', {}, 'grace-second');
    worked(await server.post(votes(open.request), second));
  } finally {
    await server.close();
  }
});

test('T9 V5: who asks, or vouches, with a stolen key and votes with their own has nothing of it once that key counts no more', async () => {
  const changes: readonly JsonObject[] = [{ status: 'revoked' }, { distrusted_from: 1 }];
  for (const change of changes)
    for (const [stolen, code] of [
      ['ada', 'asked'],
      ['radia', 'vouched'],
    ] as const) {
      const server = await startRunning({ policy: policyOf(oneSeatAction()) });
      try {
        const pending = await server.ask();
        const met = await server.ask();
        worked(await server.vote(met.request, 'linus'));
        const { request, permit } = await server.permitted();
        const record = await recordOf(server, `key/${fingerprintOf(stolen)}`, change);
        await changeRoster(server, record, { voters: ['vint', 'margaret'] });
        const lost = ['key-unknown', 'key-distrusted', 'request-refused'];
        refused(await server.vote(pending.request, 'linus'), ...lost);
        refused(await server.permit(met.request), ...lost);
        const use = server.consumptionBody(permit.permit, request.change);
        refused(await server.post(`/v1/permits/${permit.permit}/consume`, use), 'permit-void', 'request-refused');
        for (const { request: id } of [pending, met, request])
          assert.equal((await server.show(id)).status, 'refused', `${stolen} ${code}`);
      } finally {
        await server.close();
      }
    }
});

test('T9 V5: a key that is distrusted from a later entry on leaves what it asked for before as it is', async () => {
  const server = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const { request } = await server.ask();
    const { size } = await server.info();
    await changeRoster(server, await recordOf(server, `key/${fingerprintOf('ada')}`, { distrusted_from: size }));
    worked(await server.vote(request, 'linus'));
    worked(await server.permit(request));
  } finally {
    await server.close();
  }
});

test('T9 A38: an executor who lost the key, the role or the machine, and an instance that was taken away, use no permit', async () => {
  const deployers = { 'group/deployers': { members: [personOf('vint'), personOf('radia')] } };
  const action = oneSeatAction({ run: ['group:deployers'] });
  const losses: readonly (readonly [(of: Running) => Promise<{ [key: string]: JsonObject }>, readonly string[]])[] = [
    [(of) => recordOf(of, `key/${fingerprintOf('vint')}`, { status: 'revoked' }), ['key-unknown']],
    [(of) => recordOf(of, `person/${personOf('vint')}`, { status: 'suspended' }), ['principal-suspended']],
    [(of) => recordOf(of, 'group/deployers', { members: [personOf('radia')] }), ['executor-not-allowed']],
    [(of) => recordOf(of, 'instance/web', { status: 'suspended' }), ['audience-unknown']],
    [(of) => recordOf(of, 'instance/web', { actions: ['deploy.other'] }), ['audience-unknown']],
  ];
  for (const [loss, codes] of losses) {
    const server = await startRunning({ policy: policyOf(action), records: { ...rosterRecords(), ...deployers } });
    try {
      const over = { executor: fingerprintOf('vint') };
      const [met, out] = [await server.ask(over), await server.ask(over)];
      for (const { request } of [met, out]) worked(await server.vote(request, 'linus'));
      const { permit } = worked(await server.permit(out.request));
      await changeRoster(server, await loss(server));
      const use = server.consumptionBody(permit, out.change, {}, 'vint');
      refused(await server.post(`/v1/permits/${permit}/consume`, use), ...codes);
      refused(await server.permit(met.request), 'executor-not-allowed', 'audience-unknown');
    } finally {
      await server.close();
    }
  }
});

test('A14: a login serves once, soon, here, and opens a session for reading and for nothing else', async () => {
  const login = async (over: JsonObject = {}, by = 'linus', key = by) => {
    const { challenge, server } = worked(await running.get<Challenge>('/v1/challenge'));
    return {
      envelope: sign({ type: 'countersign.dev/login/v0', ...running.common(by), challenge, server, ...over }, key),
    };
  };
  const open = async (body: object) => running.post<Session>('/v1/sessions', body);
  const good = await login();
  const { token } = worked(await open(good));
  refused(await open(good), 'challenge-stale');
  refused(await open(await login({ challenge: '0'.repeat(32) })), 'challenge-stale');
  refused(await open(await login({ server: 'https://gate.evil.example' })), 'challenge-stale');
  refused(await open(await login({}, 'linus', 'grace')), 'key-of-another');
  refused(await open(await login({}, 'linus', 'stranger')), 'key-unknown');
  const old = await login();
  clock.turn(6 * 60_000);
  refused(await open(old), 'challenge-stale');
  const asLinus = { authorization: `Bearer ${token}` };
  worked(await running.get('/v1/requests', asLinus));
  const { request: id } = await running.ask();
  for (const path of [votes(id), `/v1/requests/${id}/veto`, `/v1/requests/${id}/withdraw`, `/v1/requests/${id}/review`])
    refused(await running.post(path, { decision: 'approve' }, asLinus), 'shape-mismatch');
  clock.turn(hour);
  refused(await running.get('/v1/requests', asLinus), 'sign-in-needed');
  const next = worked(await open(await login({}, 'vint'))).token;
  worked(await running.get('/v1/requests', { authorization: `Bearer ${next}` }));
  await changeRoster(running, await recordOf(running, `key/${fingerprintOf('vint')}`, { status: 'revoked' }));
  refused(await running.get('/v1/requests', { authorization: `Bearer ${next}` }), 'sign-in-needed');
});

test('A11: what a header says of who is calling is believed by nobody', async () => {
  const headers = {
    'x-forwarded-user': principalOf('linus'),
    'x-remote-user': 'linus',
    'remote-user': 'linus',
    'x-forwarded-email': 'linus@example.org',
    'x-countersign-principal': principalOf('linus'),
    'x-original-url': '/v1/roster',
    'x-http-method-override': 'GET',
    'x-forwarded-for': '127.0.0.1',
    forwarded: 'for=127.0.0.1',
  };
  const { request: id } = await running.ask();
  const view = worked(await running.get<RequestView>(`/v1/requests/${id}`, headers));
  assert.equal(view.can_decide, null);
  const bare = await fetch(`${running.url}/v1/requests/${id}`, { headers });
  assert.equal(bare.status, 401);
  refused(await running.post(votes(id), { by: principalOf('linus'), decision: 'approve' }, headers), 'shape-mismatch');
  const forged = await running.voteBody(id, 'linus', {}, 'ada');
  refused(await running.post(votes(id), forged, headers), 'key-of-another');
});

test('A47 A34: nobody reads without a token of their own: none, wrong, expired, revoked or in an address', async () => {
  const paths = ['/v1/requests', '/v1/roster', '/v1/policy', '/v1/ledger/entries', '/v1/ledger/entries/0', '/metrics'];
  const minted = mintToken(running.dir, { label: 'short', validMs: hour, nowMs: clock.now() - 2 * hour });
  assert.ok(minted.ok);
  const secrets = [
    `cst_${'A'.repeat(43)}`,
    'css_',
    `css_${'A'.repeat(43)}`,
    minted.value.token,
    running.token.slice(0, -1),
    `${running.token}x`,
  ];
  for (const path of paths) {
    assert.equal((await fetch(running.url + path)).status, 401, path);
    assert.ok((await fetch(`${running.url}${path}?token=${running.token}`)).status >= 400, path);
    for (const secret of secrets)
      refused(await running.get(path, { authorization: `Bearer ${secret}` }), 'sign-in-needed');
    assert.equal(
      (await fetch(running.url + path, { headers: { cookie: `countersign=${running.token}` } })).status,
      401,
      path,
    );
  }
  for (const page of ['/', `/requests/req_${'0'.repeat(26)}`]) {
    const answer = await fetch(running.url + page, { redirect: 'manual' });
    assert.deepEqual([answer.status, answer.headers.get('location')?.startsWith('/sign-in')], [303, true]);
  }
  const mine = mintToken(running.dir, { label: 'mine', validMs: hour, nowMs: clock.now() });
  assert.ok(mine.ok);
  const asMe = { authorization: `Bearer ${mine.value.token}` };
  clock.turn(1500);
  worked(await running.get<RosterView>('/v1/roster', asMe));
  assert.ok(revokeToken(running.dir, mine.value.id).ok);
  clock.turn(1500);
  refused(await running.get<RosterView>('/v1/roster', asMe), 'sign-in-needed');
});

test('A33 A10: a machine speaks for itself alone, and what it vouches for is not the requester’s own word', async () => {
  const facts = {
    ...deployAction().facts,
    tested: { type: 'bool', source: { kind: 'attested', by: 'machine:agent' }, max: null },
  } as const;
  const server = await startRunning({ policy: policyOf(twoSeatAction({ facts })) });
  try {
    const ask = async (by: string, attester: string, over: JsonObject = {}) => {
      const body = server.requestBody(over, by);
      return server.post('/v1/requests', {
        ...body,
        attested: [server.attest('tested', true, subjectIn(body), attester)],
      });
    };
    const head = await headOf(server);
    refused(await ask('grace', 'agent'), 'fact-unattested');
    refused(await ask('agent', 'agent'), 'fact-unattested');
    refused(await ask('ada', 'ci'), 'fact-unattested');
    refused(await ask('ada', 'grace'), 'fact-unattested');
    refused(await ask('ada', 'agent', { drivers: [personOf('grace')] }), 'fact-unattested');
    for (const by of ['ada', 'grace', 'agent'])
      refused(await ask('ci', 'agent', { by: principalOf(by) }), 'key-of-another');
    assert.notEqual(await headOf(server), head, 'each try is on record');
    worked(await ask('ada', 'agent'));
  } finally {
    await server.close();
  }
});
