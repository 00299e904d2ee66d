// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../../kernel/instant.ts';
import { emptyEdge, rootOf } from '../../ledger/merkle.ts';
import type { IdempotencyKey, KeptAnswer, LedgerHead, Opening, StoredBlob, StoredEntry } from '../../ledger/store.ts';
import type { Answer, Row, Statement, Value } from './connection.ts';
import { corrupt } from './postgres-failure.ts';
import * as sql from './statements.ts';
import { storedJson, storedText } from './stored-json.ts';

/** Where to ask: a session, or the connection that holds a batch. Rejects with a `StoreFailure`. */
export type Ask = (statement: Statement, values: readonly Value[]) => Promise<Answer>;

export const emptyHead: LedgerHead = { size: 0, root: rootOf(emptyEdge), edge: emptyEdge, time: null };

/** What can be read of the ledgers. */
export class LedgerReads {
  readonly #ask: Ask;
  readonly #place: string;

  constructor(ask: Ask, place: string) {
    this.#ask = ask;
    this.#place = place;
  }

  /** The server's clock; the same for all that share it. */
  async now(): Promise<number> {
    return (await this.#one(sql.now, []))?.['now'] as number;
  }

  async head(tenant: string): Promise<LedgerHead> {
    const row = await this.#one(sql.head, [tenant]);
    return row === undefined ? emptyHead : this.headOf(row);
  }

  headOf(row: Row): LedgerHead {
    const size = row['size'] as number;
    const hashes = storedJson(this.#place, row['edge']);
    if (!Array.isArray(hashes) || !hashes.every((item) => typeof item === 'string'))
      throw corrupt(this.#place, 'the head is not what was written');
    return { size, root: row['root'] as string, edge: { size, hashes }, time: row['time'] as Instant | null };
  }

  async entries(tenant: string, from: number, to: number): Promise<readonly StoredEntry[]> {
    const { rows } = await this.#ask(sql.entries, [tenant, from, to]);
    return rows.map((row) => ({
      index: row['idx'] as number,
      bytes: row['bytes'] as Uint8Array,
      leafHash: hexOf(row['leaf']),
    }));
  }

  async leafHashes(tenant: string, from: number, to: number): Promise<readonly string[]> {
    const { rows } = await this.#ask(sql.leafHashes, [tenant, from, to]);
    return rows.map((row, at) => {
      if (row['idx'] !== from + at) throw corrupt(this.#place, `entry ${from + at} is missing`);
      return hexOf(row['leaf']);
    });
  }

  async blob(tenant: string, digest: string): Promise<Uint8Array | undefined> {
    return (await this.#one(sql.blob, [tenant, digest]))?.['bytes'] as Uint8Array | undefined;
  }

  async blobs(tenant: string, after: string, limit: number): Promise<readonly StoredBlob[]> {
    return (await this.#ask(sql.blobs, [tenant, after, limit])).rows as readonly StoredBlob[];
  }

  async answers(tenant: string, keys: readonly IdempotencyKey[]): Promise<readonly (KeptAnswer | undefined)[]> {
    const kept = keys.map((): KeptAnswer | undefined => undefined);
    if (keys.length === 0) return kept;
    const column = (name: keyof IdempotencyKey): readonly string[] => keys.map((key) => key[name]);
    const { rows } = await this.#ask(sql.answers, [tenant, column('principal'), column('route'), column('key')]);
    for (const row of rows)
      kept[(row['place'] as number) - 1] = {
        bodyDigest: row['body'] as string,
        answer: storedJson(this.#place, row['answer']),
        at: row['at'] as Instant,
      };
    return kept;
  }

  async checkpoint(tenant: string): Promise<string | undefined> {
    return (await this.#one(sql.checkpoint, [tenant]))?.['note'] as string | undefined;
  }

  async opening(tenant: string, commitment: string): Promise<Opening | undefined> {
    const row = await this.#one(sql.opening, [tenant, commitment]);
    return row && readOpening(this.#place, row);
  }

  async #one(statement: Statement, values: readonly Value[]): Promise<Row | undefined> {
    return (await this.#ask(statement, values)).rows[0];
  }
}

export const readOpening = (place: string, row: Row): Opening => ({
  salt: row['salt'] as string,
  text: storedText(place, row['words']),
});

const hexOf = (value: unknown): string => {
  const bytes = value as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
};
