// SPDX-License-Identifier: Apache-2.0
// SPEC L27: a reader copies a running ledger over HTTP, and a server that lies about any of it gets nothing believed.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startRunning, type Running } from '../server/running.ts';
import { Desks } from './desk.ts';
import { runCli } from './run-cli.ts';

type Lie = (path: string, body: Buffer) => Buffer | undefined;
let running: Running;
let desks: Desks;
let proxy: Server;
let [lie, calls]: [Lie, string[]] = [(_, body) => body, []];

const forward = (): Server =>
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { host: _, 'accept-encoding': __, connection: ___, ...headers } = request.headers as Record<string, string>;
      const path = request.url ?? '';
      calls.push(path);
      void fetch(running.url + path, {
        method: request.method ?? 'GET',
        headers,
        ...(request.method === 'POST' ? { body: Buffer.concat(chunks) } : {}),
      }).then(async (answer) => {
        const body = lie(path, Buffer.from(await answer.arrayBuffer()));
        response.writeHead(body === undefined ? 404 : answer.status, {
          'content-type': answer.headers.get('content-type') ?? 'text/plain',
        });
        response.end(body ?? '{"code":"tile-unknown","detail":"no such tile"}');
      });
    });
  });

before(async () => {
  running = await startRunning();
  for (let at = 0; at < 130; at += 1) await running.vote((await running.ask()).request, 'grace');
  desks = new Desks(running);
  proxy = forward();
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
});
after(async () => {
  proxy.close();
  desks.close();
  await running.close();
});

const at = (name: string): string => join(desks.folder, name);
const liar = (): string => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const take = (out: string, server: string, who = 'radia') =>
  runCli(['ledger', 'export', out, '--server', server, '--allow-trial', '--json'], { env: desks.env(who, server) });
// With a token: a session is not opened through somebody who stands between.
const takeByToken = (out: string, server: string) =>
  runCli(['ledger', 'export', out, '--allow-trial', '--json'], {
    env: {
      COUNTERSIGN_SERVER: server,
      COUNTERSIGN_PIN: running.pin,
      COUNTERSIGN_HOME: desks.home('reader'),
      COUNTERSIGN_TOKEN_FILE: desks.write('reader.token', running.token),
    },
  });
const verify = async (out: string) => {
  const { code, stdout } = await runCli(['ledger', 'verify', out, '--pin', running.pin, '--allow-trial', '--json']);
  return {
    code,
    ...(JSON.parse(stdout) as { readonly entries: number; readonly damage: { readonly what: string } | null }),
  };
};

test('L27: a reader copies a running ledger, continues the copy, and it verifies from the pin', async () => {
  const out = at('copy');
  const first = await take(out, running.url);
  assert.equal(first.code, 0, first.stderr);
  const { entries } = JSON.parse(first.stdout) as { readonly entries: number };
  assert.ok(entries > 256);
  const verified = await verify(out);
  assert.deepEqual([verified.code, verified.entries, verified.damage], [0, entries, null]);
  await running.permitted();
  calls = [];
  const next = await takeByToken(out, liar());
  assert.equal(next.code, 0, next.stderr);
  const grown = JSON.parse(next.stdout) as { readonly from: number; readonly entries: number };
  assert.equal(grown.from, entries);
  assert.ok(grown.entries > entries);
  assert.deepEqual(
    calls.filter((path) => /tile\/entries/.test(path)),
    [`/ledger/tile/entries/001.p/${grown.entries - 256}`],
    'full bundles are not fetched again',
  );
  assert.equal((await verify(out)).code, 0);
  const nobody = await runCli(['ledger', 'export', at('nobody'), '--server', running.url, '--allow-trial'], {
    env: { COUNTERSIGN_HOME: at('home-nobody'), COUNTERSIGN_PIN: running.pin },
  });
  assert.equal(nobody.code, 4, 'entries are for readers');
  const wrongPin = await runCli(
    ['ledger', 'export', at('wrong'), '--server', running.url, '--allow-trial', '--pin', `sha256:${'0'.repeat(64)}`],
    {
      env: { ...desks.env('radia'), COUNTERSIGN_HOME: at('home-wrong') },
    },
  );
  assert.match(wrongPin.stderr, /error\[ledger-elsewhere\]/);
  assert.ok(!existsSync(at('nobody')) && !existsSync(at('wrong')));
  const both = await runCli(['ledger', 'export', at('both'), '--server', running.url, '--dir', running.dir]);
  assert.equal(both.code, 2);
});

test('L27: what a server changes on the way, or leaves out, is never kept; afterwards the copy goes on', async () => {
  const flipped = (body: Buffer): Buffer => {
    const other = Buffer.from(body);
    const middle = Math.floor(other.length / 2);
    other[middle] = (other[middle] ?? 0) ^ 1;
    return other;
  };
  const lies: readonly (readonly [string, RegExp, RegExp])[] = [
    ['a hash', /^\/ledger\/tile\/0\/000$/, /error\[ledger-damaged\]: the hashes of the entries do not lead/],
    ['an entry', /^\/ledger\/tile\/entries\/000$/, /error\[(ledger-damaged|store-corrupt)\]/],
    ['a document', /^\/v1\/ledger\/blobs\//, /error\[ledger-damaged\]: entry 0: its attachment .* was changed/],
  ];
  for (const [what, path, told] of lies) {
    const out = at('lied-to');
    rmSync(out, { recursive: true, force: true });
    lie = (asked, body) => (path.test(asked) ? flipped(body) : body);
    const changed = await takeByToken(out, liar());
    assert.ok(changed.code !== 0, what);
    assert.match(
      changed.stderr.replaceAll(/^.*"code":"([^"]+)".*"message":"((?:[^"\\]|\\.)*)".*$/gm, 'error[$1]: $2'),
      told,
      what,
    );
    lie = (asked, body) => (path.test(asked) ? undefined : body);
    const missing = await takeByToken(out, liar());
    assert.ok(missing.code !== 0, what);
    assert.ok(!existsSync(join(out, 'checkpoint')), what);
    lie = (_, body) => body;
    assert.equal((await takeByToken(out, liar())).code, 0, what);
    assert.equal((await verify(out)).code, 0, what);
  }
});

test('L27, T3, T5: a server with a shorter ledger than the copy is refused, and both notes are kept', async () => {
  const out = at('ahead');
  const old = join(running.dir, '..', 'old');
  await running.server.stop();
  cpSync(running.dir, old, { recursive: true });
  const { serveFolder } = await import('../server/running.ts');
  running = await serveFolder(running.dir, running.token, running.pin);
  await running.permitted();
  assert.equal((await take(out, running.url)).code, 0);
  const held = readFileSync(join(out, 'checkpoint'), 'utf8');
  const behind = await serveFolder(old, running.token, running.pin);
  try {
    // Another home: this machine's own memory would refuse it first.
    const shortened = await take(out, behind.url, 'margaret');
    assert.equal(shortened.code, 7);
    assert.match(shortened.stderr, /"code":"history-shortened"/);
    const folder = at('home-margaret/evidence');
    const [kept = ''] = readdirSync(folder);
    assert.equal(readFileSync(join(folder, kept, 'copy.note'), 'utf8'), held);
    await behind.ask();
    for (let more = 0; more < 4; more += 1) await behind.ask();
    const forked = await take(out, behind.url, 'grace');
    assert.match(forked.stderr, /"code":"history-forked"/);
    assert.equal(readFileSync(join(out, 'checkpoint'), 'utf8'), held);
    assert.equal((await verify(out)).code, 0);
  } finally {
    await behind.server.stop();
  }
});
