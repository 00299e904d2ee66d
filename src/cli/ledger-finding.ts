// SPDX-License-Identifier: Apache-2.0
import type { Damage } from '../app/sequencer-replay.ts';
import type { TextCount } from '../app/text-count.ts';
import type { Refusal } from '../kernel/refusal.ts';
import type { LedgerIdentity } from './ledger-source.ts';
import { escaped, exitCodes, print, printJson, say, styledOut } from './output.ts';

/** What a look at a ledger found. `pinned` is null when no pin was given to compare with. */
export type Finding = {
  readonly check: 'fsck' | 'replay' | 'verify';
  readonly sound: boolean;
  readonly entries: number;
  readonly blobs: number;
  readonly root: string;
  readonly damage: Damage | null;
  readonly ledger: string | null;
  readonly trial: boolean | null;
  readonly pinned: boolean | null;
};

/** A ledger whose first entry does not even say which one it is, or says another. */
export const unidentified = (check: Finding['check'], refusal: Refusal, pin: string | undefined): Finding => {
  const other = refusal.code === 'pin-mismatch' ? String(refusal.facts['ledger']) : null;
  return {
    check,
    sound: false,
    entries: 0,
    blobs: 0,
    root: '',
    damage: { index: 0, what: refusal.message },
    ledger: other,
    trial: null,
    pinned: pin === undefined ? null : false,
  };
};

export const identified = (
  { ledger, trial }: LedgerIdentity,
  pin: string | undefined,
): Pick<Finding, 'ledger' | 'trial' | 'pinned'> => ({ ledger, trial, pinned: pin === undefined ? null : true });

/** Of two things that are wrong, the first; of one thing seen twice, the one that names the file. */
export const withFiles = (found: Damage | null, files: Damage | undefined): Damage | null =>
  files === undefined || (found !== null && found.index < files.index) ? found : files;

/** A line of the answer: its name, and what it says. */
export type FindingLine = readonly [name: string, text: string];

/** What became of the texts that entries commit to; nothing where they were not looked at, or there are none. */
export const textLine = (texts: TextCount | null): readonly FindingLine[] =>
  texts === null || texts.named === 0
    ? []
    : [['texts', `${texts.kept} of ${texts.named} kept, ${texts.erased} erased, ${texts.none} never given or gone`]];

const otherLedger =
  'Nothing was looked at: either the pin is of another ledger, or the folder is. Take the pin from a founder, never from whoever gave you the folder.';
const putBack =
  'Put the right files back and check again. Until then a server of it reads and exports, and appends nothing.';

/**
 * Tells what was found, with the lines that only this check has, and ends with exit code 7 when something is wrong.
 * `help` is for what no file is at fault for.
 */
export const tellFinding = (
  where: string,
  found: Finding,
  lines: readonly FindingLine[],
  json: boolean,
  help: string = found.pinned === false && found.ledger !== null ? otherLedger : putBack,
): void => {
  if (!found.sound) process.exitCode = exitCodes.verificationFailed;
  if (json) return printJson(found);
  const { sound, damage, entries, blobs, root } = found;
  // Documents are counted where they are hashed: a replay over a server's tiles fetches none of them.
  const withBlobs = blobs === 0 ? '' : ` and ${blobs} blobs`;
  if (sound) print(`${styledOut(['green', 'bold'], 'sound')}: ${entries} entries${withBlobs} in ${where}`);
  else print(`${styledOut(['red', 'bold'], 'damaged')}: entry ${damage?.index ?? 0}: ${escaped(damage?.what ?? '')}`);
  const kind = found.trial === true ? ' (trial)' : '';
  const all: readonly FindingLine[] = [
    ...(found.ledger === null ? [] : [['ledger', `${found.ledger}${kind}`] as const]),
    ...(sound ? [] : [['good', `${entries} entries before it`] as const]),
    ...(root === '' ? [] : [['root', root] as const]),
    ...lines,
  ];
  for (const [name, text] of all) print(`  ${name.padEnd(12)} ${escaped(text)}`);
  if (found.pinned === null)
    say('It was checked against itself only. Give --pin to check that it is the ledger you mean.');
  if (!sound) say(help);
};
