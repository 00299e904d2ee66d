// SPDX-License-Identifier: Apache-2.0
// Who may read, and that reading is all that tokens and sessions are good for (SPEC H1, H6, H7).
import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Challenge, RequestPage, RequestView, Session, StatementAnswer } from '../../src/contract/api.ts';
import { routes } from '../../src/contract/routes.ts';
import { readTokens, revokeToken, mintToken } from '../../src/server/tokens.ts';
import { day, personOf, sign } from '../support/world.ts';
import { call, startRunning, type HttpAnswer, type Running } from './running.ts';

let running: Running;
let clock = Date.now();
before(async () => {
  running = await startRunning({ now: () => clock });
});
after(() => running.close());

const anonymous = (path: string, init: RequestInit = {}) => call(running.url + path, init);
const code = ({ status, body }: HttpAnswer<object>): readonly [number, string] => [status, body.code];

const login = async (name: string, over: object = {}): Promise<HttpAnswer<Session>> => {
  const { body } = await call<Challenge>(`${running.url}/v1/challenge`);
  const statement = {
    type: 'countersign.dev/login/v0',
    ...running.common(name),
    challenge: body.challenge,
    server: body.server,
    ...over,
  };
  return call<Session>(`${running.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ envelope: sign(statement, name) }),
  });
};

/** What a program sends that sets headers as it likes, such as a foreign Host. */
const raw = (
  path: string,
  headers: Record<string, string>,
  method = 'GET',
  body = '',
): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const sent = httpRequest(running.url + path, { method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

test('nothing that tells of requests, people or policy is read without a token', async () => {
  const asked = await running.ask();
  for (const route of Object.values(routes)) {
    if (route.access !== 'reader') continue;
    const path = route.path.replace('{id}', asked.request).replace('{index}', '0').replace('{digest}', 'sha256:00');
    const init =
      route.method === 'GET' ? {} : { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
    const answer = await anonymous(path, init);
    assert.deepEqual(code(answer), [401, 'sign-in-needed'], `${route.method} ${route.path}`);
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
    assert.doesNotMatch(JSON.stringify(answer.body), /shop|p_ada0/);
  }
});

test('what anybody may read says nothing of anybody', async () => {
  for (const path of [
    '/v1/ledger',
    '/ledger/checkpoint',
    '/livez',
    '/readyz',
    '/version',
    '/v1/ledger/consistency?from=1',
  ]) {
    const answer = await anonymous(path);
    assert.equal(answer.status, 200, path);
    assert.doesNotMatch(JSON.stringify(answer.body), /p_[a-z]+0|shop/);
  }
});

test('a wrong token, one in the address, and a token of another kind are no tokens', async () => {
  const wrong = [
    'Bearer cst_' + 'A'.repeat(43),
    'Bearer css_' + 'A'.repeat(43),
    `Basic ${running.token}`,
    `Bearer ${running.token}x`,
    'Bearer',
  ];
  for (const authorization of wrong)
    assert.deepEqual(code(await anonymous('/v1/roster', { headers: { authorization } })), [401, 'sign-in-needed']);
  const inAddress = await anonymous(`/v1/roster?access_token=${running.token}`);
  assert.notEqual(inAddress.status, 200);
  const cookie = await anonymous('/v1/roster', { headers: { cookie: `countersign=${running.token}` } });
  assert.deepEqual(code(cookie), [401, 'sign-in-needed'], 'a token is no session of a browser');
});

test('a token ends when it expires and, within a second, when it is revoked', async () => {
  const minted = mintToken(running.dir, { label: 'short', validMs: 60_000, nowMs: clock });
  assert.ok(minted.ok);
  const read = () => anonymous('/v1/roster', { headers: { authorization: `Bearer ${minted.value.token}` } });
  clock += 1500;
  assert.equal((await read()).status, 200);
  assert.ok(!readFileSync(join(running.dir, 'tokens.json'), 'utf8').includes(minted.value.token.slice(4)));
  clock += 60_000;
  assert.equal((await read()).status, 401);
  const other = mintToken(running.dir, { label: 'other', validMs: day, nowMs: clock });
  assert.ok(other.ok);
  clock += 1500;
  const readOther = () => anonymous('/v1/roster', { headers: { authorization: `Bearer ${other.value.token}` } });
  assert.equal((await readOther()).status, 200);
  assert.deepEqual(revokeToken(running.dir, other.value.id), { ok: true, value: true });
  clock += 1500;
  assert.equal((await readOther()).status, 401);
});

test('a token file that others may open gives no access at all (INV4)', async () => {
  const file = join(running.dir, 'tokens.json');
  chmodSync(file, 0o644);
  assert.equal(readTokens(running.dir).ok, false);
  clock += 1500;
  assert.equal((await running.get('/v1/roster')).status, 401);
  chmodSync(file, 0o600);
  clock += 1500;
  assert.equal((await running.get('/v1/roster')).status, 200);
});

test('a session is opened with a signature for this server, used once, and lasts an hour (H7)', async () => {
  const session = await login('linus');
  assert.equal(session.status, 201, JSON.stringify(session.body));
  assert.equal(session.body.principal, `person:${personOf('linus')}`);
  const headers = { authorization: `Bearer ${session.body.token}` };
  assert.equal((await anonymous('/v1/requests', { headers })).status, 200);
  clock += 3_600_001;
  assert.deepEqual(code(await anonymous('/v1/requests', { headers })), [401, 'sign-in-needed']);
});

test('a login for another server, with a foreign, stale or used challenge, or by a stranger, opens nothing', async () => {
  assert.deepEqual(code(await login('linus', { server: 'https://evil.example.org' })), [401, 'challenge-stale']);
  assert.deepEqual(code(await login('linus', { challenge: '0'.repeat(32) })), [401, 'challenge-stale']);
  const { body } = await call<Challenge>(`${running.url}/v1/challenge`);
  const same = { challenge: body.challenge };
  assert.equal((await login('linus', same)).status, 201);
  assert.deepEqual(code(await login('linus', same)), [401, 'challenge-stale']);
  const old = await call<Challenge>(`${running.url}/v1/challenge`);
  clock += 301_000;
  assert.deepEqual(code(await login('linus', { challenge: old.body.challenge })), [401, 'challenge-stale']);
  assert.deepEqual(code(await login('stranger', { by: 'person:p_ada0' })), [401, 'key-unknown']);
  assert.deepEqual(code(await login('bob', { by: 'person:p_ada0' })), [422, 'key-of-another']);
});

test('a session votes for nobody: only the signature counts', async () => {
  const asked = await running.ask();
  const session = await login('linus');
  const answer = await call(`${running.url}/v1/requests/${asked.request}/votes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${session.body.token}` },
    body: JSON.stringify({ decision: 'approve' }),
  });
  assert.deepEqual(code(answer), [400, 'shape-mismatch']);
  assert.equal((await running.show(asked.request)).votes.length, 0);
});

test('whoever reads as a person is told whether they can decide, and gets the bytes to sign', async () => {
  const asked = await running.ask();
  const session = await login('linus');
  const headers = { authorization: `Bearer ${session.body.token}` };
  const view = await call<RequestView>(`${running.url}/v1/requests/${asked.request}`, { headers });
  assert.deepEqual(view.body.can_decide, { may: true, why: 'entitled', seats: ['platform'] });
  const bytes = await call<StatementAnswer>(`${running.url}/v1/requests/${asked.request}/statement`, { headers });
  assert.equal(bytes.body.namespace, 'countersign-vote@v1');
  const statement = JSON.parse(bytes.body.statement) as Record<string, unknown>;
  assert.deepEqual([statement['by'], statement['change']], [`person:${personOf('linus')}`, asked.change]);
  const voted = await running.post(`/v1/requests/${asked.request}/votes`, {
    envelope: sign(statement as never, 'linus'),
  });
  assert.equal(voted.status, 201, JSON.stringify(voted.body));
  const author = await running.get(`/v1/requests/${asked.request}/statement?person=${personOf('ada')}`);
  assert.deepEqual(code(author), [403, 'vote-not-entitled']);
  const token = await running.get<RequestView>(`/v1/requests/${asked.request}`);
  assert.equal(token.body.can_decide, null, 'a token is nobody in particular');
});

test('a browser of another site changes nothing, and under another host name reads nothing (H6)', async () => {
  const body = JSON.stringify(running.requestBody());
  const json = { 'content-type': 'application/json' };
  const cross = await raw('/v1/requests', { ...json, origin: 'https://evil.example.org' }, 'POST', body);
  assert.equal(cross.status, 403);
  assert.match(cross.text, /origin-foreign/);
  assert.equal((await raw('/v1/requests', { ...json, 'sec-fetch-site': 'cross-site' }, 'POST', body)).status, 403);
  assert.equal((await raw('/v1/requests', { ...json, origin: 'null' }, 'POST', body)).status, 403);
  const session = await login('linus');
  const pasted = await raw(
    '/sign-in',
    { 'content-type': 'application/x-www-form-urlencoded', origin: running.url },
    'POST',
    `token=${session.body.token}`,
  );
  assert.equal(pasted.status, 303);
  const page = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: running.url },
    body: new URLSearchParams({ token: session.body.token }),
  });
  const cookie = (page.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  assert.match(page.headers.get('set-cookie') ?? '', /HttpOnly; SameSite=Lax/);
  assert.ok(!cookie.includes(session.body.token), 'the cookie is a session of its own');
  assert.equal((await raw('/v1/requests', { cookie })).status, 200);
  const rebound = await raw('/v1/requests', { cookie, host: 'evil.example.org' });
  assert.equal(rebound.status, 403);
  assert.match(rebound.text, /origin-foreign/);
  const out = await raw('/sign-out', { cookie, 'content-type': 'application/x-www-form-urlencoded' }, 'POST');
  assert.equal(out.status, 303);
  assert.equal((await raw('/v1/requests', { cookie })).status, 401, 'signing out ends the session here');
});

test('every answer forbids sniffing, framing and keeping', async () => {
  for (const path of ['/v1/ledger', '/v1/nothing', '/sign-in', '/docs', '/openapi.json']) {
    const { headers } = await anonymous(path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.match(headers.get('cache-control') ?? '', /no-store/);
  }
});

test('lists go page by page, newest first, by status and action', async () => {
  const asked = [await running.ask(), await running.ask(), await running.ask()].map(({ request }) => request);
  const first = await running.get<RequestPage>('/v1/requests?limit=2');
  assert.deepEqual(
    first.body.items.map(({ request }) => request),
    asked.toReversed().slice(0, 2),
  );
  assert.ok(first.body.next);
  const second = await running.get<RequestPage>(`/v1/requests?limit=2&cursor=${first.body.next}`);
  assert.equal(second.body.items[0]?.request, asked[0]);
  const open = await running.get<RequestPage>('/v1/requests?state=open&action=deploy.production');
  assert.ok(open.body.items.some(({ request }) => request === asked[0]));
  const none = await running.get<RequestPage>('/v1/requests?action=launch.rocket');
  assert.deepEqual(none.body, { items: [], next: null, people: {} });
});

test('what did not change is not sent again', async () => {
  for (const path of ['/v1/roster', '/v1/policy']) {
    const first = await running.get(path);
    const etag = first.headers.get('etag') ?? '';
    assert.equal(first.status, 200);
    assert.equal((await running.get(path, { 'if-none-match': etag })).status, 304);
  }
});
