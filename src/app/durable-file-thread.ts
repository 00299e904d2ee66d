// SPDX-License-Identifier: Apache-2.0
// The thread that writes files durably, one after another. Its answer is null, or what went wrong.
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from './sync-folder.ts';
import { answerCalls } from './thread-calls.ts';

type Replacement = {
  readonly kind: 'replace';
  readonly file: string;
  readonly contents: string;
  readonly firstTime: boolean;
};
type Overwriting = {
  readonly kind: 'overwrite';
  readonly file: string;
  readonly contents: string;
  readonly at: number;
};
export type FileOrder = Replacement | Overwriting;

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

const overwrite = ({ file, contents, at }: Overwriting): void => {
  // By its name each time: a file that was moved away must not go on taking what nobody will find.
  const handle = openSync(file, 'r+');
  try {
    const bytes = Buffer.from(contents);
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, bytes.length - done, at + done);
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

answerCalls((asked): string | null => {
  const order = asked as FileOrder;
  try {
    if (order.kind === 'replace') replace(order);
    else overwrite(order);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
});
