// SPDX-License-Identifier: Apache-2.0
// Starting, refusing to start, damage, limits and stopping (SPEC H5, H8, H10, H11).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import type { FactSource } from '../../src/app/fact-source.ts';
import type { LedgerInfo } from '../../src/contract/api.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import type { Result } from '../../src/kernel/refusal.ts';
import type { CompiledFact } from '../../src/policy/compiled.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import { openLedger } from '../../src/server/ledger-folder.ts';
import { startServer } from '../../src/server/serve.ts';
import { deployAction, keyOf, policyOf } from '../support/world.ts';
import { found, logSeed, serveFolder, signedGenesis, startRunning, stopAll, type Running } from './running.ts';

after(stopAll);

const refusedWith = (result: Result<unknown>, code: string, named: RegExp): void => {
  assert.ok(!result.ok, `it was taken instead of refused with ${code}`);
  assert.equal(result.refusal.code, code, result.refusal.message);
  assert.match(result.refusal.message, named);
  assert.ok((result.refusal.help ?? '').length > 5);
};

const quiet = { log: () => undefined, onAlert: () => undefined };
const withFolder = async (work: (dir: string, token: string, pin: string) => Promise<void>): Promise<void> => {
  const { dir, token, pin } = await found();
  try {
    await work(dir, token, pin);
  } finally {
    rmSync(join(dir, '..'), { recursive: true, force: true });
  }
};

test('a folder that is not empty is not founded over, and a refused founding leaves nothing behind (H8)', () =>
  withFolder(async (dir) => {
    const { genesis, attachments } = signedGenesis();
    refusedWith(await foundLedger(dir, { genesis, attachments, logSeed }), 'folder-exists', /is there already/);
    const other = join(dir, '..', 'other');
    const wrong = await foundLedger(other, { genesis, attachments, logSeed: new Uint8Array(32) });
    refusedWith(wrong, 'log-key-mismatch', /log key/);
    const unsigned = { ...genesis, signatures: genesis.signatures.slice(1) };
    refusedWith(
      await foundLedger(other, { genesis: unsigned, attachments, logSeed }),
      'genesis-unsigned',
      /did not sign/,
    );
    assert.deepEqual(readdirSync(join(dir, '..')), ['data']);
  }));

test('no ledger, a foreign log key, and a log key that others may read are refused', () =>
  withFolder(async (dir) => {
    refusedWith(await openLedger(join(dir, 'nothing')), 'ledger-missing', /no ledger/);
    const key = join(dir, 'log.key');
    chmodSync(key, 0o640);
    refusedWith(await openLedger(dir), 'file-too-open', /log.key/);
    const good = readFileSync(key, 'utf8');
    chmodSync(key, 0o600);
    writeFileSync(key, formatOpenSshPrivateKey(keyOf('ada'), 'wrong'));
    refusedWith(await openLedger(dir), 'log-key-mismatch', /log.key/);
    rmSync(key);
    refusedWith(await openLedger(dir), 'ledger-missing', /log.key/);
    writeFileSync(key, good, { mode: 0o600 });
    const opened = await openLedger(dir);
    assert.ok(opened.ok);
    await opened.value.close();
  }));

test('a folder that another process has is refused, and free again when that process is gone (L9)', () =>
  withFolder(async (dir) => {
    const script = `
      const { openLedger } = await import(${JSON.stringify(new URL('../../src/server/ledger-folder.ts', import.meta.url).href)});
      const opened = await openLedger(${JSON.stringify(dir)});
      process.stdout.write(opened.ok ? 'open' : opened.refusal.code);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    refusedWith(await startServer({ dir, ...quiet }), 'store-locked', new RegExp(`process ${child.pid}`));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const server = await startServer({ dir, ...quiet });
    assert.ok(server.ok, server.ok ? '' : server.refusal.message);
    await server.value.stop();
  }));

test('a port in use is refused, and lets go of the ledger', () =>
  withFolder(async (dir) => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    refusedWith(await startServer({ dir, port, ...quiet }), 'port-in-use', new RegExp(String(port)));
    await new Promise((resolve) => holder.close(resolve));
    const server = await startServer({ dir, port, ...quiet });
    assert.ok(server.ok, server.ok ? '' : server.refusal.message);
    await server.value.stop();
  }));

test('beyond loopback there is no listening without TLS or a named proxy (H5)', () =>
  withFolder(async (dir) => {
    refusedWith(await startServer({ dir, host: '0.0.0.0', ...quiet }), 'listen-without-tls', /0.0.0.0/);
    const tls = { certificate: join(dir, 'none.pem'), key: join(dir, 'none.key') };
    refusedWith(await startServer({ dir, host: '0.0.0.0', tls, ...quiet }), 'config-malformed', /none.pem/);
    const proxies = await startServer({ dir, host: '0.0.0.0', trustedProxies: ['everybody'], ...quiet });
    refusedWith(proxies, 'config-malformed', /everybody/);
    refusedWith(await startServer({ dir, publicUrl: 'gate.example.org', ...quiet }), 'config-malformed', /gate/);
  }));

const damage = (dir: string, index: number, word = 'shop'): void => {
  const db = new DatabaseSync(join(dir, 'ledger', 'ledger-main.sqlite'));
  const row = db.prepare('SELECT bytes FROM entries WHERE idx = ?').get(index) as { bytes: Uint8Array };
  const bytes = Buffer.from(row.bytes);
  const at = bytes.indexOf(word);
  assert.ok(at >= 0, `entry ${index} holds no ${word}`);
  bytes[at] = 'X'.charCodeAt(0);
  db.prepare('UPDATE entries SET bytes = ? WHERE idx = ?').run(bytes, index);
  db.close();
};

test('one changed byte starts the server in quarantine: it reads, proves and exports, and records nothing (L11)', () =>
  withFolder(async (dir, token, pin) => {
    const first = await serveFolder(dir, token, pin);
    const asked = await first.ask();
    const other = await first.ask();
    await first.server.stop();
    damage(dir, asked.receipt.index);
    const alerts: number[] = [];
    const hurt = await serveFolder(dir, token, pin, { onAlert: ({ index }) => void alerts.push(index) });
    assert.deepEqual(alerts, [asked.receipt.index]);
    const { body: info } = await hurt.get<LedgerInfo>('/v1/ledger');
    assert.equal(info.quarantine?.index, asked.receipt.index);
    assert.equal((await hurt.get('/readyz')).status, 503);
    assert.equal((await hurt.get('/livez')).status, 200);
    const refusedAsk = await hurt.post('/v1/requests', hurt.requestBody());
    assert.deepEqual([refusedAsk.status, refusedAsk.body.code], [503, 'ledger-quarantined']);
    assert.match(refusedAsk.body.detail, new RegExp(`entry ${asked.receipt.index}`));
    for (const path of ['/v1/roster', '/v1/policy', '/v1/requests', '/v1/ledger/entries?from=0', '/ledger/checkpoint'])
      assert.equal((await hurt.get(path)).status, 200, path);
    assert.match((await hurt.get<{ text: string }>('/metrics')).body.text, /countersign_ledger_quarantined 1/);
    await hurt.server.stop();
    const db = new DatabaseSync(join(dir, 'ledger', 'ledger-main.sqlite'));
    db.prepare('UPDATE entries SET bytes = ? WHERE idx = ?').run(Buffer.from(asked.receipt.entry), asked.receipt.index);
    db.close();
    const well = await serveFolder(dir, token, pin);
    assert.equal((await well.info()).quarantine, null, 'restored, it carries on');
    assert.equal((await well.vote(other.request, 'linus')).status, 201);
    await well.server.stop();
  }));

test('a changed genesis is named, and its own log key is not believed', () =>
  withFolder(async (dir, token, pin) => {
    const db = new DatabaseSync(join(dir, 'ledger', 'ledger-main.sqlite'));
    const { bytes } = db.prepare('SELECT bytes FROM entries WHERE idx = 0').get() as { bytes: Uint8Array };
    const changed = Buffer.from(bytes)
      .toString('utf8')
      .replace(/log_key\\":\\"....../, 'log_key\\":\\"AAAAAA');
    db.prepare('UPDATE entries SET bytes = ? WHERE idx = 0').run(Buffer.from(changed));
    db.close();
    const alerts: number[] = [];
    const opened = await openLedger(dir, { onAlert: ({ index }) => void alerts.push(index) });
    assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
    assert.deepEqual(alerts, [0]);
    await opened.value.close();
    assert.ok(token !== pin);
  }));

test('a ledger whose genesis cannot be replayed says so to whoever asks, and still gives out what is stored (L11)', () =>
  withFolder(async (dir, token, pin) => {
    const well = await serveFolder(dir, token, pin);
    const asked = await well.ask();
    const vote = await well.voteBody(asked.request, 'linus');
    const body = well.requestBody();
    await well.server.stop();
    damage(dir, 0, 'main');
    const hurt = await serveFolder(dir, token, pin);
    assert.equal((await hurt.get('/readyz')).status, 503);
    for (const answer of [
      await hurt.get('/v1/ledger'),
      await hurt.get('/v1/roster'),
      await hurt.get('/v1/policy'),
      await hurt.get('/v1/requests'),
      await hurt.post('/v1/requests', body),
      await hurt.post(`/v1/requests/${asked.request}/votes`, vote),
      await hurt.post(`/v1/requests/${asked.request}/permit`, {}),
    ])
      assert.deepEqual([answer.status, answer.body.code, answer.body.facts['index']], [503, 'ledger-quarantined', 0]);
    const shown = await fetch(`${hurt.url}/sign-in`, { headers: { accept: 'text/html' } });
    assert.deepEqual([shown.status, /damaged from entry 0 on/.test(await shown.text())], [503, true]);
    for (const path of ['/livez', '/metrics', '/version', '/docs', '/v1/ledger/entries?from=0', '/ledger/checkpoint'])
      assert.equal((await hurt.get(path)).status, 200, path);
    assert.doesNotMatch(hurt.logs.join(''), /handler-failed/);
    await hurt.server.stop();
  }));

const built: CompiledFact = {
  type: 'digest',
  source: { kind: 'adapter', adapter: 'file-digest', argument: 'place' },
  max: null,
};

const startSlow = async (options: { perAddress?: number; stopWithinMs?: number } = {}) => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const slow: FactSource = {
    name: 'file-digest',
    gather: async () => {
      asked();
      await gate;
      return { ok: true, value: { value: `sha256:${'a'.repeat(64)}`, evidence: null, detail: {} } };
    },
  };
  const place: CompiledFact = { type: 'path', source: { kind: 'requester' }, max: null };
  const running = await startRunning({
    policy: policyOf(deployAction({ facts: { ...deployAction().facts, place, built } })),
    factSources: [slow],
    ...options,
  });
  return { running, release, waiting };
};
const slowBody = (running: Running) => running.requestBody({ facts: { service: 'shop', risk: 10, place: 'shop.tar' } });

test('stopping answers what is under way, closes idle connections at once, and takes nothing new (H11)', async () => {
  const { running, release, waiting } = await startSlow();
  const idle = new Agent({ keepAlive: true });
  await new Promise<void>((resolve, reject) => {
    const sent = httpRequest(`${running.url}/livez`, { agent: idle }, (response) =>
      response.resume().on('end', resolve),
    );
    sent.on('error', reject).end();
  });
  const underWay = running.post('/v1/requests', slowBody(running));
  await waiting;
  const started = performance.now();
  const stopped = running.server.stop();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await assert.rejects(fetch(`${running.url}/livez`), 'nothing new is taken');
  release();
  const answer = await underWay;
  assert.equal(answer.status, 201, 'what was under way was answered');
  assert.equal(answer.headers.get('connection'), 'close');
  await stopped;
  assert.ok(performance.now() - started < 5000, 'an idle connection holds nothing up');
  const again = await serveFolder(running.dir, running.token, running.pin);
  assert.equal((await again.info()).size, 2);
  await again.close();
  idle.destroy();
});

test('whoever is not done at the deadline is cut off', async () => {
  const { running, release, waiting } = await startSlow({ stopWithinMs: 200 });
  const underWay = running.post('/v1/requests', slowBody(running)).catch(() => 'cut off');
  await waiting;
  await running.server.stop();
  assert.equal(await underWay, 'cut off');
  release();
  await running.close();
});

test('one address cannot take all of the server (H10)', async () => {
  const { running, release, waiting } = await startSlow({ perAddress: 1 });
  const underWay = running.post('/v1/requests', slowBody(running));
  await waiting;
  const second = await running.get('/livez');
  assert.deepEqual([second.status, second.body.code], [503, 'overloaded']);
  assert.equal(second.headers.get('retry-after'), '1');
  release();
  assert.equal((await underWay).status, 201);
  assert.equal((await running.get('/livez')).status, 200);
  await running.close();
});

test('the log tells of every request and of no secret', async () => {
  const running = await startRunning();
  const { request } = await running.permitted();
  await fetch(`${running.url}/v1/roster?access_token=${running.token}`).then((answer) => answer.text());
  await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams({ token: running.token }),
    headers: { cookie: 'countersign=css_something', origin: running.url },
    redirect: 'manual',
  });
  await running.server.stop();
  const text = running.logs.join('');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(
    lines.some(({ event, route, status }) => event === 'request' && route === '/v1/requests' && status === 201),
  );
  assert.ok(lines.some(({ event }) => event === 'stopped'));
  for (const secret of [running.token.slice(4, 20), 'css_something', 'signature', 'because', 'p_ada0', request.request])
    assert.ok(!text.includes(secret), `the log holds \`${secret}\``);
  await running.close();
});

test('bytes that are not HTTP do no harm', async () => {
  const running = await startRunning();
  const { port } = new URL(running.url);
  for (const bytes of [
    '\0\0\0\0\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`,
    'POST /v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ])
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
      socket
        .on('data', () => undefined)
        .on('error', () => resolve())
        .on('close', () => resolve());
    });
  assert.equal((await running.get('/livez')).status, 200);
  await running.close();
});

test('a request that nobody answers ends by a tick, and a tick with nothing due leaves no entry (Q7)', async () => {
  const running = await startRunning({ tickEveryMs: 50 });
  const before = (await running.info()).size;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await running.info()).size, before);
  await running.ask({ not_after: new Date(Date.now() + 300).toISOString() });
  const size = (await running.info()).size;
  for (let waited = 0; waited < 3000 && (await running.info()).size === size; waited += 50)
    await new Promise((resolve) => setTimeout(resolve, 50));
  const entries = await running.get<{ entries: string[] }>(`/v1/ledger/entries?from=${size}`);
  assert.match(entries.body.entries[0] ?? '', /"type":"Tick".*"RequestExpired"|"RequestExpired".*"type":"Tick"/);
  await running.close();
});
