// SPDX-License-Identifier: Apache-2.0
// The thread that replaces files durably, one after another, in the order in which it is asked.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';

export type Replacement = {
  readonly id: number;
  readonly file: string;
  readonly contents: string;
  readonly firstTime: boolean;
};
export type Replaced = { readonly id: number; readonly failure: string | null };

const replace = ({ file, contents, firstTime }: Replacement): void => {
  if (firstTime) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const handle = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeFileSync(handle, contents);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.new`, file);
  if (firstTime) syncFolder(dirname(file));
};

const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const attempt = (order: Replacement): Replaced => {
  try {
    replace(order);
    return { id: order.id, failure: null };
  } catch (error) {
    return { id: order.id, failure: error instanceof Error ? error.message : String(error) };
  }
};

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort?.on('message', (order: Replacement) => parentPort?.postMessage(attempt(order)));
