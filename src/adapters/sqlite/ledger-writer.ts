// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync } from 'node:sqlite';
import type { Instant } from '../../kernel/instant.ts';
import { BrokenInvariant, refuse } from '../../kernel/refusal.ts';
import { heldFailure, StoreFailure, type Erasure, type Occasion } from '../../ledger/store.ts';
import type { IdempotencyKey, KeptAnswer, LedgerHead, Opening } from '../../ledger/store.ts';
import { LedgerRows } from './ledger-rows.ts';
import type { PackedEntries } from './packed-entries.ts';
import { failureOf } from './sqlite-failure.ts';

/** Raised with every change of the tables; a newer file than this program knows is refused. */
const schemaVersion = 2;

const schema = `
  CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, root TEXT NOT NULL, edge TEXT NOT NULL, time TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), note TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS blobs (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS answers (principal TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, answer TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (principal, route, key)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS answers_at ON answers (at);
  CREATE TABLE IF NOT EXISTS openings (commitment TEXT PRIMARY KEY, salt TEXT NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS erasures (commitment TEXT PRIMARY KEY, at TEXT NOT NULL, why TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS holds (id INTEGER PRIMARY KEY, name TEXT NOT NULL, at TEXT NOT NULL, why TEXT NOT NULL, lifted_at TEXT, lifted_why TEXT) STRICT;
`;

/** Rows a statement appends at once: crossing into SQLite costs about as much as the row itself. */
const rowsAtOnce = 16;
const insertRows = (rows: number): string =>
  `INSERT INTO entries (idx, bytes, leaf) VALUES ${Array(rows).fill('(?, ?, ?)').join(', ')}`;

const readersMayTakeMs = 2000;

const open = (folder: string, file: string): DatabaseSync => {
  const db = new DatabaseSync(file, { timeout: 0 });
  // FULL: the log is synced at every commit, so what was answered survives a power cut. Erased texts are overwritten.
  // A longer log (16 MiB) is folded into the file a quarter as often; what is durable does not change by it.
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000',
  );
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > schemaVersion)
    throw new StoreFailure(
      refuse(
        'store-io',
        'L8',
        `the tables of \`${file}\` are of version ${version}; this program knows ${schemaVersion}`,
        { folder, file, version, known: schemaVersion },
        'use the version of countersign that wrote them, or a newer one',
      ).refusal,
      'nothing-written',
    );
  // A file that is only looked at stays as it is, byte for byte.
  const raise = version < schemaVersion ? `PRAGMA user_version = ${schemaVersion};` : '';
  db.exec(`BEGIN IMMEDIATE; ${schema} ${raise} COMMIT`);
  return db;
};

/** One thing to write in a batch. */
export type Write =
  | {
      readonly kind: 'entries';
      readonly entries: PackedEntries;
      readonly before: LedgerHead;
      readonly after: LedgerHead;
    }
  | { readonly kind: 'blob'; readonly digest: string; readonly bytes: Uint8Array }
  | { readonly kind: 'answer'; readonly key: IdempotencyKey; readonly answer: KeptAnswer }
  | { readonly kind: 'prune'; readonly before: Instant }
  | { readonly kind: 'opening'; readonly commitment: string; readonly opening: Opening }
  | { readonly kind: 'checkpoint'; readonly note: string };

/** The connection that writes: it holds the transaction of a batch. It waits for the disk, so it has a thread of its own. */
export class LedgerWriter extends LedgerRows {
  constructor(folder: string, file: string) {
    super(folder, open(folder, file));
  }

  /** Locks the ledger against every other writer, and says how far it has come. */
  begin(): LedgerHead {
    this.guard(() => this.db.exec('BEGIN IMMEDIATE'));
    try {
      return this.head();
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Writes one after another. */
  write(writes: readonly Write[]): void {
    for (const one of writes) this.#write(one);
  }

  /** Writes what is left to write, and makes all of it durable. Only a commit that fails has an unknown outcome. */
  commit(writes: readonly Write[]): void {
    try {
      this.write(writes);
    } catch (error) {
      this.rollback();
      throw error;
    }
    try {
      this.db.exec('COMMIT');
    } catch (error) {
      this.rollback();
      throw failureOf(error, this.folder, 'unknown');
    }
  }

  // SQLite has often rolled back by itself when a statement failed; then there is nothing left to do.
  rollback(): void {
    try {
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
    } catch (error) {
      throw failureOf(error, this.folder, 'unknown');
    }
  }

  #insert({ indexes, lengths, leafHashes, bytes }: PackedEntries, before: LedgerHead, after: LedgerHead): void {
    this.guard(() => {
      const now = this.head();
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
      let start = 0;
      for (let at = 0; at < indexes.length; ) {
        const rows = indexes.length - at >= rowsAtOnce ? rowsAtOnce : 1;
        const values: (number | Uint8Array)[] = [];
        for (const end = at + rows; at < end; at += 1) {
          const length = lengths[at] ?? 0;
          values.push(
            indexes[at] ?? 0,
            bytes.subarray(start, start + length),
            Buffer.from(leafHashes[at] ?? '', 'hex'),
          );
          start += length;
        }
        this.run(insertRows(rows), ...values);
      }
      this.run(
        'INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?)',
        after.size,
        after.root,
        JSON.stringify(after.edge.hashes),
        after.time,
      );
    });
  }

  #write(write: Write): void {
    this.guard(() => {
      switch (write.kind) {
        case 'entries':
          this.#insert(write.entries, write.before, write.after);
          return;
        case 'blob':
          this.run('INSERT INTO blobs (digest, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING', write.digest, write.bytes);
          return;
        case 'answer': {
          const { principal, route, key } = write.key;
          const { bodyDigest, answer, at } = write.answer;
          const values = [principal, route, key, bodyDigest, JSON.stringify(answer), at];
          this.run('INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)', ...values);
          return;
        }
        case 'prune':
          this.run('DELETE FROM answers WHERE at < ?', write.before);
          return;
        case 'opening': {
          const { salt, text } = write.opening;
          // What was erased stays erased, also when the statement that named it is sent again with its text.
          this.run(
            'INSERT OR REPLACE INTO openings SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM erasures WHERE commitment = ?1)',
            write.commitment,
            salt,
            text,
          );
          return;
        }
        case 'checkpoint':
          this.run('INSERT OR REPLACE INTO checkpoint VALUES (1, ?)', write.note);
          return;
        default:
          throw new BrokenInvariant(`a write of kind ${JSON.stringify(write satisfies never)}`);
      }
    });
  }

  erase({ commitment, at, why }: Erasure, names: readonly string[]): boolean {
    const erased = this.#inTransaction(() => {
      const held = this.holds().find(
        ({ name, lifted }) => lifted === null && [commitment, '*', ...names].includes(name),
      );
      if (held !== undefined) throw heldFailure(held, commitment);
      const { changes } = this.run('DELETE FROM openings WHERE commitment = ?', commitment);
      if (Number(changes) > 0) this.run('INSERT OR REPLACE INTO erasures VALUES (?, ?, ?)', commitment, at, why);
      return Number(changes) > 0;
    });
    // The log still holds the page as it was; this empties it.
    if (!this.#emptiedLog())
      throw new StoreFailure(
        refuse(
          'store-locked',
          'L9',
          `the text is gone, and the log of the database in \`${this.folder}\` may still hold a copy: something reads it`,
          { folder: this.folder },
          'erase it again',
        ).refusal,
        'unknown',
      );
    return erased;
  }

  /** False where the text is kept. */
  noteErasure({ commitment, at, why }: Erasure): boolean {
    return this.#inTransaction(() => {
      if (this.opening(commitment) !== undefined) return false;
      this.run('INSERT OR REPLACE INTO erasures VALUES (?, ?, ?)', commitment, at, why);
      return true;
    });
  }

  /** False when a hold of that name stands already. */
  hold(name: string, { at, why }: Occasion): boolean {
    return this.#inTransaction(() => {
      if (this.holds().some((hold) => hold.name === name && hold.lifted === null)) return false;
      this.run('INSERT INTO holds (name, at, why) VALUES (?, ?, ?)', name, at, why);
      return true;
    });
  }

  /** False when no hold of that name stands. */
  lift(name: string, { at, why }: Occasion): boolean {
    return this.#inTransaction(() => {
      const sql = 'UPDATE holds SET lifted_at = ?, lifted_why = ? WHERE name = ? AND lifted_at IS NULL';
      return Number(this.run(sql, at, why, name).changes) > 0;
    });
  }

  #inTransaction<T>(work: () => T): T {
    this.begin();
    let result: T;
    try {
      result = this.guard(work);
    } catch (error) {
      this.rollback();
      throw error;
    }
    this.commit([]);
    return result;
  }

  // The deletion is durable by now, whatever comes of this.
  #emptiedLog(): boolean {
    try {
      return this.#emptyLog();
    } catch (error) {
      throw failureOf(error, this.folder, 'unknown');
    }
  }

  override close(): void {
    this.guard(() => this.#emptyLog());
    super.close();
  }

  // Waits for whoever reads an older state of the database; says whether the log is empty now.
  #emptyLog(): boolean {
    this.db.exec(`PRAGMA busy_timeout = ${readersMayTakeMs}`);
    try {
      const done = this.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { readonly busy: number };
      return done.busy === 0;
    } finally {
      this.db.exec('PRAGMA busy_timeout = 0');
    }
  }
}
