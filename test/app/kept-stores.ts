// SPDX-License-Identifier: Apache-2.0
// Stores that outlive a sequencer, so that the next one starts on what the last one left.
import { join } from 'node:path';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { openSqliteStore, type SqliteOptions } from '../../src/adapters/sqlite/sqlite-store.ts';
import { markFile, type MarkKeeper } from '../../src/app/mark.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { memoryMark, temporaryFolder } from '../ledger/tally.ts';
import { newSchema, openPostgres, skip } from '../support/postgres.ts';

export type Kept = {
  readonly mark: MarkKeeper;
  readonly open: () => LedgerStore;
  /** Where the files are; empty for a store without any. */
  readonly folder: string;
};

type Cleanup = { after: (work: () => void) => void };

export const openIn = (folder: string, options: SqliteOptions = {}): LedgerStore => {
  const store = openSqliteStore(folder, options);
  if (!store.ok) throw new Error(store.refusal.message);
  return store.value;
};

/** Also stores that are a message away. */
export type KeptAnywhere = Omit<Kept, 'open'> & { readonly open: () => LedgerStore | Promise<LedgerStore> };

export const inMemory = (): Kept => {
  const store = memoryStore();
  // Only the test ends it: a sequencer that is closed leaves its store open for the next one.
  return { mark: memoryMark(), open: () => ({ ...store, close: () => Promise.resolve() }), folder: '' };
};

export const inFiles = (t: Cleanup, options: SqliteOptions = {}): Kept => {
  const folder = temporaryFolder(t);
  return {
    mark: markFile(join(folder, 'mark', 'main.json')),
    open: () => openIn(join(folder, 'ledger'), options),
    folder,
  };
};

/** In a schema of its own; two that are open at once are as two processes are. */
export const inPostgres = (t: Cleanup): KeptAnywhere => {
  const schema = newSchema();
  return { mark: memoryMark(), open: () => openPostgres(t, { schema }), folder: '' };
};

/** A store that has a clock goes by this one; others leave time to the sequencer as before. */
export const byClock = (store: LedgerStore, clock: () => number): LedgerStore => {
  const now = async (): Promise<number> => clock();
  if (store.now === undefined) return store;
  return { ...store, now, batch: (tenant, work) => store.batch(tenant, (tx) => work({ ...tx, now })) };
};

export const storeKinds: readonly (readonly [string, (t: Cleanup) => KeptAnywhere])[] = [
  ['memory', inMemory],
  ['SQLite', inFiles],
  ['SQLite on a thread of its own', (t) => inFiles(t, { ownThread: true })],
  ...(skip === false ? [['PostgreSQL', inPostgres] as const] : []),
];
