// SPDX-License-Identifier: Apache-2.0
// Three servers with folders of their own that share one store, as replicas of a ledger do.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseEntry } from '../../src/ledger/entry.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import type { ServeOptions } from '../../src/server/serve.ts';
import { openIn } from '../app/kept-stores.ts';
import { share } from '../app/shared-stores.ts';
import { found, Running, serveFolder } from './running.ts';

export const publicUrl = 'https://countersign.example';

export type House = {
  readonly servers: readonly [Running, Running, Running];
  readonly store: LedgerStore;
  /** The servers in turn, one for each call. */
  readonly next: () => Running;
};

/** Three servers with folders of their own, on one store. */
export const openHouse = async (
  t: TestContext,
  over: Omit<Partial<ServeOptions>, 'dir'> = {},
  clock: () => number = Date.now,
  frail: (store: LedgerStore, at: number) => LedgerStore = (store) => store,
): Promise<House> => {
  const { dir, token, pin } = await found();
  const files = openIn(join(dir, 'ledger'));
  const store = share(files, clock);
  const servers: Running[] = [];
  t.after(async () => {
    for (const { server } of servers) await server.stop();
    await files.close();
    rmSync(join(dir, '..'), { recursive: true, force: true });
  });
  for (const at of [0, 1, 2]) {
    const own = join(mkdtempSync(join(tmpdir(), 'countersign-')), 'data');
    t.after(() => rmSync(join(own, '..'), { recursive: true, force: true }));
    mkdirSync(own);
    for (const file of ['log.key', 'tokens.json']) cpSync(join(dir, file), join(own, file));
    const options = { publicUrl, store: frail(store, at), acceptMissingMark: true, now: clock, ...over };
    const { server, logs } = await serveFolder(own, token, pin, options);
    // All have one public address; the test speaks to each by its own.
    servers.push(new Running(own, { ...server, url: `http://127.0.0.1:${server.port}` }, token, pin, logs));
  }
  let turn = 0;
  return {
    servers: servers as unknown as House['servers'],
    store,
    next: () => servers[turn++ % servers.length] as Running,
  };
};

/** Types of all events there are, in order. */
export const eventsOf = async (store: LedgerStore): Promise<readonly string[]> => {
  const { size } = await store.head('main');
  return (await store.entries('main', 0, size)).flatMap(({ bytes }) => {
    const entry = parseEntry(bytes);
    assert.ok(entry.ok);
    return entry.value.events.map(({ type }) => String(type));
  });
};
