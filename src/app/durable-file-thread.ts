// SPDX-License-Identifier: Apache-2.0
// The thread that replaces files durably, one after another. Its answer is null, or what went wrong.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from './sync-folder.ts';
import { answerCalls } from './thread-calls.ts';

export type Replacement = { readonly file: string; readonly contents: string; readonly firstTime: boolean };

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

answerCalls((order): string | null => {
  try {
    replace(order as Replacement);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
});
