// SPDX-License-Identifier: Apache-2.0
// The table of routes, what is mounted, OpenAPI and the answers say the same (C7).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { routes, type Route, type RouteName } from '../../src/contract/routes.ts';
import { handlers } from '../../src/server/handlers.ts';
import { openApiDocument } from '../../src/server/openapi.ts';
import { startRunning, type Running } from './running.ts';

let running: Running;
before(async () => {
  running = await startRunning();
});
after(() => running.close());

test('every route has one handler and one place in OpenAPI, and there are no others', () => {
  assert.deepEqual(Object.keys(handlers).sort(), Object.keys(routes).sort());
  const { paths } = openApiDocument('1') as { paths: Record<string, Record<string, { operationId: string }>> };
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => `${operationId}: ${method.toUpperCase()} ${path}`),
  );
  const named = Object.entries(routes).map(([name, { method, path }]) => `${name}: ${method} ${path}`);
  assert.deepEqual(described.sort(), named.sort());
});

test('every route is mounted, and answers other methods with 405', async () => {
  for (const route of Object.values(routes) as readonly Route[]) {
    const path = route.path.replaceAll(/\{[a-z]+\}/g, 'x');
    const there = await fetch(running.url + path, { method: route.method, redirect: 'manual' });
    const body = await there.text();
    assert.doesNotMatch(body, /"code":"(route-unknown|method-wrong|server-failed)"/, `${route.method} ${route.path}`);
    const other = await fetch(running.url + path, { method: 'DELETE' });
    assert.equal(other.status, 405, route.path);
    await other.text();
  }
});

test('every POST of JSON refuses an unknown field, and every schema of a body is closed', async () => {
  for (const route of Object.values(routes) as readonly Route[]) {
    if (route.body === undefined) continue;
    const answer = await running.post(route.path.replaceAll(/\{[a-z]+\}/g, 'x'), { surprise: true });
    assert.equal(answer.body.code, 'shape-mismatch', route.path);
  }
});

test('answers have the shape that the contract says', async () => {
  const { request, permit } = await running.permitted();
  const paths: { readonly [name in RouteName]?: string } = {
    challenge: '/v1/challenge',
    ledgerInfo: '/v1/ledger',
    roster: '/v1/roster',
    policy: '/v1/policy',
    listRequests: '/v1/requests',
    showRequest: `/v1/requests/${request.request}`,
    statement: `/v1/requests/${request.request}/statement?person=p_grace0`,
    caseFile: `/v1/requests/${request.request}/case`,
    entry: '/v1/ledger/entries/1',
    entries: '/v1/ledger/entries?from=0&limit=2',
    consistency: '/v1/ledger/consistency?from=1',
    version: '/version',
  };
  for (const [name, path] of Object.entries(paths) as [RouteName, string][]) {
    const { status, body } = await running.get(path);
    assert.equal(status, name === 'statement' ? 403 : 200, `${name}: ${JSON.stringify(body)}`);
    const { answer }: Route = routes[name];
    if (status === 200) answer?.parse(body);
  }
  routes.submitRequest.answer?.parse(request);
  routes.permit.answer?.parse(permit);
  const evidence = await running.get<{ type: string }>(`/v1/requests/${request.request}/evidence`);
  assert.equal(evidence.body.type, 'countersign.dev/evidence/v0');
  const checkpoint = await (await fetch(`${running.url}/ledger/checkpoint`)).text();
  assert.match(checkpoint, /^countersign-trial\/0123456789abcdef0123456789abcdef\n\d+\n/);
});

test('figures tell of requests, commands, batches and quarantine, and of nobody', async () => {
  const { body } = await running.get<{ text: string }>('/metrics');
  for (const name of [
    'countersign_requests{status="permitted"} 1',
    'countersign_commands_total{command="CastVote",outcome="accepted"} 1',
    'countersign_http_request_seconds_count{',
    'countersign_batch_entries_count',
    'countersign_ledger_quarantined 0',
    'countersign_alerts_undelivered 0',
    'countersign_ledger_entries',
  ])
    assert.ok(body.text.includes(name), name);
  assert.doesNotMatch(body.text, /p_[a-z]+0|req_|shop/);
});
