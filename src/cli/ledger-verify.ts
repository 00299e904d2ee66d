// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Examined } from '../app/fsck.ts';
import type { Damage } from '../app/sequencer-replay.ts';
import { homeFolder } from '../client/home-file.ts';
import { openTrustStore } from '../client/trust-store.ts';
import { parseCosignerKey, verifyCosignatures, type Cosignature } from '../crypto/cosignature.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { refuseFormats, refuseTrial } from '../verify/examine.ts';
import { durationMs } from './duration.ts';
import { examineSource } from './ledger-examine.ts';
import { identified, tellFinding, textLine, unidentified, withFiles, type FindingLine } from './ledger-finding.ts';
import { demandFresh } from './ledger-freshness.ts';
import { identify, looking, openLook, type LookOptions } from './ledger-open.ts';
import type { LedgerIdentity } from './ledger-source.ts';
import { fail, orFail, usage } from './output.ts';
import { readPolicyFile } from './witness-policy-file.ts';

export type VerifyLedgerOptions = LookOptions & {
  /** File with an older checkpoint of the ledger. */
  readonly since?: string;
  /** Cosigners' keys; each must have cosigned. */
  readonly witness?: readonly string[];
};

/**
 * `ledger verify`: as a stranger looks, who trusts the pin and nothing else: everything that a replay derives, every
 * entry under a checkpoint that the genesis's log key signed, cosigned by whom one names, and going on from what one
 * has seen (SPEC L2, L14, W1); with `--fresh` and `--witnesses`, that it was the newest not long ago, by their clocks (SPEC Y12).
 */
export const verifyLedger = async (folder: string | undefined, options: VerifyLedgerOptions): Promise<void> => {
  const { pin, json } = options;
  if (pin === undefined)
    return usage(
      '--pin is missing: without it a ledger proves nothing',
      'take the pin from a founder, never from whoever gave you the folder; `ledger fsck` needs none',
    );
  const since = options.since === undefined ? undefined : readNote(options.since);
  const witnesses = readPolicyFile(options.witnesses);
  const freshWithinMs = options.fresh === undefined ? undefined : durationMs(options.fresh, '--fresh');
  const opened = await openLook(folder, options);
  await looking(opened, async (source) => {
    const identity = await identify(source, pin);
    if (!identity.ok) return tellFinding(opened.where, unidentified('verify', identity.refusal, pin), [], json);
    const { logKey, trial } = identity.value;
    const examined = await examineSource(source, identity.value, { word: 'Verified' });
    const { report } = examined;
    const broken = withFiles(report.damage, await source.checkFiles?.(logKey));
    const unwanted = refuseTrial(trial, options) ?? refuseFormats(trial, options);
    // Damage is told first: it matters whatever kind of ledger this is.
    if (broken === null && unwanted !== undefined) fail(unwanted.refusal);
    const history = continues(examined, identity.value, since);
    const cosigned = cosignatures(examined, options.witness ?? [], witnesses !== undefined);
    const damage = broken ?? underCheckpoint(examined) ?? history.damage ?? cosigned.damage ?? null;
    if (damage === null && (witnesses !== undefined || freshWithinMs !== undefined))
      await demandFresh(
        source,
        { size: report.entries, rootAt: examined.rootAt },
        { logKey, witnesses, freshWithinMs },
      );
    const lines: readonly FindingLine[] = [
      ...(report.time === null ? [] : [['last entry', report.time] as const]),
      ...textLine(report.texts),
      ['signed up to', report.signedSize === null ? 'nothing' : `size ${report.signedSize}`],
      ['cosigned by', cosigned.text],
      ['history', history.text],
    ];
    const finding = {
      check: 'verify' as const,
      ...report,
      ...identified(identity.value, pin),
      sound: damage === null,
      damage,
      since: history.size,
      cosigned: cosigned.by.map(({ name, time }) => ({ name, time })),
    };
    // What a witness has not cosigned is no damage of files.
    const uncosigned = damage !== null && damage === cosigned.damage ? askWitness : undefined;
    tellFinding(opened.where, finding, lines, json, uncosigned);
  });
};

const askWitness =
  'The entries are as they should be. A folder holds the cosignatures that its `checkpoint` has: fetch `/ledger/checkpoint` of its server there, or ask the witness what it holds.';

const readNote = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return usage(`--since \`${file}\` cannot be read`, 'name a file with a checkpoint that you kept, a signed note');
  }
};

const underCheckpoint = ({ report, signed }: Examined<unknown>): Damage | undefined =>
  (signed?.size ?? 0) === report.entries
    ? undefined
    : { index: signed?.size ?? 0, what: 'it and what follows stand under no checkpoint that the log key signed' };

type Continues = { readonly size: number | null; readonly text: string; readonly damage?: Damage };

// A checkpoint that one kept oneself says more than the one this machine remembers; the given one must hold.
const continues = (
  { report, rootAt }: Examined<unknown>,
  { ledger, logKey, origin }: LedgerIdentity,
  since: string | undefined,
): Continues => {
  const remembered = since ?? orFail(openTrustStore(homeFolder(process.env)).newest(ledger));
  if (remembered === null)
    return { size: null, text: 'compared with nothing: this machine has seen no checkpoint of it' };
  const seen = orFail(verifyCheckpoint(remembered, logKey, origin));
  const name = since === undefined ? 'the checkpoint this machine remembers' : 'the checkpoint of --since';
  const root = rootAt(seen.size);
  if (root === undefined) {
    const what = `it ends before ${name}, which is at size ${seen.size}`;
    if (since !== undefined) return { size: seen.size, text: what, damage: { index: report.entries, what } };
    return { size: null, text: `not compared: ${what}; an older copy may be sound and is not all there is` };
  }
  if (root === seen.root) return { size: seen.size, text: `goes on from ${name}, size ${seen.size}` };
  const what = `it is another history than ${name}`;
  return { size: seen.size, text: what, damage: { index: seen.size, what } };
};

type Cosigned = { readonly by: readonly Cosignature[]; readonly text: string; readonly damage?: Damage };

const cosignatures = ({ report, signed }: Examined<unknown>, keys: readonly string[], quorum: boolean): Cosigned => {
  // Where a policy was given and its quorum is missing, `demandFresh` has ended the command.
  if (keys.length === 0)
    return { by: [], text: quorum ? 'the quorum of --witnesses' : 'not looked at: give --witness, or --witnesses' };
  const cosigners = keys.map((key) => orFail(parseCosignerKey(key)));
  const verified = signed === undefined ? undefined : verifyCosignatures(signed.note, cosigners);
  const by = verified?.ok === true ? verified.value.cosignatures : [];
  const missing = cosigners.find(({ name, id }) => !by.some((one) => one.name === name && one.id === id));
  if (missing === undefined)
    return { by, text: by.map(({ name, time }) => `${name} at ${new Date(time * 1000).toISOString()}`).join(', ') };
  const why = verified?.ok === false ? verified.refusal.message : 'its checkpoint has no cosignature of that key';
  const what = `\`${missing.name}\` has not cosigned it: ${why}`;
  return { by, text: what, damage: { index: report.entries, what } };
};
