// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readServerUrl } from '../client/connect.ts';
import { writeHomeFile } from '../client/home-file.ts';
import { proveFork } from '../client/prove-fork.ts';
import { formatVerifierKey } from '../crypto/signed-note.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { logKeyFor } from './log-key-of.ts';
import { orFail, print, say, usage } from './output.ts';

export type EvidenceOptions = {
  readonly server?: string;
  readonly logKey?: string;
  readonly pin?: string;
  readonly out?: string;
};

const maxNoteBytes = 64 * 1024;

/** Reads a signed checkpoint from a file, or from standard input. */
export const readNote = (file: string): string => {
  try {
    const text = readFileSync(file === '-' ? 0 : file, 'utf8');
    return text.length > maxNoteBytes ? usage(`\`${file}\` is longer than any checkpoint`) : text;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read';
    return usage(`\`${file}\` ${why}`, 'give a signed checkpoint, such as `countersign ledger seen` prints');
  }
};

const notesIn = (given: readonly string[]): readonly [string, string] => {
  const [one = '', other, ...more] = given;
  const folder = statSync(one, { throwIfNoEntry: false })?.isDirectory() === true;
  if (folder && other === undefined) return [readNote(join(one, 'seen.note')), readNote(join(one, 'shown.note'))];
  return folder || other === undefined || more.length > 0
    ? usage(
        'give two signed checkpoints, or one folder that a refusal named',
        'countersign ledger evidence seen.note shown.note',
      )
    : [readNote(one), readNote(other)];
};

/** `ledger evidence`: two checkpoints that contradict each other become one file that anybody can check. */
export const makeEvidence = async (given: readonly string[], options: EvidenceOptions): Promise<void> => {
  const [one, other] = notesIn(given);
  const server = options.server === undefined ? undefined : orFail(readServerUrl(options.server));
  const { origin } = orFail(readCheckpointNote(one));
  const log = logKeyFor(origin, options);
  const file = orFail(await proveFork(log, one, other, server));
  if (options.out === undefined) print(file);
  else writeHomeFile(options.out, file);
  say(
    `It proves that the key of ${origin} signed two histories. Anybody checks it with: countersign verify ${options.out ?? 'FILE'} --log-key ${formatVerifierKey(log)}`,
  );
};
