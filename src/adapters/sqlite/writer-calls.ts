// SPDX-License-Identifier: Apache-2.0
import { Worker } from 'node:worker_threads';
import { refuse, type Refusal } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';
import { LedgerWriter } from './ledger-writer.ts';

export type WriterPlace = { readonly folder: string; readonly file: string };

/** What the writer can be asked to do, and how that travels. */
export type WriterMethod = Exclude<keyof LedgerWriter, symbol>;
export type WriterCall = { readonly id: number; readonly method: WriterMethod; readonly args: readonly unknown[] };
export type WriterReply =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly failure: { readonly refusal: Refusal; readonly outcome: StoreFailure['outcome'] };
    };

/** A ledger's writer, wherever it runs. Calls are done in the order of asking. */
export type Writer = {
  /** `handedOver` are buffers that the caller gives up. */
  readonly call: <M extends WriterMethod>(
    method: M,
    args: Parameters<LedgerWriter[M]>,
    handedOver?: readonly ArrayBuffer[],
  ) => Promise<ReturnType<LedgerWriter[M]>>;
  readonly close: () => Promise<void>;
};

/** The writer on this thread, for whoever opens a ledger, does one thing and goes. */
export const writerHere = ({ folder, file }: WriterPlace): Writer => {
  const writer = new LedgerWriter(folder, file);
  return {
    call: async (method, args) => invoke(writer, method, args),
    close: async () => writer.close(),
  };
};

export const invoke = <M extends WriterMethod>(
  writer: LedgerWriter,
  method: M,
  args: Parameters<LedgerWriter[M]>,
): ReturnType<LedgerWriter[M]> => {
  const call = writer[method] as (...given: Parameters<LedgerWriter[M]>) => ReturnType<LedgerWriter[M]>;
  return call.apply(writer, args);
};

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (failure: StoreFailure) => void };

/**
 * The writer on a thread of its own: the disk makes it wait, and meanwhile this thread goes on. One that ends in the
 * middle of a call leaves its outcome unknown.
 */
export class WriterThread implements Writer {
  readonly #place: WriterPlace;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: StoreFailure | undefined;

  private constructor(place: WriterPlace) {
    this.#place = place;
    // Options of this process, such as `--input-type`, are not that thread's.
    this.#worker = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData: place, execArgv: [] });
    this.#worker.on('message', (reply: WriterReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  /** Opens the database. Rejects with a `StoreFailure` when it can't. */
  static async open(place: WriterPlace): Promise<WriterThread> {
    const calls = new WriterThread(place);
    try {
      await calls.#expect(0);
      return calls;
    } catch (error) {
      await calls.#worker.terminate();
      throw error;
    }
  }

  call<M extends WriterMethod>(
    method: M,
    args: Parameters<LedgerWriter[M]>,
    handedOver: readonly ArrayBuffer[] = [],
  ): Promise<ReturnType<LedgerWriter[M]>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#lastId += 1;
    const call: WriterCall = { id: this.#lastId, method, args };
    const reply = this.#expect(call.id);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    this.#worker.postMessage(call, handedOver);
    return reply as Promise<ReturnType<LedgerWriter[M]>>;
  }

  async close(): Promise<void> {
    try {
      await this.call('close', []);
    } finally {
      await this.#worker.terminate();
    }
  }

  #expect(id: number): Promise<unknown> {
    // Whoever waits for an answer must get it; a writer that nothing is asked of keeps no process alive.
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle(reply: WriterReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('failure' in reply) waiting?.reject(new StoreFailure(reply.failure.refusal, reply.failure.outcome));
    else waiting?.resolve(reply.value);
  }

  #end(error: unknown): void {
    const { folder } = this.#place;
    this.#ended ??= new StoreFailure(
      refuse('store-io', 'L8', `the writer of \`${folder}\` has ended`, { folder }, 'start the server again').refusal,
      'unknown',
      error,
    );
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
