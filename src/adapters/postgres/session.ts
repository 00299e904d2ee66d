// SPDX-License-Identifier: Apache-2.0
import { refuse } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';
import type { Answer, Connection, Statement, Value } from './connection.ts';
import { failureOf, isLoss, unreachable } from './postgres-failure.ts';

const pauseMs = 100;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waiting for a primary helps against these: they pass by themselves when one is promoted or a standby comes back. */
const passes = ({ refusal }: StoreFailure): boolean =>
  ['store-unreachable', 'store-not-synchronous', 'store-busy'].includes(refusal.code);

/**
 * A connection to the primary that is made again when it is lost. Whoever begins something waits a while for it; what
 * had been asked on a lost one is never asked again here, except for reads.
 */
export class Session {
  readonly #connect: () => Promise<Connection>;
  readonly #place: string;
  readonly #patienceMs: number;
  #current: Promise<Connection> | undefined;
  /** What all came over that was read since the last `vouch`. */
  #readOver: Connection | 'several' | undefined;
  #closed = false;

  constructor(connect: () => Promise<Connection>, place: string, patienceMs: number) {
    this.#connect = connect;
    this.#place = place;
    this.#patienceMs = patienceMs;
  }

  /** A connection that was alive a moment ago. Rejects with a `StoreFailure` when there is none for a while. */
  async acquire(until = this.patience()): Promise<Connection> {
    for (;;) {
      if (this.#closed) throw closed(this.#place);
      try {
        const connection = await (this.#current ??= this.#connect());
        if (!connection.lost) return connection;
        this.#current = undefined;
      } catch (error) {
        this.#current = undefined;
        const failure = failureOf(error, this.#place, 'nothing-written');
        if (!passes(failure) || performance.now() >= until) throw failure;
        await pause(pauseMs);
      }
    }
  }

  /** Until when to wait for a primary, from now on. */
  patience(): number {
    return performance.now() + this.#patienceMs;
  }

  /** Asks something that changes nothing, and again on another connection when one is lost. */
  async read(statement: Statement, values: readonly Value[]): Promise<Answer> {
    const until = this.patience();
    for (;;) {
      const connection = await this.acquire(until);
      try {
        const answer = await connection.ask(statement, values);
        this.#readOver = (this.#readOver ?? connection) === connection ? connection : 'several';
        return answer;
      } catch (error) {
        if (isLoss(error)) connection.destroy();
        if (this.#closed) throw closed(this.#place);
        if (!isLoss(error) || performance.now() >= until) throw failureOf(error, this.#place, 'nothing-written');
      }
    }
  }

  /** One statement that changes something. When its answer is lost, nobody knows what came of it. */
  async write(statement: Statement, values: readonly Value[]): Promise<Answer> {
    return this.#writeOver(await this.acquire(), statement, values);
  }

  /**
   * The same, to stand for all that was read since the last time: the server that showed it has to do this, too. Another
   * one may never have had it, and its word says nothing of what a former primary showed.
   */
  async vouch(statement: Statement, values: readonly Value[]): Promise<void> {
    const shown = this.#readOver;
    this.#readOver = undefined;
    const connection = await this.acquire();
    if (shown !== undefined && shown !== connection)
      throw unreachable(this.#place, 'the line was lost after reading; read again');
    await this.#writeOver(connection, statement, values);
  }

  async #writeOver(connection: Connection, statement: Statement, values: readonly Value[]): Promise<Answer> {
    try {
      const answer = await connection.ask(statement, values);
      if (!answer.warned) return answer;
      throw new Error('the server warned that it may be on one machine only');
    } catch (error) {
      if (!isLoss(error)) throw failureOf(error, this.#place, 'nothing-written');
      connection.destroy();
      throw failureOf(error, this.#place, 'unknown');
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const current = this.#current;
    this.#current = undefined;
    const connection = await current?.catch(() => undefined);
    if (connection !== undefined && !connection.lost) await connection.end();
  }
}

export const closed = (place: string): StoreFailure =>
  new StoreFailure(
    refuse('store-closed', 'L8', `the store \`${place}\` is closed`, { store: place }, 'open it again').refusal,
    'nothing-written',
  );
