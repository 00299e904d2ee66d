// SPDX-License-Identifier: Apache-2.0
// Durable append through the ledger's port, beside raw batched inserts of the same bytes into the same kind of file.
// Ours: every command is decided, canonicalised, hashed into the tree, committed (WAL, synchronous=FULL), signed as a
// checkpoint and marked outside the database (a second fsync) before it is answered; 256 are in flight.
// Theirs: nothing but INSERTs of those entries in transactions of 256, into a table of the same form.
//
// What won: 16 rows a statement, one signature and one mark a batch, the UTF-8 of an entry and of its leaf written once,
// hashes written as latin1 instead of into buffers of their own, a log of 16 MiB before it is folded into the file, and
// batches of at most 128, so that one half of the callers is decided for while the other half waits for its mark. What did
// not: leaving out `secure_delete` or the reader connection changes nothing that can be measured; waiting 2 ms for batches
// to fill costs a third. The writer's thread costs two messages a batch and gives a server its other callers back; here
// it changes nothing. What is left: deciding waits while the batch before it is being committed, because it is done under the lock.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../src/adapters/sqlite/sqlite-store.ts';
import { markFile } from '../src/app/mark.ts';
import { startSequencer } from '../src/app/sequencer.ts';
import { noteSigner } from '../src/crypto/signed-note.ts';
import type { Decider } from '../src/kernel/decider.ts';
import type { JsonObject } from '../src/kernel/refusal.ts';
import type { StoredEntry } from '../src/ledger/store.ts';
import { moreIsBetter, type BenchLine } from './bench-line.ts';

const inFlight = 256;
const entryBytes = 600;
const sliceEntries = 16 * inFlight;
const warmUpSlices = 2;
const slices = 14;

/** The least a ledger can decide: takes every command, and counts. */
const counter: Decider<number, JsonObject, JsonObject> = {
  initialState: 0,
  decide: (state) => ({ kind: 'accepted', events: [{ type: 'Taken', at: state }] }),
  evolve: (state) => state + 1,
};

const commandOf = (at: number): JsonObject => ({ type: 'Take', number: at, padding: 'x'.repeat(entryBytes - 160) });

type Ours = {
  /** Appends so many commands, and gives the seconds it took. */
  readonly append: (count: number) => Promise<number>;
  readonly lastEntries: (count: number) => Promise<readonly StoredEntry[]>;
  readonly close: () => Promise<void>;
};

const openOurs = async (folder: string): Promise<Ours> => {
  const store = openSqliteStore(join(folder, 'ledger'), { ownThread: true });
  if (!store.ok) throw new Error(store.refusal.message);
  const signer = noteSigner('bench.example/append', Buffer.alloc(32, 1));
  const stop = (error: unknown): never => {
    throw error instanceof Error ? error : new Error(JSON.stringify(error));
  };
  const started = await startSequencer({
    tenant: 'main',
    store: store.value,
    decider: counter,
    origin: signer.name,
    signer,
    mark: markFile(join(folder, 'mark.json')),
    now: Date.now,
    fatal: stop,
    onAlert: stop,
  });
  if (!started.ok) throw new Error(started.refusal.message);
  const sequencer = started.value;
  let next = 0;
  return {
    append: async (count) => {
      const end = next + count;
      const one = async (): Promise<void> => {
        while (next < end) {
          next += 1;
          const { index } = await sequencer.submit(commandOf(next));
          if (index === null) throw new Error('an append was refused');
        }
      };
      const began = performance.now();
      await Promise.all(Array.from({ length: inFlight }, one));
      return (performance.now() - began) / 1000;
    },
    lastEntries: (count) => store.value.entries('main', next - count, next),
    close: async () => {
      await sequencer.close();
      await store.value.close();
    },
  };
};

type Raw = { readonly append: (entries: readonly StoredEntry[]) => number; readonly close: () => void };

const openRaw = (folder: string): Raw => {
  const db = new DatabaseSync(join(folder, 'raw.sqlite'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE entries (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT');
  const insert = db.prepare('INSERT INTO entries VALUES (?, ?, ?)');
  return {
    append: (entries) => {
      const rows = entries.map(({ index, bytes, leafHash }) => [index, bytes, Buffer.from(leafHash, 'hex')] as const);
      const began = performance.now();
      for (let at = 0; at < rows.length; at += inFlight) {
        db.exec('BEGIN IMMEDIATE');
        for (const row of rows.slice(at, at + inFlight)) insert.run(...row);
        db.exec('COMMIT');
      }
      return (performance.now() - began) / 1000;
    },
    close: () => db.close(),
  };
};

export const run = async (): Promise<readonly BenchLine[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    const [ours, raw] = [await openOurs(folder), openRaw(folder)];
    let [mySeconds, rawSeconds] = [0, 0];
    // In turns, slice by slice, so that whatever else the machine does falls on both.
    for (let slice = -warmUpSlices; slice < slices; slice += 1) {
      const mine = await ours.append(sliceEntries);
      const theirs = raw.append(await ours.lastEntries(sliceEntries));
      if (slice >= 0) [mySeconds, rawSeconds] = [mySeconds + mine, rawSeconds + theirs];
    }
    await ours.close();
    raw.close();
    const total = slices * sliceEntries;
    const against = 'raw batched inserts of the same bytes, WAL, synchronous=FULL';
    return [moreIsBetter('append', 'entries/s', total / mySeconds, against, total / rawSeconds)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
