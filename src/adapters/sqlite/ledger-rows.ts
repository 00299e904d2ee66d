// SPDX-License-Identifier: Apache-2.0
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Instant } from '../../kernel/instant.ts';
import type { JsonValue } from '../../kernel/refusal.ts';
import { emptyEdge, rootOf } from '../../ledger/merkle.ts';
import type { Erasure, Hold, IdempotencyKey, KeptAnswer, LedgerHead, Opening } from '../../ledger/store.ts';
import type { StoredBlob, StoredEntry, StoredOpening } from '../../ledger/store.ts';
import { corrupt, failureOf } from './sqlite-failure.ts';

type Row = { readonly [column: string]: unknown };
type Value = string | number | null | Uint8Array;

/** A connection to one tenant's ledger, and what can be read over it. Throws `StoreFailure` and nothing else. */
export class LedgerRows {
  protected readonly folder: string;
  protected readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(folder: string, db: DatabaseSync) {
    this.folder = folder;
    this.db = db;
  }

  head(): LedgerHead {
    return this.guard(() => {
      const row = this.#get('SELECT size, root, edge, time FROM head WHERE id = 1');
      if (row === undefined) return { size: 0, root: rootOf(emptyEdge), edge: emptyEdge, time: null };
      const size = row['size'] as number;
      return {
        size,
        root: row['root'] as string,
        edge: { size, hashes: this.#texts(row['edge']) },
        time: row['time'] as Instant | null,
      };
    });
  }

  entries(from: number, to: number): readonly StoredEntry[] {
    return this.guard(() => this.#entriesIn(from, to).map(([index, bytes, leafHash]) => ({ index, bytes, leafHash })));
  }

  leafHashes(from: number, to: number): readonly string[] {
    return this.guard(() =>
      this.#all('SELECT idx, leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx', from, to).map((row, at) => {
        if (row['idx'] !== from + at) throw corrupt(this.folder, `entry ${from + at} is missing`);
        return hexOf(row['leaf']);
      }),
    );
  }

  blob(digest: string): Uint8Array | undefined {
    return this.guard(
      () => this.#get('SELECT bytes FROM blobs WHERE digest = ?', digest)?.['bytes'] as Uint8Array | undefined,
    );
  }

  blobs(after: string, limit: number): readonly StoredBlob[] {
    return this.guard(
      () =>
        this.#all(
          'SELECT digest, bytes FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?',
          after,
          limit,
        ) as StoredBlob[],
    );
  }

  checkpoint(): string | undefined {
    return this.guard(() => this.#get('SELECT note FROM checkpoint WHERE id = 1')?.['note'] as string | undefined);
  }

  opening(commitment: string): Opening | undefined {
    return this.guard(() => {
      const row = this.#get('SELECT salt, text FROM openings WHERE commitment = ?', commitment);
      return row === undefined ? undefined : { salt: row['salt'] as string, text: row['text'] as string };
    });
  }

  openings(after: string, limit: number): readonly StoredOpening[] {
    return this.guard(() =>
      this.#all(
        'SELECT commitment, salt, text FROM openings WHERE commitment > ? ORDER BY commitment LIMIT ?',
        after,
        limit,
      ).map((row) => ({
        commitment: row['commitment'] as string,
        opening: { salt: row['salt'] as string, text: row['text'] as string },
      })),
    );
  }

  erasure(commitment: string): Erasure | undefined {
    return this.guard(
      () =>
        this.#get('SELECT commitment, at, why FROM erasures WHERE commitment = ?', commitment) as Erasure | undefined,
    );
  }

  erasures(after: string, limit: number): readonly Erasure[] {
    return this.guard(
      () =>
        this.#all(
          'SELECT commitment, at, why FROM erasures WHERE commitment > ? ORDER BY commitment LIMIT ?',
          after,
          limit,
        ) as Erasure[],
    );
  }

  holds(): readonly Hold[] {
    return this.guard(() =>
      this.#all('SELECT name, at, why, lifted_at, lifted_why FROM holds ORDER BY id').map((row) => ({
        name: row['name'] as string,
        at: row['at'] as Instant,
        why: row['why'] as string,
        lifted:
          row['lifted_at'] === null ? null : { at: row['lifted_at'] as Instant, why: row['lifted_why'] as string },
      })),
    );
  }

  answers(keys: readonly IdempotencyKey[]): readonly (KeptAnswer | undefined)[] {
    return this.guard(() => keys.map((key) => this.#answer(key)));
  }

  close(): void {
    this.guard(() => this.db.close());
  }

  protected guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failureOf(error, this.folder, 'nothing-written');
    }
  }

  protected run(sql: string, ...values: Value[]): { readonly changes: number | bigint } {
    return this.#statement(sql).run(...values);
  }

  #answer({ principal, route, key }: IdempotencyKey): KeptAnswer | undefined {
    const row = this.#get(
      'SELECT body, answer, at FROM answers WHERE principal = ? AND route = ? AND key = ?',
      principal,
      route,
      key,
    );
    return row && { bodyDigest: row['body'] as string, answer: this.#json(row['answer']), at: row['at'] as Instant };
  }

  #get(sql: string, ...values: (string | number)[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  // As lists, with the hash as text: a ledger is read whole at every start, and rows as objects took twice as long.
  #entriesIn(from: number, to: number): readonly (readonly [number, Uint8Array, string])[] {
    const sql = 'SELECT idx, bytes, lower(hex(leaf)) FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx';
    const statement = this.#statement(sql);
    statement.setReturnArrays(true);
    return statement.all(from, to) as unknown as readonly (readonly [number, Uint8Array, string])[];
  }

  #texts(text: unknown): readonly string[] {
    const list = this.#json(text);
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
    throw corrupt(this.folder, 'the head is not what was written');
  }

  #json(text: unknown): JsonValue {
    try {
      return JSON.parse(text as string) as JsonValue;
    } catch {
      throw corrupt(this.folder, 'a row is not what was written');
    }
  }
}

const hexOf = (value: unknown): string => {
  const bytes = value as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
};
