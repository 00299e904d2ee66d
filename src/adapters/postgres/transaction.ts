// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../../kernel/instant.ts';
import { BrokenInvariant, refuse } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';
import type { IdempotencyKey, KeptAnswer, LedgerHead, Opening } from '../../ledger/store.ts';
import type { StoreBatch, StoredBlob, StoredEntry } from '../../ledger/store.ts';
import type { Answer, Connection, Statement, Value } from './connection.ts';
import { emptyHead, LedgerReads } from './ledger-reads.ts';
import { failureOf, isLoss, isUndone, notSynchronous } from './postgres-failure.ts';
import * as sql from './statements.ts';

export type BatchPlace = {
  readonly tenant: string;
  readonly place: string;
  /** Whether a batch may be answered that lies on one machine only. */
  readonly single: boolean;
  /** Who writes, and which of its batches this is. */
  readonly writer: string;
  readonly batch: number;
  readonly commitMs: number;
};

type Asked = readonly [Statement, readonly Value[]];

/** Locks the tenant's head for this transaction, and says how far the ledger has come. */
export const lockHead = async (
  connection: Connection,
  tenant: string,
): Promise<{ readonly row: Readonly<Record<string, unknown>> | undefined }> => {
  const [, locked] = await askAll(connection, [
    [sql.begin, []],
    [sql.lockHead, [tenant]],
  ]);
  const row = locked?.rows[0];
  if (row !== undefined) return { row };
  // The first batch of a tenant; somebody else may be about to do the same.
  const [, again] = await askAll(connection, [
    [sql.addHead, [tenant, emptyHead.root, JSON.stringify(emptyHead.edge.hashes)]],
    [sql.lockHead, [tenant]],
  ]);
  return { row: again?.rows[0] };
};

// All at once, and the first that failed is the one that says why: those after it only say that one had failed.
const askAll = async (connection: Connection, asked: readonly Asked[]): Promise<readonly Answer[]> => {
  const results = await Promise.allSettled(asked.map(([statement, values]) => connection.ask(statement, values)));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
};

/**
 * A batch on the connection that holds its transaction. Writes are kept until something is read or all is committed, and
 * then sent together; what is wrong with one of them comes out then.
 */
export class Transaction implements StoreBatch {
  readonly #connection: Connection;
  readonly #place: BatchPlace;
  readonly #reads: LedgerReads;
  #head: LedgerHead = emptyHead;
  #writes: Asked[] = [];
  #answers: [IdempotencyKey, KeptAnswer][] = [];
  #broken: StoreFailure | undefined;

  constructor(connection: Connection, place: BatchPlace) {
    this.#connection = connection;
    this.#place = place;
    this.#reads = new LedgerReads((statement, values) => this.ask(statement, values), place.place);
  }

  /** What broke the transaction, whatever the work made of it. */
  get broken(): StoreFailure | undefined {
    return this.#broken;
  }

  async begin(): Promise<void> {
    const { tenant, place, single } = this.#place;
    const { row } = await lockHead(this.#connection, tenant);
    // Looked at in each batch: a setting can be changed while we are connected (SPEC L15).
    if (!single && row?.['standbys'] === '')
      throw notSynchronous(place, 'has no synchronous standby any more (`synchronous_standby_names` is empty)');
    if (row !== undefined) this.#head = this.#reads.headOf(row);
  }

  head = (): Promise<LedgerHead> => Promise.resolve(this.#head);
  now = (): Promise<number> => this.#reads.now();
  entries = (from: number, to: number): Promise<readonly StoredEntry[]> =>
    this.#reads.entries(this.#place.tenant, from, to);
  blob = (digest: string): Promise<Uint8Array | undefined> => this.#reads.blob(this.#place.tenant, digest);
  answers = (keys: readonly IdempotencyKey[]): Promise<readonly (KeptAnswer | undefined)[]> =>
    this.#reads.answers(this.#place.tenant, keys);

  insert = async (entries: readonly StoredEntry[], before: LedgerHead, after: LedgerHead): Promise<void> => {
    const { size, root } = this.#head;
    if (size !== before.size || root !== before.root)
      throw new StoreFailure(
        refuse(
          'store-conflict',
          'L6',
          `the ledger has ${size} entries, not ${before.size}`,
          { size, expected: before.size },
          'somebody else appended; try again',
        ).refusal,
        'nothing-written',
      );
    const { tenant } = this.#place;
    const edge = JSON.stringify(after.edge.hashes);
    this.#writes.push([sql.moveHead, [tenant, size, root, after.size, after.root, edge, after.time]]);
    if (entries.length > 0) this.#writes.push([sql.addEntries, packed(tenant, entries)]);
    this.#head = after;
  };

  putBlob = async ({ digest, bytes }: StoredBlob): Promise<void> =>
    void this.#writes.push([sql.addBlob, [this.#place.tenant, digest, bytes]]);
  putAnswer = async (key: IdempotencyKey, answer: KeptAnswer): Promise<void> => void this.#answers.push([key, answer]);
  pruneAnswers = async (before: Instant): Promise<void> => {
    this.#putAnswers();
    this.#writes.push([sql.pruneAnswers, [this.#place.tenant, before]]);
  };
  putOpening = async (commitment: string, opening: Opening): Promise<void> =>
    void this.#writes.push([sql.setOpening, openingRow(this.#place.tenant, commitment, opening)]);
  putCheckpoint = async (note: string): Promise<void> =>
    void this.#writes.push([sql.setCheckpoint, [this.#place.tenant, note]]);

  /**
   * Sends what is left and commits. Rejects with `nothing-written` when the server said so, or was lost before it was
   * told to commit; with `unknown` when it was told, and its word is not known or not good enough.
   */
  async commit(): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const { writer, batch, place, commitMs } = this.#place;
    const connection = this.#connection;
    if (connection.lost) throw failureOf(new Error('the connection was lost'), place, 'nothing-written');
    const sent = askAll(connection, [...this.#taken(), [sql.countBatch, [writer, batch]], [sql.noTimeout, []]]);
    const committed = connection.ask(sql.commit, [], commitMs);
    const [writes, end] = await Promise.allSettled([sent, committed]);
    if (end.status === 'rejected')
      throw failureOf(end.reason, place, isUndone(end.reason) ? 'nothing-written' : 'unknown');
    // A transaction in which something failed is rolled back by its commit, and this is how the server says so.
    if (end.value.command !== 'COMMIT')
      throw failureOf(
        writes.status === 'rejected' ? writes.reason : new Error('it rolled back'),
        place,
        'nothing-written',
      );
    // Nothing that the server refused can have been committed; something that was never sent could.
    if (writes.status === 'rejected')
      throw new BrokenInvariant(`a batch was committed in part: ${String(writes.reason)}`);
    // The wait for the standby was cancelled by somebody: it stands here, and perhaps here only.
    if (end.value.warned)
      throw failureOf(new Error('it warned that the commit may be on one machine only'), place, 'unknown');
  }

  /** Undoes everything; a connection that cannot do that is ended, and the server does it. */
  async rollback(): Promise<void> {
    if (this.#broken !== undefined) {
      this.#connection.destroy();
      return;
    }
    try {
      await this.#connection.ask(sql.rollback);
    } catch {
      this.#connection.destroy();
    }
  }

  /** Sends what was kept, then this. */
  async ask(statement: Statement, values: readonly Value[]): Promise<Answer> {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      const answers = await askAll(this.#connection, [...this.#taken(), [statement, values]]);
      return answers.at(-1) ?? { rows: [], command: '', warned: false };
    } catch (error) {
      if (isLoss(error)) this.#connection.destroy();
      this.#broken = failureOf(error, this.#place.place, 'nothing-written');
      throw this.#broken;
    }
  }

  #taken(): readonly Asked[] {
    this.#putAnswers();
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }

  #putAnswers(): void {
    const given = this.#answers;
    if (given.length === 0) return;
    this.#answers = [];
    const columns = [
      given.map(([{ principal }]) => principal),
      given.map(([{ route }]) => route),
      given.map(([{ key }]) => key),
      given.map(([, { bodyDigest }]) => bodyDigest),
      given.map(([, { answer }]) => JSON.stringify(answer)),
      given.map(([, { at }]) => at),
    ];
    this.#writes.push([sql.addAnswers, [this.#place.tenant, ...columns]]);
  }
}

/** Free text may hold U+0000, which a column of text cannot: it is kept as JSON. */
export const openingRow = (tenant: string, commitment: string, { salt, text }: Opening): readonly Value[] => [
  tenant,
  commitment,
  salt,
  JSON.stringify(text),
];

const packed = (tenant: string, entries: readonly StoredEntry[]): readonly Value[] => {
  let start = 1;
  const starts = entries.map(({ bytes }) => (start += bytes.length) - bytes.length);
  return [
    tenant,
    entries[0]?.index ?? 0,
    Buffer.concat(entries.map(({ bytes }) => bytes)),
    Buffer.from(entries.map(({ leafHash }) => leafHash).join(''), 'hex'),
    starts,
    entries.map(({ bytes }) => bytes.length),
  ];
};
