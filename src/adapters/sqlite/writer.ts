// SPDX-License-Identifier: Apache-2.0
import { ThreadCalls } from '../../app/thread-calls.ts';
import { refuse } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';
import { LedgerWriter } from './ledger-writer.ts';

export type WriterPlace = { readonly folder: string; readonly file: string };
export type WriterMethod = Exclude<keyof LedgerWriter, symbol>;

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

/** How a call travels to another thread and back. */
export type WriterQuestion =
  | { readonly open: WriterPlace }
  | { readonly method: WriterMethod; readonly args: readonly unknown[] };
export type WriterAnswer =
  | { readonly value: unknown }
  | { readonly failure: Pick<StoreFailure, 'refusal' | 'outcome'> };

const valueOf = (answer: unknown): unknown => {
  const given = answer as WriterAnswer;
  if ('failure' in given) throw new StoreFailure(given.failure.refusal, given.failure.outcome);
  return given.value;
};

/**
 * The writer on a thread of its own: the disk makes it wait, and meanwhile this thread goes on. One that ends in the
 * middle of a call leaves its outcome unknown. Rejects with a `StoreFailure` when the database cannot be opened.
 */
export const writerOnThread = async (place: WriterPlace): Promise<Writer> => {
  const { folder } = place;
  const thread = new ThreadCalls(
    new URL('./writer-thread.ts', import.meta.url),
    (cause) =>
      new StoreFailure(
        refuse('store-io', 'L8', `the writer of \`${folder}\` has ended`, { folder }, 'start the server again').refusal,
        'unknown',
        cause,
      ),
  );
  const call: Writer['call'] = async (method, args, handedOver = []) =>
    valueOf(await thread.ask({ method, args } satisfies WriterQuestion, handedOver)) as ReturnType<
      LedgerWriter[typeof method]
    >;
  const open: WriterQuestion = { open: place };
  try {
    valueOf(await thread.ask(open));
  } catch (error) {
    await thread.close();
    throw error;
  }
  return {
    call,
    close: async () => {
      try {
        await call('close', []);
      } finally {
        await thread.close();
      }
    },
  };
};
