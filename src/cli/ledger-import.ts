// SPDX-License-Identifier: Apache-2.0
import { markFile } from '../app/mark.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { BrokenInvariant, refuse, type Refused } from '../kernel/refusal.ts';
import { importLedger } from '../server/import-ledger.ts';
import { readLogSeed } from '../server/log-key.ts';
import { refuseFormats, refuseTrial } from '../verify/examine.ts';
import {
  furthest,
  markOf,
  ownMemory,
  proveSource,
  readRemembered,
  refuseForks,
  reportOf,
  standingsOf,
  tellStandings,
  withSource,
} from './ledger-proven.ts';
import { textsOf } from './ledger-source.ts';
import { exitCodes, fail, orFail, print, printJson, say, styledOut, usage } from './output.ts';

export type ImportVerbOptions = {
  readonly pin?: string;
  readonly logKey?: string;
  readonly mark?: string;
  readonly remembered?: readonly string[];
  readonly allowTrial?: true;
  readonly acceptV0?: boolean;
  readonly json: boolean;
};

/**
 * `ledger import`: a data folder for a server out of an export or a mirror. Everything is verified from the pin first.
 * The mark is set to the newest checkpoint that anybody here remembers: a copy that ends before it is written all the
 * same, and its server starts in quarantine until the rest is put back (SPEC L28).
 */
export const importFolder = async (from: string, dir: string, options: ImportVerbOptions): Promise<void> => {
  const { pin } = options;
  if (pin === undefined)
    return usage(
      '--pin is missing: without it a copy proves nothing',
      'take the pin from a founder, never from whoever gave you the folder',
    );
  const logSeed = options.logKey === undefined ? undefined : orFail(readLogSeed(options.logKey));
  const given = readRemembered(options.remembered ?? []);
  await withSource(from, undefined, async (source) => {
    if (source.kind !== 'export')
      usage(`\`${from}\` is the data folder of a server`, 'export it first, or copy the folder as it is');
    const proven = orFail(await proveSource(from, source, pin, 'copy'));
    const { identity, size, root, tree, supply } = proven;
    const unwanted = refuseTrial(identity.trial, options) ?? refuseFormats(identity.trial, options);
    if (unwanted !== undefined) fail(unwanted.refusal);
    const note = (await source.store.checkpoint(source.tenant)) ?? '';
    const marked = options.mark === undefined ? [] : markOf(markFile(options.mark));
    const standings = standingsOf([...marked, ...given, ...ownMemory(pin)], proven, identity.logKey);
    if (marked.length > 0 && standings[0]?.says === 'unsigned') fail(otherMark(options.mark ?? '').refusal);
    orFail(refuseForks(standings));
    const ahead = furthest(standings);
    const mark = { checkpoint: note, size, root };
    orFail(
      await importLedger(dir, {
        supply,
        texts: textsOf(source),
        tree,
        size,
        note,
        logKey: identity.logKey,
        logSeed,
        mark: ahead === undefined ? mark : markFrom(ahead.note, identity),
        markFile: options.mark,
      }),
    );
    if (ahead !== undefined) process.exitCode = exitCodes.verificationFailed;
    if (options.json)
      return printJson({
        dir,
        ledger: identity.ledger,
        entries: size,
        missing: ahead?.missing ?? 0,
        log_key: logSeed !== undefined,
        standings: reportOf(standings),
      });
    const complete = ahead === undefined;
    print(
      `${styledOut(complete ? ['green', 'bold'] : ['red', 'bold'], complete ? 'imported' : 'incomplete')}: ${size} entries in ${dir}, replayed from the pin`,
    );
    tellStandings(standings);
    if (ahead !== undefined)
      say(
        `A server of it starts in quarantine: ${ahead.missing} entr${ahead.missing === 1 ? 'y is' : 'ies are'} missing. Put back what is missing with: countersign ledger restore --dir ${dir} --from COPY`,
      );
    else if (standings.length === 0)
      say('Nothing was there to compare it with: --remembered takes checkpoints and receipts that people kept.');
    if (logSeed === undefined)
      say(
        `The log key is in no copy: put it at ${dir}/log.key, mode 0600, or name its agent in ${dir}/countersign.yaml, before you serve it.`,
      );
    else if (ahead === undefined) say(`Next: countersign serve --dir ${dir}`);
  });
};

const otherMark = (file: string): Refused =>
  refuse(
    'ledger-elsewhere',
    'L28',
    `the mark \`${file}\` is one of another ledger`,
    { file },
    'name a file of its own; one mark belongs to one ledger',
  );

const markFrom = (note: string, { logKey }: { readonly logKey: Parameters<typeof verifyCheckpoint>[1] }) => {
  const checkpoint = verifyCheckpoint(note, logKey);
  if (!checkpoint.ok) throw new BrokenInvariant('a checkpoint was counted that nobody signed');
  return { checkpoint: note, size: checkpoint.value.size, root: checkpoint.value.root };
};
