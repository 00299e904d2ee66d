// SPDX-License-Identifier: Apache-2.0
import { Worker } from 'node:worker_threads';
import type { Replaced, Replacement } from './durable-file-thread.ts';

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

let worker: Worker | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

const settle = ({ id, failure }: Replaced): void => {
  const one = waiting.get(id);
  waiting.delete(id);
  if (waiting.size === 0) worker?.unref();
  if (failure === null) one?.resolve();
  else one?.reject(new Error(failure));
};

// One that ends takes what was asked of it along; the next request starts another.
const ended = (error: unknown): void => {
  worker = undefined;
  for (const { reject } of waiting.values())
    reject(new Error('the thread that writes files has ended', { cause: error }));
  waiting.clear();
};

const start = (): Worker => {
  // Options of this process, such as `--input-type`, are not that thread's.
  const started = new Worker(new URL('./durable-file-thread.ts', import.meta.url), { execArgv: [] });
  started.on('message', settle);
  started.on('error', ended);
  started.on('exit', () => ended(undefined));
  return started;
};

/**
 * Replaces a file as a whole: a reader sees the old one or the new one, and after a power cut one of the two is there.
 * Resolves when the contents are on the disk. Another thread waits for the disk, in one go: each step back here would
 * wait for its turn. `firstTime` makes the folder too, and makes sure that the file's name lasts.
 */
export const replaceFile = (file: string, contents: string, firstTime: boolean): Promise<void> => {
  worker ??= start();
  const to = worker;
  if (waiting.size === 0) to.ref();
  lastId += 1;
  const order: Replacement = { id: lastId, file, contents, firstTime };
  return new Promise((resolve, reject) => {
    waiting.set(order.id, { resolve, reject });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    to.postMessage(order);
  });
};
