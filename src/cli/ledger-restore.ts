// SPDX-License-Identifier: Apache-2.0
import { appendSigned } from '../app/append-signed.ts';
import type { Remembered } from '../app/remembered.ts';
import { takeTexts, type TakenTexts } from '../app/take-texts.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { mirrorPlace, rememberedBy } from '../server/ledger-mirror.ts';
import { readServerConfig } from '../server/server-config.ts';
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
  type Proven,
} from './ledger-proven.ts';
import { textsOf, type LedgerSource } from './ledger-source.ts';
import { exitCodes, orFail, print, printJson, say, styledOut, usage, warn } from './output.ts';

export type RestoreOptions = {
  readonly from?: string;
  readonly pin?: string;
  readonly mark?: string;
  readonly remembered?: readonly string[];
  readonly json: boolean;
};

/**
 * `ledger restore`: says what a data folder lacks of what its key ever signed, as far as anybody here remembers; and
 * with `--from` puts the missing entries back out of a copy, each held against the signed tree (SPEC L28), and texts.
 */
export const restoreLedger = async (dir: string, options: RestoreOptions): Promise<void> => {
  const given = readRemembered(options.remembered ?? []);
  await withSource(dir, options.mark, async (source) => {
    if (source.kind !== 'data folder')
      usage(`\`${dir}\` is a copy of a ledger`, 'name the data folder of a stopped server; `ledger import` makes one');
    const held = orFail(wholeOr(dir, await proveSource(dir, source, options.pin, 'own')));
    const known = [...markOf(source.mark), ...(await mirrorOf(dir)), ...given, ...ownMemory(held.identity.ledger)];
    const { from } = options;
    const { back, texts } =
      from === undefined
        ? { back: held, texts: { taken: 0, erasedThere: 0 } }
        : await withSource(from, undefined, async (copy) => ({
            back: await putBack(source, held, from, copy, known),
            texts: await takeTexts(source.store, source.tenant, textsOf(copy)),
          }));
    const standings = standingsOf(known, back, held.identity.logKey);
    orFail(refuseForks(standings));
    tell(dir, { held, back, texts }, standings, options);
  });
};

// What the server itself would ask at its start.
const mirrorOf = async (dir: string): Promise<readonly Remembered[]> => {
  const { mirror } = orFail(readServerConfig(dir));
  return mirror === undefined
    ? []
    : (await rememberedBy(mirrorPlace(mirror))).map(({ note }) => ({ what: `the mirror ${mirror}`, note }));
};

// Entries are only appended here. Where one in the middle is wrong, the whole ledger has to come from elsewhere.
const wholeOr = (dir: string, proven: Result<Proven>): Result<Proven> =>
  proven.ok || proven.refusal.code !== 'ledger-damaged'
    ? proven
    : refuse(
        'ledger-damaged',
        'L28',
        proven.refusal.message,
        proven.refusal.facts,
        `only a missing end can be put back; make a new folder with \`countersign ledger import COPY NEW\`, then take \`log.key\` and your settings over from \`${dir}\``,
      );

const putBack = async (
  source: LedgerSource,
  held: Proven,
  from: string,
  copy: LedgerSource,
  known: readonly Remembered[],
): Promise<Proven> => {
  const proven = orFail(await proveSource(from, copy, held.identity.ledger, 'copy'));
  if (proven.size <= held.size) {
    if (held.tree.rootAt(proven.size) !== proven.root) orFail(refuseForks([forkOf(from, proven.size)]));
    return held;
  }
  // What others remember is asked before anything is written.
  orFail(refuseForks(standingsOf(known, proven, held.identity.logKey)));
  const { store, tenant, mark } = source;
  orFail(await appendSigned({ store, tenant, supply: proven.supply, tree: proven.tree, size: proven.size }));
  const note = (await copy.store.checkpoint(copy.tenant)) ?? '';
  await store.putCheckpoint(tenant, note);
  const marked = orFail(mark?.read() ?? ok(undefined));
  // The mark is never set back: what it says beyond this is still missing.
  if ((marked?.size ?? 0) < proven.size) await mark?.write({ checkpoint: note, size: proven.size, root: proven.root });
  return proven;
};

const forkOf = (what: string, size: number) => ({ what, size, says: 'forked' as const, missing: 0, note: '' });

const tell = (
  dir: string,
  { held, back, texts }: { readonly held: Proven; readonly back: Proven; readonly texts: TakenTexts },
  standings: ReturnType<typeof standingsOf>,
  { from, json }: RestoreOptions,
): void => {
  const ahead = furthest(standings);
  if (texts.erasedThere > 0)
    warn(`${texts.erasedThere} texts are kept in ${dir} that were erased in ${from}; erase them with \`ledger erase\``);
  if (ahead !== undefined) process.exitCode = exitCodes.verificationFailed;
  const restored = back.size - held.size;
  if (json)
    return printJson({
      dir,
      entries: back.size,
      restored,
      texts: texts.taken,
      missing: ahead?.missing ?? 0,
      standings: reportOf(standings),
    });
  const word =
    ahead === undefined ? styledOut(['green', 'bold'], 'complete') : styledOut(['red', 'bold'], 'incomplete');
  const news = restored === 0 ? '' : `, ${restored} of them put back from ${from}`;
  print(`${word}: ${back.size} entries in ${dir}${news}`);
  tellStandings(standings);
  if (texts.taken > 0) say(`${texts.taken} texts of reasons and comments were put back from ${from}.`);
  if (ahead !== undefined)
    say(
      `${ahead.missing} entr${ahead.missing === 1 ? 'y is' : 'ies are'} missing. Put back what is missing from a mirror or an export: countersign ledger restore --dir ${dir} --from COPY`,
    );
  else if (standings.length === 0)
    say('Nothing was there to compare it with: --remembered takes checkpoints and receipts that people kept.');
};
