// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Instant } from '../../kernel/instant.ts';
import { refuse, type JsonValue } from '../../kernel/refusal.ts';
import { emptyEdge, rootOf } from '../../ledger/merkle.ts';
import {
  StoreFailure,
  type IdempotencyKey,
  type KeptAnswer,
  type LedgerHead,
  type Opening,
} from '../../ledger/store.ts';
import type { StoreBatch, StoredBlob, StoredEntry } from '../../ledger/store.ts';
import { corrupt, failureOf } from './sqlite-failure.ts';
import { Turn } from './turn.ts';

/** Raised with every change of the tables; a newer file than this program knows is refused. */
const schemaVersion = 1;

const schema = `
  CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, root TEXT NOT NULL, edge TEXT NOT NULL, time TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), note TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS blobs (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS answers (principal TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, answer TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (principal, route, key)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS answers_at ON answers (at);
  CREATE TABLE IF NOT EXISTS openings (commitment TEXT PRIMARY KEY, salt TEXT NOT NULL, text TEXT NOT NULL) STRICT;
`;

type Row = { readonly [column: string]: unknown };

/** Rows a statement appends at once: crossing into SQLite costs about as much as the row itself. */
const rowsAtOnce = 16;
const insertRows = (rows: number): string =>
  `INSERT INTO entries (idx, bytes, leaf) VALUES ${Array(rows).fill('(?, ?, ?)').join(', ')}`;

/**
 * One tenant's ledger in one file. The writer connection holds the transaction of a batch; the reader is another
 * connection, so that nobody outside sees what has not been committed.
 */
export class TenantLedger {
  readonly #folder: string;
  readonly #writer: DatabaseSync;
  readonly #reader: DatabaseSync;
  readonly #turn = new Turn();
  readonly #statements = new Map<string, StatementSync>();

  constructor(folder: string, file: string) {
    this.#folder = folder;
    this.#writer = new DatabaseSync(file, { timeout: 0 });
    // FULL: the log is synced at every commit, so what was answered survives a power cut. Erased texts are overwritten.
    // A longer log (16 MiB) is folded into the file a quarter as often; what is durable does not change by it.
    this.#writer.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000',
    );
    const { user_version: version } = this.#writer.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > schemaVersion) throw corrupt(folder, `its tables are of version ${version}, newer than this program`);
    // A file that is only looked at stays as it is, byte for byte.
    const raise = version < schemaVersion ? `PRAGMA user_version = ${schemaVersion};` : '';
    this.#writer.exec(`BEGIN IMMEDIATE; ${schema} ${raise} COMMIT`);
    this.#reader = new DatabaseSync(file, { timeout: 0 });
    this.#reader.exec('PRAGMA query_only = ON');
  }

  /** Runs work in a transaction under an exclusive lock. A commit that fails has an unknown outcome. */
  batch<T>(work: (tx: StoreBatch) => Promise<T>): Promise<T> {
    return this.#turn.take(async () => {
      this.#guard(() => this.#writer.exec('BEGIN IMMEDIATE'));
      let result: T;
      try {
        result = await work(this.#transaction());
      } catch (error) {
        this.#rollback();
        throw error;
      }
      this.#commit();
      return result;
    });
  }

  async erase(commitment: string): Promise<boolean> {
    return this.#turn.take(async () =>
      this.#guard(() => {
        const { changes } = this.#run('DELETE FROM openings WHERE commitment = ?', commitment);
        // The log still holds the page as it was; this empties it.
        this.#writer.exec('PRAGMA wal_checkpoint(TRUNCATE)');
        return Number(changes) > 0;
      }),
    );
  }

  head = (): LedgerHead => this.#guard(() => this.#readHead(this.#reader));
  entries = (from: number, to: number): readonly StoredEntry[] =>
    this.#guard(() => this.#readEntries(this.#reader, from, to));
  blob = (digest: string): Uint8Array | undefined => this.#guard(() => this.#readBlob(this.#reader, digest));

  leafHashes = (from: number, to: number): readonly string[] =>
    this.#guard(() =>
      this.#all(this.#reader, 'SELECT idx, leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx', from, to).map(
        (row, at) => {
          if (row['idx'] !== from + at) throw corrupt(this.#folder, `entry ${from + at} is missing`);
          return this.#hex(row['leaf']);
        },
      ),
    );

  blobs = (after: string, limit: number): readonly StoredBlob[] =>
    this.#guard(
      () =>
        this.#all(
          this.#reader,
          'SELECT digest, bytes FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?',
          after,
          limit,
        ) as StoredBlob[],
    );

  checkpoint = (): string | undefined =>
    this.#guard(
      () => this.#get(this.#reader, 'SELECT note FROM checkpoint WHERE id = 1')?.['note'] as string | undefined,
    );

  opening = (commitment: string): Opening | undefined =>
    this.#guard(() => {
      const row = this.#get(this.#reader, 'SELECT salt, text FROM openings WHERE commitment = ?', commitment);
      return row === undefined ? undefined : { salt: row['salt'] as string, text: row['text'] as string };
    });

  close(): Promise<void> {
    return this.#turn.take(async () => {
      this.#guard(() => {
        this.#reader.close();
        this.#writer.exec('PRAGMA wal_checkpoint(TRUNCATE)');
        this.#writer.close();
      });
    });
  }

  #transaction(): StoreBatch {
    const writer = this.#writer;
    const guard = async <T>(work: () => T): Promise<T> => this.#guard(work);
    return {
      head: () => guard(() => this.#readHead(writer)),
      entries: (from, to) => guard(() => this.#readEntries(writer, from, to)),
      insert: (entries, before, after) => guard(() => this.#insert(entries, before, after)),
      blob: (digest) => guard(() => this.#readBlob(writer, digest)),
      putBlob: ({ digest, bytes }) =>
        guard(
          () => void this.#run('INSERT INTO blobs (digest, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING', digest, bytes),
        ),
      answer: (key) => guard(() => this.#readAnswer(key)),
      putAnswer: ({ principal, route, key }, { bodyDigest, answer, at }) =>
        guard(
          () =>
            void this.#run(
              'INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)',
              principal,
              route,
              key,
              bodyDigest,
              JSON.stringify(answer),
              at,
            ),
        ),
      pruneAnswers: (before) => guard(() => void this.#run('DELETE FROM answers WHERE at < ?', before)),
      putOpening: (commitment, { salt, text }) =>
        guard(() => void this.#run('INSERT OR REPLACE INTO openings VALUES (?, ?, ?)', commitment, salt, text)),
      putCheckpoint: (note) => guard(() => void this.#run('INSERT OR REPLACE INTO checkpoint VALUES (1, ?)', note)),
    };
  }

  #insert(entries: readonly StoredEntry[], before: LedgerHead, after: LedgerHead): void {
    const now = this.#readHead(this.#writer);
    if (now.size !== before.size || now.root !== before.root)
      throw new StoreFailure(
        refuse(
          'store-conflict',
          'L6',
          `the ledger has ${now.size} entries, not ${before.size}`,
          { size: now.size, expected: before.size },
          'somebody else appended; try again',
        ).refusal,
        'nothing-written',
      );
    for (let at = 0; at < entries.length; ) {
      const rows = entries.length - at >= rowsAtOnce ? rowsAtOnce : 1;
      const values: (number | Uint8Array)[] = [];
      for (const { index, bytes, leafHash } of entries.slice(at, at + rows))
        values.push(index, bytes, Buffer.from(leafHash, 'hex'));
      this.#statement(this.#writer, insertRows(rows)).run(...values);
      at += rows;
    }
    this.#run(
      'INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?)',
      after.size,
      after.root,
      JSON.stringify(after.edge.hashes),
      after.time,
    );
  }

  #readHead(from: DatabaseSync): LedgerHead {
    const row = this.#get(from, 'SELECT size, root, edge, time FROM head WHERE id = 1');
    if (row === undefined) return { size: 0, root: rootOf(emptyEdge), edge: emptyEdge, time: null };
    const size = row['size'] as number;
    return {
      size,
      root: row['root'] as string,
      edge: { size, hashes: this.#texts(row['edge']) },
      time: row['time'] as Instant | null,
    };
  }

  #readEntries(from: DatabaseSync, first: number, end: number): readonly StoredEntry[] {
    const rows = this.#all(
      from,
      'SELECT idx, bytes, leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx',
      first,
      end,
    );
    return rows.map((row) => ({
      index: row['idx'] as number,
      bytes: row['bytes'] as Uint8Array,
      leafHash: this.#hex(row['leaf']),
    }));
  }

  #readBlob(from: DatabaseSync, digest: string): Uint8Array | undefined {
    return this.#get(from, 'SELECT bytes FROM blobs WHERE digest = ?', digest)?.['bytes'] as Uint8Array | undefined;
  }

  #readAnswer({ principal, route, key }: IdempotencyKey): KeptAnswer | undefined {
    const row = this.#get(
      this.#writer,
      'SELECT body, answer, at FROM answers WHERE principal = ? AND route = ? AND key = ?',
      principal,
      route,
      key,
    );
    return row && { bodyDigest: row['body'] as string, answer: this.#json(row['answer']), at: row['at'] as Instant };
  }

  #commit(): void {
    try {
      this.#writer.exec('COMMIT');
    } catch (error) {
      this.#rollback();
      throw failureOf(error, this.#folder, 'unknown');
    }
  }

  // SQLite has often rolled back by itself when a statement failed; then there is nothing left to do.
  #rollback(): void {
    try {
      if (this.#writer.isTransaction) this.#writer.exec('ROLLBACK');
    } catch (error) {
      throw failureOf(error, this.#folder, 'unknown');
    }
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failureOf(error, this.#folder, 'nothing-written');
    }
  }

  #statement(connection: DatabaseSync, sql: string): StatementSync {
    const key = connection === this.#writer ? sql : `reader ${sql}`;
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      statement = connection.prepare(sql);
      this.#statements.set(key, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): { readonly changes: number | bigint } {
    return this.#statement(this.#writer, sql).run(...values);
  }

  #get(connection: DatabaseSync, sql: string, ...values: (string | number)[]): Row | undefined {
    return this.#statement(connection, sql).get(...values);
  }

  #all(connection: DatabaseSync, sql: string, ...values: (string | number)[]): Row[] {
    return this.#statement(connection, sql).all(...values);
  }

  #hex(value: unknown): string {
    const bytes = value as Uint8Array;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  }

  #texts(text: unknown): readonly string[] {
    const list = this.#json(text);
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
    throw corrupt(this.#folder, 'the head is not what was written');
  }

  #json(text: unknown): JsonValue {
    try {
      return JSON.parse(text as string) as JsonValue;
    } catch {
      throw corrupt(this.#folder, 'a row is not what was written');
    }
  }
}
