// SPDX-License-Identifier: Apache-2.0
import type { FileOrder } from './durable-file-thread.ts';
import { ThreadCalls } from './thread-calls.ts';

let thread: ThreadCalls | undefined;

const start = (): ThreadCalls =>
  new ThreadCalls(
    new URL('./durable-file-thread.ts', import.meta.url),
    (cause) => new Error('the thread that writes files has ended', { cause }),
  );

/**
 * Replaces a file as a whole: a reader sees the old one or the new one, and after a power cut one of the two is there.
 * Resolves when the contents are on the disk, and rejects when they may not be. Another thread waits for the disk, in one
 * go: each step back here would wait for its turn. `firstTime` makes the folder too, and makes sure that the file's name lasts.
 */
export const replaceFile = (file: string, contents: string, firstTime: boolean): Promise<void> =>
  ask({ kind: 'replace', file, contents, firstTime });

/**
 * Writes into a file that is there, from a byte on, and leaves its length and the rest of it as they are. Resolves when
 * it is on the disk; after a power cut any part of the contents may be there. A third of the price of `replaceFile`.
 */
export const overwriteFile = (file: string, contents: string, at: number): Promise<void> =>
  ask({ kind: 'overwrite', file, contents, at });

const ask = async (order: FileOrder): Promise<void> => {
  if (thread === undefined || thread.over) thread = start();
  const failure = (await thread.ask(order)) as string | null;
  if (failure !== null) throw new Error(failure);
};
