// SPDX-License-Identifier: Apache-2.0
// SPEC L17, L18 from outside: a client whose every call goes to another server of one ledger notices nothing of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestPage } from '../../src/contract/api.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure } from '../../src/ledger/store.ts';
import { pause } from '../crash/killed-child.ts';
import { sign } from '../support/world.ts';
import { eventsOf, openHouse, publicUrl } from './house.ts';
import { call, principalOf, type Running } from './running.ts';

test('INV3, SPEC L17: a whole life, every call at another server; one permit, used once, although all are asked at once', async (t) => {
  const { servers, store, next } = await openHouse(t);
  const { request, change } = await next().ask();
  assert.equal((await next().show(request)).status, 'pending');
  const list = await next().get<RequestPage>('/v1/requests?state=open');
  assert.deepEqual(
    list.body.items.map((item) => item.request),
    [request],
  );
  const body = await next().voteBody(request, 'linus');
  const voted = await next().post(`/v1/requests/${request}/votes`, body);
  assert.equal(voted.status, 201, JSON.stringify(voted.body));
  const permits = await Promise.all(servers.map((server) => server.permit(request)));
  assert.deepEqual(
    permits.map(({ status }) => status),
    [200, 200, 200],
    JSON.stringify(permits.map((one) => one.body)),
  );
  const permit = permits[0]?.body.permit ?? '';
  assert.equal(new Set(permits.map((one) => one.body.permit)).size, 1);
  const uses = await Promise.all(
    servers.map((server) => server.post(`/v1/permits/${permit}/consume`, server.consumptionBody(permit, change))),
  );
  assert.equal(uses.filter(({ status }) => status === 200).length, 1, JSON.stringify(uses.map((one) => one.body)));
  const result = await next().post(`/v1/executions/${permit}/result`, next().resultBody(permit));
  assert.equal(result.status, 200, JSON.stringify(result.body));
  for (const server of servers) assert.equal((await server.show(request)).status, 'finished');
  const events = await eventsOf(store);
  for (const once of ['PermitIssued', 'PermitConsumed', 'ResultRecorded'])
    assert.equal(events.filter((type) => type === once).length, 1, once);
});

test('SPEC L12, L17: one key at three servers at once asks once and is answered alike', async (t) => {
  const { servers, store } = await openHouse(t);
  const [first] = servers;
  const body = first.requestBody();
  const answers = await Promise.all(
    servers.map((server) => server.post('/v1/requests', body, { 'idempotency-key': 'k' })),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  assert.equal(new Set(answers.map((one) => String(one.body['request']))).size, 1);
  assert.equal((await eventsOf(store)).filter((type) => type === 'RequestSubmitted').length, 1);
  const other = await first.post('/v1/requests', first.requestBody(), { 'idempotency-key': 'k' });
  assert.equal(other.body.code, 'idempotency-conflict');
});

test('SPEC H7, L17: a challenge of one server opens a session at another that holds at all, once, and ends at all', async (t) => {
  const { servers } = await openHouse(t);
  const [one, two, three] = servers;
  const drawn = await call<{ challenge: string; server: string }>(`${one.url}/v1/challenge`);
  const { challenge } = drawn.body;
  const envelope = sign(
    {
      type: 'countersign.dev/login/v0',
      ledger: one.pin,
      tenant: 'main',
      by: principalOf('ada'),
      challenge,
      server: publicUrl,
    },
    'ada',
  );
  const post = (server: Running) =>
    call<{ token: string }>(`${server.url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ envelope }),
    });
  const opened = await Promise.all([two, three, one, two].map(post));
  assert.equal(
    opened.filter(({ status }) => status === 201).length,
    1,
    JSON.stringify(opened.map((each) => each.body)),
  );
  assert.ok(opened.every(({ status, body }) => status === 201 || body.code === 'challenge-stale'));
  const token = opened.find(({ status }) => status === 201)?.body.token ?? '';
  const read = (server: Running, headers: Record<string, string> = { authorization: `Bearer ${token}` }) =>
    call(`${server.url}/v1/requests`, { headers });
  for (const server of servers) assert.equal((await read(server)).status, 200);
  const signedIn = await fetch(`${one.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  });
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const host = { cookie };
  for (const server of servers) assert.equal((await read(server, host)).status, 200, 'by cookie');
  const out = await fetch(`${two.url}/sign-out`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...host, 'content-type': 'application/x-www-form-urlencoded' },
    body: '',
  });
  assert.equal(out.status, 303);
  for (const server of servers) assert.equal((await read(server, host)).status, 401, 'it ended everywhere');
  for (const wrong of ['css_' + 'x'.repeat(43), `${token}x`])
    assert.equal((await read(three, { authorization: `Bearer ${wrong}` })).status, 401);
});

test('SPEC W1, L17: what one server has answered for, every other can prove at once; or it says that it cannot know', async (t) => {
  let broken = false;
  const { servers } = await openHouse(t, {}, Date.now, (store, which) =>
    which === 2
      ? {
          ...store,
          head: (tenant) =>
            broken
              ? Promise.reject(
                  new StoreFailure(refuse('store-io', 'L8', 'the line is down', {}, '').refusal, 'nothing-written'),
                )
              : store.head(tenant),
        }
      : store,
  );
  const [one, two, three] = servers;
  const before = (await one.info()).size;
  await one.ask();
  const { size } = await one.info();
  assert.ok(size > before);
  for (const server of [two, three]) {
    const proof = await server.get(`/v1/ledger/consistency?from=${before}&to=${size}`);
    assert.equal(proof.status, 200, JSON.stringify(proof.body));
    assert.equal((await server.get(`/v1/ledger/entries/${size - 1}`)).status, 200);
  }
  broken = true;
  const { request } = await one.ask();
  const lost = await three.get(`/v1/ledger/consistency?from=${size}&to=${size + 1}`);
  assert.deepEqual([lost.status, lost.body.code], [503, 'ledger-unavailable'], 'and not that there is no such size');
  assert.equal((await three.get(`/v1/requests/${request}`)).body.code, 'ledger-unavailable');
  assert.equal((await three.get(`/v1/ledger/consistency?from=${before}&to=${size}`)).status, 200, 'the rest it shows');
  broken = false;
  assert.equal((await three.show(request)).status, 'pending');
  assert.equal((await three.get('/v1/requests/req_0000000000000000000000000x')).body.code, 'request-unknown');
});

test('INV6, SPEC Q7, L18: three timers write down once what time has made true; a late one changes nothing', async (t) => {
  let ahead = 0;
  const clock = (): number => Date.now() + ahead;
  const { servers, store, next } = await openHouse(t, { tickEveryMs: 20 }, clock);
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) ids.push((await next().ask()).request);
  ahead = 5 * 3_600_000;
  while ((await eventsOf(store)).filter((type) => type === 'RequestExpired').length < 3) await pause(10);
  await pause(200);
  assert.equal((await eventsOf(store)).filter((type) => type === 'RequestExpired').length, 3);
  for (const server of servers) for (const id of ids) assert.equal((await server.show(id)).status, 'expired');

  // Without any timer the vote that comes too late is refused all the same.
  const still = await openHouse(t, { tickEveryMs: 3_600_000 }, clock);
  const { request } = await still.next().ask();
  const body = await still.next().voteBody(request, 'linus');
  ahead += 5 * 3_600_000;
  const late = await Promise.all(still.servers.map((server) => server.post(`/v1/requests/${request}/votes`, body)));
  assert.ok(
    late.every(({ status }) => status >= 400),
    JSON.stringify(late.map((one) => one.body)),
  );
  const events = await eventsOf(still.store);
  assert.equal(events.filter((type) => type === 'RequestExpired').length, 1);
  assert.ok(!events.includes('ApprovalRecorded'));
});
