// SPDX-License-Identifier: Apache-2.0
// The thread of a ledger's writer: it does one call after another, in the order in which they came.
import { parentPort, workerData } from 'node:worker_threads';
import type { StoreFailure } from '../../ledger/store.ts';
import { LedgerWriter } from './ledger-writer.ts';
import { failureOf } from './sqlite-failure.ts';
import { invoke, type WriterCall, type WriterPlace, type WriterReply } from './writer-calls.ts';

const { folder, file } = workerData as WriterPlace;

const attempt = (id: number, work: () => unknown, otherwise: StoreFailure['outcome']): WriterReply => {
  try {
    return { id, value: work() };
  } catch (error) {
    const { refusal, outcome } = failureOf(error, folder, otherwise);
    return { id, failure: { refusal, outcome } };
  }
};

let writer: LedgerWriter | undefined;
// oxlint-disable unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort?.postMessage(
  attempt(
    0,
    () => {
      writer = new LedgerWriter(folder, file);
    },
    'nothing-written',
  ),
);
parentPort?.on('message', ({ id, method, args }: WriterCall) => {
  const opened = writer;
  if (opened !== undefined)
    parentPort?.postMessage(
      attempt(id, () => invoke(opened, method, args as Parameters<LedgerWriter[typeof method]>), 'unknown'),
    );
});
