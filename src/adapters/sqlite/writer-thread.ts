// SPDX-License-Identifier: Apache-2.0
// The thread of a ledger's writer. The first thing it is told is which database it writes.
import { answerCalls } from '../../app/thread-calls.ts';
import type { StoreFailure } from '../../ledger/store.ts';
import { LedgerWriter } from './ledger-writer.ts';
import { failureOf } from './sqlite-failure.ts';
import { invoke, type WriterAnswer, type WriterMethod, type WriterQuestion } from './writer.ts';

let writer: LedgerWriter | undefined;
let folder = '';

const attempt = (work: () => unknown, otherwise: StoreFailure['outcome']): WriterAnswer => {
  try {
    return { value: work() };
  } catch (error) {
    const { refusal, outcome } = failureOf(error, folder, otherwise);
    return { failure: { refusal, outcome } };
  }
};

answerCalls((asked): WriterAnswer => {
  const question = asked as WriterQuestion;
  if ('open' in question) {
    folder = question.open.folder;
    return attempt(() => {
      writer = new LedgerWriter(folder, question.open.file);
    }, 'nothing-written');
  }
  const { method, args } = question;
  return attempt(() => {
    if (writer === undefined) throw new Error('no database is open');
    return invoke(writer, method, args as Parameters<LedgerWriter[WriterMethod]>);
  }, 'unknown');
});
