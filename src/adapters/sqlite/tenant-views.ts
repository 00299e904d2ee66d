// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '../../kernel/refusal.ts';
import type { FollowerCursor, RowClaim, ViewRow, ViewWrite } from '../../ledger/store.ts';
import { failureOf } from './sqlite-failure.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS rows (view TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (view, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cursors (follower TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS claims (view TEXT NOT NULL, key TEXT NOT NULL, holder TEXT NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (view, key)) STRICT, WITHOUT ROWID;
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

  write(rows: readonly ViewWrite[], cursor: FollowerCursor | undefined): boolean {
    return this.#transaction(() => {
      if (cursor !== undefined && !this.#step(cursor)) return false;
      const put = this.#db.prepare('INSERT OR REPLACE INTO rows VALUES (?, ?, ?)');
      const remove = this.#db.prepare('DELETE FROM rows WHERE view = ? AND key = ?');
      const release = this.#db.prepare('DELETE FROM claims WHERE view = ? AND key = ?');
      for (const { view, key, value } of rows) {
        if (value === null) {
          remove.run(view, key);
          release.run(view, key);
        } else put.run(view, key, JSON.stringify(value));
      }
      return true;
    });
  }

  claim(view: string, key: string, { by, forMs }: RowClaim): 'claimed' | 'held' | 'missing' {
    return this.#transaction(() => {
      if (this.#db.prepare('SELECT 1 FROM rows WHERE view = ? AND key = ?').get(view, key) === undefined)
        return 'missing';
      const now = Date.now();
      const { changes } = this.#db
        .prepare(
          'INSERT INTO claims VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET holder = ?3, until_ms = ?4 WHERE holder = ?3 OR until_ms <= ?5',
        )
        .run(view, key, by, now + forMs, now);
      return Number(changes) === 1 ? 'claimed' : 'held';
    });
  }

  clear(view: string): void {
    this.#transaction(() => {
      this.#db.prepare('DELETE FROM rows WHERE view = ?').run(view);
      this.#db.prepare('DELETE FROM claims WHERE view = ?').run(view);
    });
  }

  close(): void {
    this.#guard(() => this.#db.close());
  }

  // Whether the cursor stood where the step begins, and moved.
  #step({ follower, from, next }: FollowerCursor): boolean {
    const { changes } =
      from === null
        ? this.#db.prepare('INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO NOTHING').run(follower, next)
        : this.#db.prepare('UPDATE cursors SET next = ?2 WHERE follower = ?1 AND next = ?3').run(follower, next, from);
    return Number(changes) === 1;
  }

  #transaction<T>(work: () => T): T {
    return this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#db.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failureOf(error, this.#folder, 'nothing-written');
    }
  }
}
