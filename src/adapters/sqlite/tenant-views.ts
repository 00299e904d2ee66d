// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '../../kernel/refusal.ts';
import type { FollowerCursor, ViewRow, ViewWrite } from '../../ledger/store.ts';
import { failureOf } from './sqlite-failure.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS rows (view TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (view, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cursors (follower TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;
`;

/**
 * One tenant's views and follower cursors, in a file of their own: they can be deleted and built again, so they need
 * not wait for the disk. After a power cut rows and cursors fall back together, and the followers catch up.
 */
export class TenantViews {
  readonly #folder: string;
  readonly #db: DatabaseSync;

  constructor(folder: string, file: string) {
    this.#folder = folder;
    this.#db = new DatabaseSync(file, { timeout: 0 });
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; ${schema} COMMIT`);
  }

  row(view: string, key: string): JsonValue | undefined {
    return this.#guard(() => {
      const row = this.#db.prepare('SELECT value FROM rows WHERE view = ? AND key = ?').get(view, key);
      return row === undefined ? undefined : (JSON.parse(row['value'] as string) as JsonValue);
    });
  }

  rows(view: string, after: string, limit: number): readonly ViewRow[] {
    return this.#guard(() =>
      this.#db
        .prepare('SELECT key, value FROM rows WHERE view = ? AND key > ? ORDER BY key LIMIT ?')
        .all(view, after, limit)
        .map((row) => ({ key: row['key'] as string, value: JSON.parse(row['value'] as string) as JsonValue })),
    );
  }

  cursor(follower: string): number | undefined {
    return this.#guard(
      () =>
        this.#db.prepare('SELECT next FROM cursors WHERE follower = ?').get(follower)?.['next'] as number | undefined,
    );
  }

  write(rows: readonly ViewWrite[], cursor: FollowerCursor | undefined): void {
    this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const put = this.#db.prepare('INSERT OR REPLACE INTO rows VALUES (?, ?, ?)');
        const remove = this.#db.prepare('DELETE FROM rows WHERE view = ? AND key = ?');
        for (const { view, key, value } of rows) {
          if (value === null) remove.run(view, key);
          else put.run(view, key, JSON.stringify(value));
        }
        if (cursor !== undefined)
          this.#db.prepare('INSERT OR REPLACE INTO cursors VALUES (?, ?)').run(cursor.follower, cursor.next);
        this.#db.exec('COMMIT');
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  clear(view: string): void {
    this.#guard(() => this.#db.prepare('DELETE FROM rows WHERE view = ?').run(view));
  }

  close(): void {
    this.#guard(() => this.#db.close());
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failureOf(error, this.#folder, 'nothing-written');
    }
  }
}
