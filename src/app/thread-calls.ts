// SPDX-License-Identifier: Apache-2.0
import { parentPort, Worker } from 'node:worker_threads';

type Question = { readonly id: number; readonly question: unknown };
type Reply = { readonly id: number; readonly answer: unknown };
type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void };

/**
 * Another thread that answers one question after another, in the order of asking; its script calls `answerCalls`. While
 * nothing is asked it keeps no process alive. When it ends, every question that waits is rejected with what `ended`
 * makes of it, and so is every later one.
 */
export class ThreadCalls {
  readonly #worker: Worker;
  readonly #ended: (cause: unknown) => Error;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #end: Error | undefined;

  constructor(script: URL, ended: (cause: unknown) => Error) {
    this.#ended = ended;
    // Options of this process, such as `--input-type`, are not that thread's.
    this.#worker = new Worker(script, { execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#stop(error));
    this.#worker.on('exit', (code) => this.#stop(`exit code ${code}`));
  }

  /** Whether it has ended, so that nothing can be asked any more. */
  get over(): boolean {
    return this.#end !== undefined;
  }

  /** `handedOver` are buffers that the caller gives up, so that they are not copied. */
  ask(question: unknown, handedOver: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    this.#lastId += 1;
    const sent: Question = { id: this.#lastId, question };
    return new Promise((resolve, reject) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
      this.#worker.postMessage(sent, handedOver);
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(sent.id, { resolve, reject });
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle({ id, answer }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    waiting?.resolve(answer);
  }

  #stop(cause: unknown): void {
    this.#end ??= this.#ended(cause);
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}

/** The other end. What `answer` throws ends the thread: failures that are foreseen are answers too. */
export const answerCalls = (answer: (question: unknown) => unknown): void => {
  parentPort?.on('message', ({ id, question }: Question) => {
    const reply: Reply = { id, answer: answer(question) };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
    parentPort?.postMessage(reply);
  });
};
