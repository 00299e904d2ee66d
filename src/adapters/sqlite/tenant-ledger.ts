// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync } from 'node:sqlite';
import { Turn } from '../../app/turn.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { IdempotencyKey, KeptAnswer, LedgerHead, Opening } from '../../ledger/store.ts';
import type { StoreBatch, StoredBlob, StoredEntry } from '../../ledger/store.ts';
import { LedgerRows } from './ledger-rows.ts';
import type { LedgerWriter, Write } from './ledger-writer.ts';
import { packEntries } from './packed-entries.ts';
import { writerHere, writerOnThread, type Writer } from './writer.ts';

/**
 * One tenant's ledger in one file. The writer holds the transaction of a batch; the reader is another connection, so
 * that nobody outside sees what has not been committed.
 */
export class TenantLedger {
  /** Reads what is committed, at once. */
  readonly rows: LedgerRows;
  readonly #writer: Writer;
  readonly #turn = new Turn();

  private constructor(writer: Writer, rows: LedgerRows) {
    this.#writer = writer;
    this.rows = rows;
  }

  static async open(folder: string, file: string, ownThread: boolean): Promise<TenantLedger> {
    const writer = ownThread ? await writerOnThread({ folder, file }) : writerHere({ folder, file });
    try {
      const reader = new DatabaseSync(file, { timeout: 0 });
      reader.exec('PRAGMA query_only = ON');
      return new TenantLedger(writer, new LedgerRows(folder, reader));
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  /** Runs work in a transaction under an exclusive lock. A commit that fails has an unknown outcome. */
  batch<T>(work: (tx: StoreBatch) => Promise<T>): Promise<T> {
    return this.#turn.take(async () => {
      const transaction = new Transaction(this.#writer, await this.#writer.call('begin', []));
      let result: T;
      try {
        result = await work(transaction);
      } catch (error) {
        await this.#writer.call('rollback', []);
        throw error;
      }
      await transaction.commit();
      return result;
    });
  }

  /** One thing that is done beside the batches. */
  alone<M extends 'erase' | 'noteErasure' | 'hold' | 'lift'>(
    method: M,
    args: Parameters<LedgerWriter[M]>,
  ): Promise<boolean> {
    return this.#turn.take(() => this.#writer.call(method, args));
  }

  close(): Promise<void> {
    return this.#turn.take(async () => {
      this.rows.close();
      await this.#writer.close();
    });
  }
}

/**
 * What a batch does, with as few calls of the writer as can be: writes wait until something is read or all is committed,
 * and what is wrong with one of them comes out then.
 */
class Transaction implements StoreBatch {
  readonly #writer: Writer;
  readonly #head: LedgerHead;
  #writes: Write[] = [];
  #wrote = false;

  constructor(writer: Writer, head: LedgerHead) {
    this.#writer = writer;
    this.#head = head;
  }

  head = async (): Promise<LedgerHead> => (this.#wrote ? this.#read('head', []) : this.#head);
  entries = (from: number, to: number): Promise<readonly StoredEntry[]> => this.#read('entries', [from, to]);
  blob = (digest: string): Promise<Uint8Array | undefined> => this.#read('blob', [digest]);
  answers = (keys: readonly IdempotencyKey[]): Promise<readonly (KeptAnswer | undefined)[]> =>
    this.#read('answers', [keys]);

  insert = (entries: readonly StoredEntry[], before: LedgerHead, after: LedgerHead): Promise<void> =>
    this.#write({ kind: 'entries', entries: packEntries(entries), before, after });
  // A copy: the bytes may be a small part of something large, which would travel whole.
  putBlob = ({ digest, bytes }: StoredBlob): Promise<void> =>
    this.#write({ kind: 'blob', digest, bytes: new Uint8Array(bytes) });
  putAnswer = (key: IdempotencyKey, answer: KeptAnswer): Promise<void> => this.#write({ kind: 'answer', key, answer });
  pruneAnswers = (before: Instant): Promise<void> => this.#write({ kind: 'prune', before });
  putOpening = (commitment: string, opening: Opening): Promise<void> =>
    this.#write({ kind: 'opening', commitment, opening });
  putCheckpoint = (note: string): Promise<void> => this.#write({ kind: 'checkpoint', note });

  commit(): Promise<void> {
    return this.#send('commit');
  }

  #write(write: Write): Promise<void> {
    this.#writes.push(write);
    this.#wrote = true;
    return Promise.resolve();
  }

  async #read<M extends 'head' | 'entries' | 'blob' | 'answers'>(
    method: M,
    args: Parameters<LedgerWriter[M]>,
  ): Promise<ReturnType<LedgerWriter[M]>> {
    if (this.#writes.length > 0) await this.#send('write');
    return this.#writer.call(method, args);
  }

  #send(method: 'write' | 'commit'): Promise<void> {
    const writes = this.#writes;
    this.#writes = [];
    const handedOver = writes.flatMap((write) => (write.kind === 'entries' ? [write.entries.bytes.buffer] : []));
    return this.#writer.call(method, [writes], handedOver);
  }
}
