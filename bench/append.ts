// SPDX-License-Identifier: Apache-2.0
// Durable append through the ledger's port, beside raw batched inserts of the same bytes into the same kind of file.
// Ours: every command is decided, canonicalised, hashed into the tree, committed (WAL, synchronous=FULL), signed as a
// checkpoint and marked outside the database (a second fsync) before it is answered; 256 are in flight.
// Theirs: nothing but INSERTs of those entries in transactions of 256, into a table of the same form.
//
// What won: 16 rows a statement, one signature and one mark a batch, hashing with `crypto.hash`, a log of 16 MiB before
// it is folded into the file (commits a fifth cheaper). What did not: turning `secure_delete` off or leaving the reader
// connection away changes nothing that can be measured. What is left: the mark's own fsync and rename take a fifth of a
// batch; deciding the next batch meanwhile would hide it, and would put two batches in flight, which ADRs do not allow.
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
const warmUp = 4_000;
const count = 24_000;
const rounds = 3;

/** The least a ledger can decide: takes every command, and counts. */
const counter: Decider<number, JsonObject, JsonObject> = {
  initialState: 0,
  decide: (state) => ({ kind: 'accepted', events: [{ type: 'Taken', at: state }] }),
  evolve: (state) => state + 1,
};

const commandOf = (at: number): JsonObject => ({ type: 'Take', number: at, padding: 'x'.repeat(entryBytes - 160) });

const ours = async (
  folder: string,
): Promise<{ readonly perSecond: number; readonly entries: readonly StoredEntry[] }> => {
  const store = openSqliteStore(join(folder, 'ledger'));
  if (!store.ok) throw new Error(store.refusal.message);
  const signer = noteSigner('bench.example/append', Buffer.alloc(32, 1));
  const started = await startSequencer({
    tenant: 'main',
    store: store.value,
    decider: counter,
    origin: signer.name,
    signer,
    mark: markFile(join(folder, 'mark.json')),
    now: Date.now,
    fatal: (error) => {
      throw error;
    },
    onAlert: ({ what }) => {
      throw new Error(what);
    },
  });
  if (!started.ok) throw new Error(started.refusal.message);
  const sequencer = started.value;
  let next = 0;
  const submitUntil = async (end: number): Promise<void> => {
    const one = async (): Promise<void> => {
      while (next < end) {
        next += 1;
        const { index } = await sequencer.submit(commandOf(next));
        if (index === null) throw new Error('an append was refused');
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  };
  await submitUntil(warmUp);
  const began = performance.now();
  await submitUntil(warmUp + count);
  const seconds = (performance.now() - began) / 1000;
  const entries = await store.value.entries('main', warmUp, warmUp + count);
  await sequencer.close();
  await store.value.close();
  return { perSecond: count / seconds, entries };
};

const theirs = (folder: string, entries: readonly StoredEntry[]): number => {
  const db = new DatabaseSync(join(folder, 'raw.sqlite'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE entries (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT');
  const insert = db.prepare('INSERT INTO entries VALUES (?, ?, ?)');
  const rows = entries.map(({ index, bytes, leafHash }) => [index, bytes, Buffer.from(leafHash, 'hex')] as const);
  const began = performance.now();
  for (let at = 0; at < rows.length; at += inFlight) {
    db.exec('BEGIN IMMEDIATE');
    for (const row of rows.slice(at, at + inFlight)) insert.run(...row);
    db.exec('COMMIT');
  }
  const seconds = (performance.now() - began) / 1000;
  db.close();
  return rows.length / seconds;
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export const run = async (): Promise<readonly BenchLine[]> => {
  const [mine, raw]: [number[], number[]] = [[], []];
  // In turns, so that whatever else the machine does falls on both.
  for (let round = 0; round < rounds; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
    try {
      const { perSecond, entries } = await ours(folder);
      mine.push(perSecond);
      raw.push(theirs(folder, entries));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return [moreIsBetter('append', 'entries/s', median(mine), 'raw batched inserts, WAL, synchronous=FULL', median(raw))];
};
