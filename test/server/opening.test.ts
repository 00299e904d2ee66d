// SPDX-License-Identifier: Apache-2.0
// What a server says before it has looked at its whole ledger (SPEC H12).
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import type { Refusal } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { pathsOf } from '../../src/server/ledger-folder.ts';
import { startServer } from '../../src/server/serve.ts';
import { call, found } from './running.ts';

const freePort = async (): Promise<number> => {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
};

/** The real store of a folder, of which each page of entries waits for a word. */
const haltingStore = (dir: string) => {
  const opened = openSqliteStore(pathsOf(dir).store);
  assert.ok(opened.ok);
  const go = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let calls = 0;
  const store: LedgerStore = {
    ...opened.value,
    entries: async (tenant, from, to) => {
      calls += 1;
      // The first read finds the genesis; the second begins the look at everything.
      if (calls > 1) {
        reached.resolve();
        await go.promise;
      }
      return opened.value.entries(tenant, from, to);
    },
  };
  return { store, go, reached: reached.promise };
};

const inFolder = async (work: (dir: string, token: string) => Promise<void>): Promise<void> => {
  const { dir, token } = await found();
  try {
    await work(dir, token);
  } finally {
    rmSync(join(dir, '..'), { recursive: true, force: true });
  }
};

const noDisk: Refusal = {
  code: 'store-io',
  rule: 'L8',
  message: 'the disk does not answer',
  facts: {},
  help: 'look at the disk',
};

const quiet = { log: () => undefined, onAlert: () => undefined };

test('SPEC H12: while it looks at its ledger a server lives, is not ready, says how far it is, and answers nothing else', () =>
  inFolder(async (dir, token) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { store, go, reached } = haltingStore(dir);
    const starting = startServer({ dir, port, store, ...quiet });
    await reached;
    const alive = await fetch(`${url}/livez`);
    assert.deepEqual([alive.status, await alive.text()], [200, 'alive\n']);
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, await ready.text()], [503, 'opening the ledger: 0 of 1 entries are looked at\n']);
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['/v1/requests', '/v1/ledger', '/ledger/checkpoint', '/metrics', '/nothing/here'])
      for (const method of ['GET', 'POST']) {
        const { status, body, headers: said } = await call(url + path, { method, headers });
        assert.deepEqual([status, body.code], [503, 'ledger-opening'], `${method} ${path}`);
        assert.equal(said.get('retry-after'), '5');
        assert.deepEqual(body.facts, { entries: 0, of: 1 });
      }
    const page = await fetch(`${url}/`, { headers: { accept: 'text/html' } });
    assert.equal(page.status, 503);
    assert.match(await page.text(), /looks at its whole ledger/);
    go.resolve();
    const server = await starting;
    assert.ok(server.ok, server.ok ? '' : server.refusal.message);
    const then = await fetch(`${url}/readyz`);
    assert.equal(then.status, 200);
    assert.equal((await call(`${url}/v1/requests`, { headers })).status, 200);
    await server.value.stop();
  }));

test('a ledger that cannot be opened ends the start, and the address is free again (H12)', () =>
  inFolder(async (dir) => {
    const port = await freePort();
    const opened = openSqliteStore(pathsOf(dir).store);
    assert.ok(opened.ok);
    const failing: LedgerStore = {
      ...opened.value,
      head: () => Promise.reject(new StoreFailure(noDisk, 'unknown')),
    };
    const server = await startServer({ dir, port, store: failing, ...quiet });
    assert.ok(!server.ok);
    assert.equal(server.refusal.code, 'store-io');
    const again = createServer();
    await new Promise<void>((resolve, reject) => {
      again.once('error', reject);
      again.listen(port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => again.close(resolve));
  }));
