// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { replaceFile } from './durable-file.ts';

/**
 * The newest note that was cosigned, as it is: beside the mark, so that a heartbeat shows that this disk takes writes as
 * well, and so that a server which starts anew never says an earlier time, or a smaller head, than before.
 */
export type NoteKeeper = {
  readonly read: () => Result<string | undefined>;
  /** Resolves when it is durable, rejects when it may not be. */
  readonly write: (note: string) => Promise<void>;
};

const unreadable = (file: string, why: string): Refused =>
  refuse(
    'heartbeat-withheld',
    'L21',
    `the cosigned note \`${file}\` cannot be read: ${why}`,
    { file },
    'look at its disk and permissions; if it is gone for good, remove it: the server then forgets what it said before',
  );

export const noteFile = (file: string): NoteKeeper => {
  let written = false;
  return {
    read: () => {
      try {
        return ok(readFileSync(file, 'utf8'));
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOENT' ? ok(undefined) : unreadable(file, String(error));
      }
    },
    write: async (note) => {
      await replaceFile(file, note, !written);
      written = true;
    },
  };
};
