// SPDX-License-Identifier: Apache-2.0
// Stores of one process that several sequencers share, as several processes share a database: with one lock, one clock.
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { openIn } from './kept-stores.ts';

type Cleanup = { after: (work: () => void | Promise<void>) => void };

/** Says of a store that others append to it too, and gives it a clock. Only the test closes it. */
export const share = (store: LedgerStore, clock: () => number = Date.now): LedgerStore => ({
  ...store,
  shared: true,
  now: async () => clock(),
  batch: (tenant, work) => store.batch(tenant, (tx) => work({ ...tx, now: async () => clock() })),
  close: async () => {},
});

export const sharedMemory = (clock: () => number = Date.now): LedgerStore => share(memoryStore(clock), clock);

export const sharedFiles = (t: Cleanup, clock: () => number = Date.now): LedgerStore => {
  const store = openIn(temporaryFolder(t));
  t.after(() => store.close());
  return share(store, clock);
};

export const sharedKinds: readonly (readonly [string, (t: Cleanup, clock?: () => number) => LedgerStore])[] = [
  ['memory', (_, clock) => sharedMemory(clock)],
  ['SQLite', sharedFiles],
];
