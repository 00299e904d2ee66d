// SPDX-License-Identifier: Apache-2.0
import { fsck, type FsckReport } from '../app/fsck.ts';
import type { Damage } from '../app/sequencer-replay.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { refuseFormats, refuseTrial } from '../verify/examine.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import { demandFresh } from './ledger-freshness.ts';
import { openLedgerSource, readIdentity, type LedgerIdentity, type LedgerSource } from './ledger-source.ts';
import { escaped, exitCodes, fail, orFail, print, printJson, say, styledOut } from './output.ts';

export type CheckOptions = {
  readonly pin?: string;
  readonly mark?: string;
  readonly json: boolean;
  /** What a stranger to the server asks for: every entry under a signed checkpoint, and no trial unless they say so. */
  readonly stranger?: { readonly allowTrial?: boolean | undefined; readonly acceptV0?: boolean | undefined };
  /** One's own policy of witnesses, and how old the newest checkpoint may be. */
  readonly witnesses?: WitnessPolicy | undefined;
  readonly freshWithinMs?: number | undefined;
};

/** What the check found, and of which ledger; `pinned` is null when no pin was given to compare with. */
type Finding = FsckReport & {
  readonly ledger: string | null;
  readonly trial: boolean | null;
  readonly pinned: boolean | null;
};

const unreadable = (index: number, what: string): FsckReport => ({
  sound: false,
  entries: 0,
  blobs: 0,
  root: '',
  time: null,
  signedSize: null,
  damage: { index, what },
});

const look = async (folder: string, source: LedgerSource, options: CheckOptions): Promise<Finding> => {
  const { pin, stranger } = options;
  const identity = await readIdentity(source);
  if (!identity.ok)
    return {
      ...unreadable(0, identity.refusal.message),
      ledger: null,
      trial: null,
      pinned: pin === undefined ? null : false,
    };
  const { ledger, trial, logKey, origin }: LedgerIdentity = identity.value;
  if (pin !== undefined && pin !== ledger)
    return { ...unreadable(0, `it is ledger \`${ledger}\`, not the pinned \`${pin}\``), ledger, trial, pinned: false };
  const report = withFiles(
    orFail(
      await fsck(source.store, source.tenant, lifecycle, logKey, {
        origin,
        ...(source.mark === undefined ? {} : { mark: source.mark }),
      }),
    ),
    await source.checkFiles?.(logKey),
  );
  const unwanted =
    stranger === undefined ? undefined : (refuseTrial(trial, stranger) ?? refuseFormats(trial, stranger));
  // Damage is told first: it matters whatever kind of ledger this is.
  if (report.sound && unwanted !== undefined) fail(unwanted.refusal);
  if (report.sound && (options.witnesses !== undefined || options.freshWithinMs !== undefined))
    await demandFresh(folder, source, { logKey, ...options });
  const found = { ...report, ledger, trial, pinned: pin === undefined ? null : true };
  const signed = report.signedSize ?? 0;
  if (!report.sound || stranger === undefined || signed === report.entries) return found;
  const what = 'it and what follows stand under no checkpoint that the log key signed';
  return { ...found, sound: false, damage: { index: signed, what } };
};

// Of two things that are wrong, the first; of one thing seen twice, the one that names the file.
const withFiles = (report: FsckReport, files: Damage | undefined): FsckReport =>
  files === undefined || (report.damage !== null && report.damage.index < files.index)
    ? report
    : { ...report, sound: false, damage: files };

const tell = (folder: string, found: Finding): void => {
  const { sound, damage, entries, blobs, root, time, signedSize } = found;
  if (sound) print(`${styledOut(['green', 'bold'], 'sound')}: ${entries} entries and ${blobs} blobs in ${folder}`);
  else print(`${styledOut(['red', 'bold'], 'damaged')}: entry ${damage?.index ?? 0}: ${escaped(damage?.what ?? '')}`);
  if (found.ledger !== null) print(`  ledger       ${found.ledger}${found.trial === true ? ' (trial)' : ''}`);
  if (!sound) print(`  good         ${entries} entries before it`);
  if (root !== '') print(`  root         ${root}`);
  if (time !== null) print(`  last entry   ${time}`);
  print(
    `  signed up to ${signedSize === null ? 'nothing: no checkpoint is signed by its log key' : `size ${signedSize}`}`,
  );
  if (found.pinned === null)
    say('It was checked against itself only. Give --pin to check that it is the ledger you mean.');
  if (!sound)
    say('Put the right files back and check again. Until then a server of it reads and exports, and appends nothing.');
};

/**
 * `ledger fsck` and `ledger verify`: every entry hashed, its rules applied again, blobs, head, checkpoint and mark
 * compared (SPEC L11). Ends with exit code 7 when something is wrong.
 */
export const checkLedger = async (folder: string, options: CheckOptions): Promise<void> => {
  const source = orFail(await openLedgerSource(folder, options.mark));
  try {
    const found = await look(folder, source, options);
    if (options.json) printJson(found);
    else tell(folder, found);
    if (!found.sound) process.exitCode = exitCodes.verificationFailed;
  } catch (error) {
    // A page of the database that cannot be read at all.
    const refusal = (error as { refusal?: Parameters<typeof fail>[0] } | null)?.refusal;
    if (refusal === undefined) throw error;
    fail(refusal);
  } finally {
    await source.store.close();
  }
};
