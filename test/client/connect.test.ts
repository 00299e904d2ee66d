// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, listRequests, openSigner, showRequest, submitRequest } from '../../src/client/client.ts';
import { inMs } from '../../src/client/statements.ts';
import { routes } from '../../src/contract/routes.ts';
import { startRunning, type Running } from '../server/running.ts';
import { deployAction, fingerprintOf, policyOf } from '../support/world.ts';
import { startLying } from './lying-server.ts';
import { scratch } from './ssh-tools.ts';

let running: Running;
before(async () => {
  const { tested: _, ...facts } = deployAction().facts;
  running = await startRunning({ policy: policyOf(deployAction({ facts })) });
});
after(() => running.close());

const open = async (home: string, name: string, over: { pin?: string; server?: string } = {}) => {
  const signer = await openSigner(running.keyFile(name), { env: {}, input: false });
  assert.ok(signer.ok);
  return connect({ server: running.url, pin: running.pin, signer: signer.value, home, allowTrial: true, ...over });
};

test('the library asks, and finds out by the key whose it is', async (t) => {
  const home = scratch(t);
  const client = await open(home, 'ada');
  assert.ok(client.ok, client.ok ? '' : client.refusal.message);
  const by = await client.value.principal();
  assert.deepEqual(by, { ok: true, value: 'person:p_ada0' });
  const asked = await submitRequest(client.value, {
    action: 'deploy.production',
    facts: { service: 'shop', risk: 1 },
    reason: 'because',
    audience: 'web',
    executor: fingerprintOf('deployer'),
    not_after: inMs(3_600_000),
  });
  assert.ok(asked.ok, asked.ok ? '' : asked.refusal.message);
  const view = await showRequest(client.value, asked.value.request);
  assert.ok(view.ok && view.value.requester === 'person:p_ada0' && view.value.reason === 'because');
  const list = await listRequests(client.value, { state: 'pending' });
  assert.ok(list.ok && list.value.items.some(({ request }) => request === asked.value.request));
  assert.equal(statSync(join(home, 'sessions.json')).mode & 0o777, 0o600);
});

test('once met, a server is known by its pin; another pin for it is refused', async (t) => {
  const home = scratch(t);
  assert.ok((await open(home, 'ada')).ok);
  const again = await connect({ server: running.url, home, allowTrial: true });
  assert.ok(again.ok, 'a session is kept, so that reading needs no key');
  const other = await connect({ server: running.url, pin: `sha256:${'0'.repeat(64)}`, home, allowTrial: true });
  assert.ok(!other.ok && other.refusal.code === 'ledger-elsewhere');
  const noTrial = await connect({ server: running.url, home });
  assert.ok(!noTrial.ok && noTrial.refusal.code === 'trial-not-allowed');
  const unknown = await connect({ server: running.url, home: scratch(t), allowTrial: true });
  assert.ok(!unknown.ok && unknown.refusal.code === 'pin-missing');
});

test('a session that the server forgot is opened anew; without a key it is a clear no', async (t) => {
  const home = scratch(t);
  assert.ok((await open(home, 'ada')).ok);
  const file = join(home, 'sessions.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/css_[A-Za-z0-9_-]+/g, `css_${'x'.repeat(43)}`));
  const keyless = await connect({ server: running.url, home, allowTrial: true });
  assert.ok(keyless.ok);
  const no = await listRequests(keyless.value, {});
  assert.ok(!no.ok && no.refusal.code === 'sign-in-needed');
  const client = await open(home, 'ada');
  assert.ok(client.ok);
  assert.ok((await listRequests(client.value, {})).ok);
});

test('addresses beyond this machine must be https, and hold nothing but a host', async (t) => {
  const home = scratch(t);
  for (const server of [
    'http://gate.example.org',
    'ftp://127.0.0.1',
    'http://a:b@127.0.0.1',
    'http://127.0.0.1/x',
    'nonsense',
  ]) {
    const no = await connect({ server, pin: running.pin, home });
    assert.ok(!no.ok && no.refusal.code === 'server-address', server);
  }
  const nobody = await connect({ server: 'http://127.0.0.1:1', pin: running.pin, home });
  assert.ok(!nobody.ok && nobody.refusal.code === 'server-unreachable');
});

test('answers that are no answers are a "no", and codes of newer servers are passed on (W7)', async (t) => {
  const home = scratch(t);
  const known = await open(home, 'ada');
  assert.ok(known.ok);
  const lying = await startLying(running.url);
  try {
    const cases: readonly (readonly [string, string])[] = [
      ['<html>', 'answer-malformed'],
      ['{}', 'answer-malformed'],
      ['{"ledger":"sha256:0","ledger":"x"}', 'answer-malformed'],
      [`{"ledger":"${running.pin}"}`, 'answer-malformed'],
    ];
    for (const [text, code] of cases) {
      lying.lie = (path, real) => (path === '/v1/ledger' ? text : real);
      const no = await open(home, 'ada', { server: lying.url });
      assert.ok(!no.ok && no.refusal.code === code, no.ok ? text : `${text}: ${no.refusal.code}`);
    }
    lying.lie = (_path, text) => text.replaceAll('request-unknown', 'request-of-the-future');
    const client = await connect({ server: lying.url, pin: running.pin, token: running.token, home, allowTrial: true });
    assert.ok(client.ok);
    const missing = await showRequest(client.value, `req_${'0'.repeat(26)}`);
    assert.ok(!missing.ok && missing.refusal.code === 'server-refused');
    assert.equal(missing.refusal.facts['server_code'], 'request-of-the-future');
  } finally {
    await lying.close();
  }
});

test('every path that the client and the verbs use is one of the contract', () => {
  const known = Object.values(routes).map(({ path }) => new RegExp(`^${path.replaceAll(/\{[a-z]+\}/g, '[^/]+')}$`));
  const files = globSync(['src/client/*.ts', 'src/cli/*.ts'], { cwd: join(import.meta.dirname, '../..') });
  const used = files.flatMap((file) =>
    [...readFileSync(join(import.meta.dirname, '../..', file), 'utf8').matchAll(/[`'](\/v1\/[^`'?]*)[`'?]/g)].map(
      (match) => (match[1] ?? '').replaceAll(/\$\{[^}]*\}/g, 'x'),
    ),
  );
  assert.ok(used.length > 10);
  assert.deepEqual(
    used.filter((path) => !known.some((form) => form.test(path)) && path !== '/v1/requests/xx'),
    [],
  );
});
