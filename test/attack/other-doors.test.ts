// SPDX-License-Identifier: Apache-2.0
// Every way in: no door lets in what another keeps out, and nothing changes without a signature that counts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Submitted } from '../../src/contract/api.ts';
import { routes, type Route, type RouteName } from '../../src/contract/routes.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { personOf, policyOf, sign } from '../support/world.ts';
import { call, startRunning, type Running } from '../server/running.ts';
import { headOf, lockedAction, oneSeatAction, refused, votesOf, worked } from './stage.ts';

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(oneSeatAction()) });
});
after(() => running.close());

const table: readonly (readonly [RouteName, Route])[] = Object.entries(routes) as [RouteName, Route][];
const commands = table.filter(([, { method, form }]) => method === 'POST' && form !== true);
const pathOf = ({ path }: Route, request: string, permit: string): string =>
  path.replace('{id}', path.includes('/permits/') || path.includes('/executions/') ? permit : request);

test('C7 A34: no POST of any route changes anything without a signature that counts: none, garbage, a stranger’s or somebody else’s', async () => {
  const { request, permit } = await running.permitted();
  const open = await running.ask();
  const vote = await running.voteBody(open.request, 'linus');
  const { envelope: use } = running.consumptionBody(permit.permit, request.change);
  const { envelope: result } = running.resultBody(permit.permit);
  const others: readonly JsonObject[] = [
    ...[vote.envelope, use, result].map((one) => JSON.parse(one.statement) as JsonObject),
    JSON.parse(running.requestBody().envelope.statement) as JsonObject,
    JSON.parse((await running.stopBody(open.request, 'ada', 'withdrawal')).envelope.statement) as JsonObject,
    JSON.parse((await running.stopBody(open.request, 'linus', 'veto')).envelope.statement) as JsonObject,
  ];
  const bodies: readonly unknown[] = [
    {},
    { envelope: null },
    { envelope: { statement: '', signature: '' } },
    { envelope: { statement: '{}', signature: 'AAAA' } },
    ...others.map((statement) => ({ envelope: sign(statement, 'stranger') })),
    ...others.map((statement) => ({
      envelope: { ...sign(statement, 'linus'), signature: sign({ ...statement, x: 1 }, 'linus').signature },
    })),
    ...others.map((statement) => ({ envelope: sign({ ...statement, ledger: `sha256:${'0'.repeat(64)}` }, 'linus') })),
  ];
  const head = await headOf(running);
  let tried = 0;
  for (const [name, route] of commands) {
    if (route.access !== 'signed') continue;
    for (const at of [open.request, request.request]) {
      const url = running.url + pathOf(route, at, permit.permit);
      for (const body of bodies) {
        const answer = await call(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        assert.ok(
          answer.status >= 400 && answer.status < 500,
          `${name}: ${answer.status} for ${JSON.stringify(body).slice(0, 200)}`,
        );
        tried += 1;
      }
    }
  }
  assert.ok(tried > 200);
  assert.equal(await headOf(running), head);
});

test('C7: what needs no signature needs a reader, and does only what is decided already', async () => {
  const open = await running.ask();
  const head = await headOf(running);
  const unsigned = commands.filter(([, { access }]) => access !== 'signed');
  assert.deepEqual(unsigned.map(([name]) => name).sort(), ['activate', 'permit']);
  for (const [name, route] of unsigned) {
    const url = running.url + pathOf(route, open.request, '');
    const bare = await call(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    assert.deepEqual([bare.status, bare.body.code], [401, 'sign-in-needed'], name);
    for (const body of [{ force: true }, { approved: true }, { envelope: {} }])
      refused(await running.post(pathOf(route, open.request, ''), body), 'shape-mismatch');
    refused(await running.post(pathOf(route, open.request, ''), {}), 'gate-pending', 'activation-not-governance');
  }
  assert.equal(await headOf(running), head);
});

test('C7: every route answers as its table says, and no other method does anything', async () => {
  const { request } = await running.ask();
  const head = await headOf(running);
  for (const [name, route] of table) {
    const url =
      running.url +
      pathOf(route, request, `pmt_${'0'.repeat(26)}`)
        .replace('{index}', '0')
        .replace('{digest}', `sha256:${'0'.repeat(64)}`);
    const bare = await fetch(url, { method: route.method, redirect: 'manual' });
    await bare.arrayBuffer();
    if (route.method === 'GET' && route.access === 'reader') assert.equal(bare.status, 401, name);
    if (route.method === 'GET' && route.access === 'page') assert.equal(bare.status, 303, name);
    if (route.method === 'POST') assert.ok(bare.status >= 400 || route.form === true, name);
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', route.method === 'GET' ? 'POST' : 'PUT']) {
      const twin = table.some(([, other]) => other.path === route.path && other.method === method);
      if (twin) continue;
      const answer = await call(url, { method, headers: { authorization: `Bearer ${running.token}` } });
      assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${name}: ${answer.status}`);
    }
  }
  for (const path of [
    '/v1',
    '/v1/admin',
    '/v1/requests/',
    '/v1/requests//votes',
    '//v1/requests',
    '/V1/requests',
    '/debug',
    '/v1/commands',
    '/v1/ledger/entries/..%2f0',
    '/.env',
    '/tokens.json',
    '/log.key',
  ])
    for (const method of ['GET', 'POST']) {
      const { status } = await call(running.url + path, {
        method,
        headers: { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' },
        ...(method === 'POST' ? { body: '{}' } : {}),
      });
      assert.ok([400, 404, 405].includes(status), `${method} ${path}: ${status}`);
    }
  assert.equal(await headOf(running), head);
});

test('A34: unknown ids, and those of another ledger, are answered alike, and nothing is made by talking of them', async () => {
  const elsewhere = await startRunning({ policy: policyOf(oneSeatAction()), nonce: 'e'.repeat(32) });
  try {
    const foreign = await elsewhere.permitted();
    const head = await headOf(running);
    const unknown = `req_${'0'.repeat(26)}`;
    for (const path of ['', '/case', '/evidence', `/statement?decision=approve&person=${personOf('linus')}`]) {
      const answers = await Promise.all(
        [unknown, foreign.request.request].map((id) => running.get(`/v1/requests/${id}${path}`)),
      );
      for (const answer of answers) refused(answer, 'request-unknown');
      const [first, second] = answers.map(({ body }) => JSON.stringify(body).replaceAll(/req_[a-z0-9]{26}/g, 'ID'));
      assert.equal(first, second);
    }
    for (const id of [unknown, foreign.request.request]) refused(await running.permit(id), 'request-unknown');
    refused(await running.post(`/v1/requests/${foreign.request.request}/activate`, {}), 'request-unknown');
    assert.equal(await headOf(running), head);
    const permit = foreign.permit.permit;
    const use = running.consumptionBody(permit, foreign.request.change);
    refused(await running.post(`/v1/permits/${permit}/consume`, use), 'permit-unknown');
    refused(
      await running.post(`/v1/permits/${permit}/consume`, elsewhere.consumptionBody(permit, foreign.request.change)),
      'statement-elsewhere',
    );
    for (const index of ['999999', '-1', '1.0', '0x0', '%00', '1e3'])
      refused(await running.get(`/v1/ledger/entries/${index}`), 'entry-unknown');
  } finally {
    await elsewhere.close();
  }
});

test('A23 A42: an idempotency key gives its first answer and no more: not to others, not for another body, not for another address', async () => {
  const key = { 'idempotency-key': 'one-and-the-same' };
  const body = running.requestBody();
  const first = worked(await running.post<Submitted>('/v1/requests', body, key));
  assert.deepEqual(worked(await running.post<Submitted>('/v1/requests', body, key)), first);
  refused(
    await running.post('/v1/requests', running.requestBody({ facts: { service: 'till', risk: 1 } }), key),
    'idempotency-conflict',
  );
  const bob = worked(await running.post<Submitted>('/v1/requests', running.requestBody({}, 'bob'), key));
  assert.notEqual(bob.request, first.request);
  const id = first.request;
  const votes = `/v1/requests/${id}/votes`;
  const vote = await running.voteBody(id, 'linus');
  const cast = worked(await running.post(votes, vote, key));
  assert.deepEqual(worked(await running.post(votes, vote, key)), cast);
  refused(await running.post(votes, vote), 'vote-already-cast');
  refused(await running.post(votes, await running.voteBody(id, 'grace', {}, 'stranger'), key), 'key-unknown');
  assert.deepEqual(await votesOf(running, id), [personOf('linus')]);
  refused(await running.post(`/v1/requests/${bob.request}/votes`, vote, key), 'vote-wrong-request');
  const { permit } = worked(await running.permit(id));
  const use = running.consumptionBody(permit, first.change);
  const uses = await Promise.all(
    Array.from({ length: 6 }, () => running.post(`/v1/permits/${permit}/consume`, use, key)),
  );
  for (const answer of uses) if (answer.status !== 200) refused(answer, 'idempotency-in-flight');
  const other = running.consumptionBody(permit, first.change);
  refused(await running.post(`/v1/permits/${permit}/consume`, other, key), 'idempotency-conflict');
  refused(await running.post(`/v1/permits/${permit}/consume`, other), 'permit-used');
  const entries = (await running.show(id)).entries.length;
  worked(await running.post(`/v1/permits/${permit}/consume`, use, key));
  assert.equal((await running.show(id)).entries.length, entries, 'one consumption stands in the ledger');
  for (const bad of ['', ' ', 'ä', 'x'.repeat(201)])
    assert.ok(
      (await running.post(votes, vote, { 'idempotency-key': bad }).catch(() => ({ status: 400 }))).status >= 400,
    );
});

test('A34 H6: a page of another site, another host name or a form makes nobody’s browser do anything', async () => {
  const { request: id } = await running.ask();
  const head = await headOf(running);
  const vote = await running.voteBody(id, 'linus');
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `${running.url}.evil.example` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])
    refused(await running.post(`/v1/requests/${id}/votes`, vote, headers), 'origin-foreign');
  for (const type of [
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'text/json',
  ])
    refused(await running.post(`/v1/requests/${id}/votes`, vote, { 'content-type': type }), 'content-type-wrong');
  refused(await running.post(`/v1/requests/${id}/votes`, vote, { 'content-encoding': 'gzip' }), 'content-type-wrong');
  const form = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' },
    body: `token=${running.token}&next=https://evil.example/`,
  });
  assert.equal(form.status, 403);
  const own = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: running.url },
    body: `token=${running.token}&next=${encodeURIComponent('//evil.example/')}`,
  });
  assert.deepEqual(
    [own.status, own.headers.get('location')?.startsWith('/'), own.headers.get('location')?.startsWith('//')],
    [303, true, false],
  );
  assert.match(own.headers.get('set-cookie') ?? '', /HttpOnly.*SameSite=Lax/);
  const cookie = (own.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const ridden = await fetch(`${running.url}/v1/requests/${id}/permit`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/json', origin: 'https://evil.example' },
    body: '{}',
  });
  assert.equal(ridden.status, 403);
  assert.equal(await headOf(running), head);
});

test('A02 A34 INV8: governance has one way in: no founder, machine or operator changes policy or roster by another', async () => {
  const { request: id } = await running.ask();
  for (const path of [
    '/v1/policy',
    '/v1/roster',
    '/v1/ledger',
    '/v1/ledger/entries',
    '/v1/ledger/blobs',
    '/v1/ledger/checkpoint',
  ])
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await call(running.url + path, {
        method,
        headers: { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' },
        body: '{}',
      });
      assert.ok([404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
    }
  for (const by of ['ci', 'deployer', 'ada', 'linus'])
    refused(
      await running.post(
        '/v1/requests',
        running.requestBody(
          {
            action: 'governance.roster',
            facts: {},
            audience: null,
            executor: null,
            content: `sha256:${'0'.repeat(64)}`,
          },
          by,
        ),
      ),
      'attachment-missing',
      'ask-not-allowed',
    );
  refused(await running.post(`/v1/requests/${id}/activate`, {}), 'activation-not-governance');
  const { roster, policy } = await running.info();
  assert.deepEqual([roster.version, policy.version], [1, 1]);
});

test('A47: refusals are on record with who tried what, and nothing secret is in the log of the server', async () => {
  const quiet = await startRunning({ policy: policyOf(lockedAction()) });
  try {
    const { request: id } = await quiet.ask();
    const before = (await quiet.info()).size;
    refused(await quiet.vote(id, 'ada'), 'vote-by-producer');
    assert.equal((await quiet.info()).size, before + 1);
    const { entry } = worked(await quiet.get<{ entry: string }>(`/v1/ledger/entries/${before}`));
    const { events } = JSON.parse(entry) as { events: { type: string; code: string; principal: string }[] };
    assert.deepEqual(
      events.map(({ type, code, principal }) => [type, code, principal]),
      [['CommandRefused', 'vote-by-producer', `person:${personOf('ada')}`]],
    );
    for (let at = 0; at < 64; at += 1) await quiet.vote(id, 'ada');
    assert.ok((await quiet.info()).size <= before + 61, 'refusals of one person do not fill the ledger');
    await quiet.get(`/v1/requests?cursor=${quiet.token}`);
    assert.ok(!quiet.logs.join('').includes(quiet.token));
  } finally {
    await quiet.close();
  }
});
