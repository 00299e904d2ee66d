// SPDX-License-Identifier: Apache-2.0
import { startViewCheck } from '../app/view-check.ts';
import { stateDigest } from '../lifecycle/state-digest.ts';
import { ledgerViews } from '../server/totals-view.ts';
import { examineSource } from './ledger-examine.ts';
import { identified, tellFinding, textLine, unidentified, withFiles, type FindingLine } from './ledger-finding.ts';
import { identify, looking, openLook, refuseFreshness, type LookAction, type LookOptions } from './ledger-open.ts';
import { takeUnchecked } from './ledger-unchecked.ts';
import { warn } from './output.ts';

/** `--no-signatures` makes it false. */
type ReplayOptions = LookOptions & { readonly signatures: boolean };

/**
 * `ledger replay`: every entry is decided again from the first one on, and each decision, event and view row compared
 * with what is stored, byte for byte (INV12, SPEC L11, L24).
 */
export const replayLedger: LookAction<ReplayOptions> = async (folder, options, command) => {
  refuseFreshness(folder, options, command);
  const opened = await openLook(folder, options);
  await looking(opened, async (source) => {
    const { store, tenant } = source;
    const { json, pin, signatures } = options;
    const identity = await identify(source, pin);
    if (!identity.ok) return tellFinding(opened.where, unidentified('replay', identity.refusal, pin), [], json);
    const { logKey } = identity.value;
    const views = await startViewCheck(store, tenant, ledgerViews);
    if (!signatures) warn("--no-signatures: the signature of each entry's statement is NOT checked");
    const { report, state, signed } = await examineSource(source, identity.value, {
      word: 'Replayed',
      onEntry: views.entry,
      ...(signatures ? {} : { look: takeUnchecked }),
    });
    const compared = await views.finish(report.entries);
    const damage = withFiles(report.damage ?? compared.damage ?? null, await source.checkFiles?.(logKey));
    const digest = stateDigest(state);
    const checked = signatures ? 'all' : "not those of the entries' own statements (--no-signatures)";
    const lines: readonly FindingLine[] = [
      ...(report.time === null ? [] : [['last entry', report.time] as const]),
      ...textLine(report.texts),
      ['state', digest],
      ['signatures', checked],
      ['view rows', source.kind === 'data folder' ? `${compared.rows} compared` : 'none here: a server keeps them'],
      [
        'signed up to',
        signed === undefined ? 'nothing: no checkpoint is signed by its log key' : `size ${signed.size}`,
      ],
    ];
    const finding = {
      check: 'replay' as const,
      ...report,
      ...identified(identity.value, pin),
      sound: damage === null,
      damage,
      state: digest,
      signatures: signatures ? 'checked' : 'not-checked',
      viewRows: compared.rows,
    };
    tellFinding(opened.where, finding, lines, json);
  });
};
