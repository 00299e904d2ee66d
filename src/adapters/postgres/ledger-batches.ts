// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { Turn } from '../../app/turn.ts';
import { StoreFailure } from '../../ledger/store.ts';
import type { Connection } from './connection.ts';
import { failureOf, isLoss } from './postgres-failure.ts';
import { pause, type Session } from './session.ts';
import * as sql from './statements.ts';
import { lockHead, Transaction } from './transaction.ts';

export type BatchSettings = {
  readonly place: string;
  readonly single: boolean;
  readonly commitMs: number;
  /** How long to look for what came of a commit that was not answered. */
  readonly settleMs: number;
};

const pauseMs = 100;

/**
 * The batches of this process, one at a time. Each counts up in a row of its own, in its own transaction, so that what
 * came of a commit can be looked up afterwards (SPEC L16).
 */
export class LedgerBatches {
  readonly writer = randomUUID();
  readonly #session: Session;
  readonly #settings: BatchSettings;
  readonly #turn = new Turn();
  #batch = 0;

  constructor(session: (writer: string) => Session, settings: BatchSettings) {
    this.#session = session(this.writer);
    this.#settings = settings;
  }

  run<T>(tenant: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#turn.take(async () => {
      const { transaction, connection } = await this.#begin(tenant);
      let result: T;
      try {
        result = await work(transaction);
      } catch (error) {
        await transaction.rollback();
        // Whatever the work made of a store that broke under it, this is what happened.
        throw transaction.broken ?? error;
      }
      try {
        await transaction.commit();
      } catch (error) {
        // The transaction is over, and its session may be in any state.
        connection.destroy();
        if (!(error instanceof StoreFailure) || error.outcome !== 'unknown') throw error;
        await this.#settle(tenant, error);
      }
      return result;
    });
  }

  /** Ends when the batch under way has. */
  close(): Promise<void> {
    return this.#turn.take(() => this.#session.close());
  }

  // Nothing has been done yet, so a connection that turns out to be dead is simply replaced.
  async #begin(tenant: string): Promise<{ readonly transaction: Transaction; readonly connection: Connection }> {
    const { place, single, commitMs } = this.#settings;
    const until = this.#session.patience();
    this.#batch += 1;
    for (;;) {
      const connection = await this.#session.acquire(until);
      const transaction = new Transaction(connection, {
        tenant,
        place,
        single,
        writer: this.writer,
        batch: this.#batch,
        commitMs,
      });
      try {
        await transaction.begin();
        return { transaction, connection };
      } catch (error) {
        connection.destroy();
        if (!isLoss(error) || performance.now() >= until) throw failureOf(error, place, 'nothing-written');
      }
    }
  }

  /**
   * Looks up what came of a commit that was not answered: whether it stands. The head is locked first, which waits for a
   * transaction that is still under way; and the look-up commits something itself, so that what it saw has reached
   * the standby too. Rejects with `nothing-written` when that is certain, and with the failure as it was when it is not.
   */
  async #settle(tenant: string, failure: StoreFailure): Promise<void> {
    const until = performance.now() + this.#settings.settleMs;
    while (performance.now() < until) {
      const stands = await this.#tryLookUp(tenant, until);
      if (stands === true) return;
      if (stands === false) throw new StoreFailure(failure.refusal, 'nothing-written', failure.cause);
      await pause(pauseMs);
    }
    throw failure;
  }

  async #tryLookUp(tenant: string, until: number): Promise<boolean | undefined> {
    let connection: Connection | undefined;
    try {
      connection = await this.#session.acquire(until);
      return await this.#lookUp(connection, tenant);
    } catch {
      connection?.destroy();
      return undefined;
    }
  }

  async #lookUp(connection: Connection, tenant: string): Promise<boolean> {
    const { commitMs, place } = this.#settings;
    await lockHead(connection, tenant);
    const { rows } = await connection.ask(sql.seeWriter, [this.writer]);
    await connection.ask(sql.noTimeout);
    const { command, warned } = await connection.ask(sql.commit, [], commitMs);
    if (command !== 'COMMIT' || warned) throw failureOf(new Error('the look-up was not committed'), place, 'unknown');
    return (rows[0]?.['batch'] as number) >= this.#batch;
  }
}
