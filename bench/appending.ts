// SPDX-License-Identifier: Apache-2.0
// What the append benches have in common: a ledger that is given commands, and a table that is given the same bytes.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../src/adapters/sqlite/sqlite-store.ts';
import { markFile } from '../src/app/mark.ts';
import { startSequencer } from '../src/app/sequencer.ts';
import { digestOf } from '../src/crypto/digest.ts';
import { noteSigner } from '../src/crypto/signed-note.ts';
import type { Decider } from '../src/kernel/decider.ts';
import type { JsonObject } from '../src/kernel/refusal.ts';
import type { LedgerStore, StoredEntry } from '../src/ledger/store.ts';

const entryBytes = 600;

/** The least a ledger can decide: takes every command, and counts. */
const counter: Decider<number, JsonObject, JsonObject> = {
  initialState: 0,
  decide: (state) => ({ kind: 'accepted', events: [{ type: 'Taken', at: state }] }),
  evolve: (state) => state + 1,
};

const commandOf = (at: number): JsonObject => ({ type: 'Take', number: at, padding: 'x'.repeat(entryBytes - 160) });

export type Ours = {
  /** Appends so many commands with so many in flight, and gives the seconds it took. */
  readonly append: (count: number, inFlight: number) => Promise<number>;
  /** The same, but each counts until its proof is in hand; gives the milliseconds that each took. */
  readonly prove: (count: number, inFlight: number) => Promise<readonly number[]>;
  readonly lastEntries: (count: number) => Promise<readonly StoredEntry[]>;
  readonly close: () => Promise<void>;
};

export type OurOptions = {
  readonly mark: string;
  readonly store: LedgerStore;
  /** Whether each command comes with an idempotency key, as commands over HTTP do. */
  readonly keyed: boolean;
  /** Where several append to one ledger, whose commands these are. */
  readonly name?: string;
};

export const embeddedStore = (folder: string): LedgerStore => {
  const store = openSqliteStore(join(folder, 'ledger'), { ownThread: true });
  if (!store.ok) throw new Error(store.refusal.message);
  return store.value;
};

const bodyDigest = digestOf('{}');

export const openOurs = async ({ mark, store, keyed, name = 'bench' }: OurOptions): Promise<Ours> => {
  const signer = noteSigner('bench.example/append', Buffer.alloc(32, 1));
  const stop = (error: unknown): never => {
    throw error instanceof Error ? error : new Error(JSON.stringify(error));
  };
  const started = await startSequencer({
    tenant: 'main',
    store,
    decider: counter,
    origin: signer.name,
    signer,
    mark: markFile(mark),
    now: Date.now,
    fatal: stop,
    onAlert: stop,
  });
  if (!started.ok) throw new Error(started.refusal.message);
  const sequencer = started.value;
  let next = 0;
  const submit = async (): Promise<number> => {
    next += 1;
    const submission = keyed
      ? { idempotency: { principal: `machine:${name}`, route: 'POST /v1/bench', key: String(next), bodyDigest } }
      : {};
    const { index } = await sequencer.submit(commandOf(next), submission);
    if (index === null) throw new Error('an append was refused');
    return index;
  };
  const crowd = async (count: number, inFlight: number, work: () => Promise<void>): Promise<void> => {
    let left = count;
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await work();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  };
  return {
    append: async (count, inFlight) => {
      const began = performance.now();
      await crowd(count, inFlight, async () => void (await submit()));
      return (performance.now() - began) / 1000;
    },
    prove: async (count, inFlight) => {
      const took: number[] = [];
      await crowd(count, inFlight, async () => {
        const began = performance.now();
        const proof = sequencer.tree.receipt(await submit());
        if (!proof.ok) throw new Error(proof.refusal.message);
        took.push(performance.now() - began);
      });
      return took;
    },
    lastEntries: (count) => store.entries('main', next - count, next),
    close: async () => {
      await sequencer.close();
      await store.close();
    },
  };
};

export type Raw = {
  /** Inserts so many rows a transaction, and gives the seconds it took. */
  readonly append: (entries: readonly StoredEntry[], inTransaction: number) => number;
  readonly close: () => void;
};

export const openRaw = (folder: string): Raw => {
  const db = new DatabaseSync(join(folder, 'raw.sqlite'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE entries (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT');
  const insert = db.prepare('INSERT INTO entries VALUES (?, ?, ?)');
  return {
    append: (entries, inTransaction) => {
      const rows = entries.map(({ index, bytes, leafHash }) => [index, bytes, Buffer.from(leafHash, 'hex')] as const);
      const began = performance.now();
      for (let at = 0; at < rows.length; at += inTransaction) {
        db.exec('BEGIN IMMEDIATE');
        for (const row of rows.slice(at, at + inTransaction)) insert.run(...row);
        db.exec('COMMIT');
      }
      return (performance.now() - began) / 1000;
    },
    close: () => db.close(),
  };
};
