// SPDX-License-Identifier: Apache-2.0
// Stores that several sequencers share, as several processes share a database: with one lock, one clock.
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type IdempotencyKey, type LedgerStore, type StoreBatch } from '../../src/ledger/store.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { newSchema, openPostgres, skip } from '../support/postgres.ts';
import { openIn } from './kept-stores.ts';

type Cleanup = { after: (work: () => unknown) => void };

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

/** Opens the store once more, as another process would. */
export type Door = () => LedgerStore | Promise<LedgerStore>;

/** One store for all of them. */
export const always =
  (store: LedgerStore): Door =>
  () =>
    store;

/** In a schema of its own; every sequencer has connections of its own, and the lock is the database's. */
export const sharedPostgres = (t: Cleanup): Door => {
  const schema = newSchema();
  return () => openPostgres(t, { schema });
};

export const sharedKinds: readonly (readonly [string, (t: Cleanup) => Door])[] = [
  ['memory', () => always(sharedMemory())],
  ['SQLite', (t) => always(sharedFiles(t))],
  ...(skip === false ? [['PostgreSQL', sharedPostgres] as const] : []),
];

const beaten = (): StoreFailure =>
  new StoreFailure(
    refuse('store-conflict', 'L6', 'somebody else appended', {}, 'try again').refusal,
    'nothing-written',
  );

/**
 * A store that holds no lock while a batch is decided, and finds out when it commits that another was faster: what
 * becomes of a lock that was lost, because its holder slept or its line broke.
 */
export const losingItsLock = (store: LedgerStore): LedgerStore => ({
  ...store,
  batch: async (tenant, work) => {
    const before = await store.head(tenant);
    const writes: ((tx: StoreBatch) => Promise<void>)[] = [];
    const unused: IdempotencyKey[] = [];
    const later = (write: (tx: StoreBatch) => Promise<void>): Promise<void> => {
      writes.push(write);
      return Promise.resolve();
    };
    const result = await work({
      head: async () => before,
      entries: (from, to) => store.entries(tenant, from, to),
      blob: (digest) => store.blob(tenant, digest),
      answers: (asked) => {
        return store.batch(tenant, async (tx) => {
          if ((await tx.head()).root !== before.root) throw beaten();
          const kept = await tx.answers(asked);
          unused.push(...asked.filter((_, at) => kept[at] === undefined));
          return kept;
        });
      },
      insert: (entries, from, to) => later((tx) => tx.insert(entries, from, to)),
      putBlob: (blob) => later((tx) => tx.putBlob(blob)),
      putAnswer: (key, answer) => later((tx) => tx.putAnswer(key, answer)),
      pruneAnswers: (at) => later((tx) => tx.pruneAnswers(at)),
      putOpening: (commitment, opening) => later((tx) => tx.putOpening(commitment, opening)),
      putCheckpoint: (note) => later((tx) => tx.putCheckpoint(note)),
      ...(store.now === undefined ? {} : { now: store.now }),
    });
    await store.batch(tenant, async (tx) => {
      if ((await tx.head()).root !== before.root) throw beaten();
      // Answers that were kept meanwhile without an entry do not move the head.
      if ((await tx.answers(unused)).some((kept) => kept !== undefined)) throw beaten();
      for (const write of writes) await write(tx);
    });
    return result;
  },
});

/** Every call takes a while that is drawn anew, so that calls of several sequencers come in any order. */
export const dawdling = (store: LedgerStore, draw: () => number): LedgerStore => {
  const slow =
    <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await hops(draw());
      const result = await call(...args);
      await hops(draw());
      return result;
    };
  return {
    ...store,
    head: slow(store.head),
    entries: slow(store.entries),
    batch: (tenant, work) =>
      store.batch(tenant, async (tx) => {
        await hops(draw());
        const result = await work({ ...tx, head: slow(tx.head), answers: slow(tx.answers), insert: slow(tx.insert) });
        await hops(draw());
        return result;
      }),
  };
};

export const hops = async (count: number): Promise<void> => {
  for (let at = 0; at < count; at += 1) await new Promise((resolve) => setImmediate(resolve));
};
