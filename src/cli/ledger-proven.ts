// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { TileSupply } from '../app/copy-tiles.ts';
import { fsck } from '../app/fsck.ts';
import type { MarkKeeper } from '../app/mark.ts';
import { growTree } from '../app/grow-tree.ts';
import { standingOf, type Remembered, type Standing } from '../app/remembered.ts';
import type { SignedTree } from '../app/signed-tree.ts';
import { homeFolder } from '../client/home-file.ts';
import { openTrustStore } from '../client/trust-store.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { emptyRoot } from '../ledger/merkle.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { namedText } from '../lifecycle/named-texts.ts';
import { openLedgerSource, readIdentity, type LedgerIdentity, type LedgerSource } from './ledger-source.ts';
import { escaped, orFail, print, usage } from './output.ts';

/** A ledger that was looked at whole: every entry hashed and decided again, and its tree. */
export type Proven = {
  readonly identity: LedgerIdentity;
  readonly size: number;
  readonly root: string;
  readonly tree: SignedTree;
  readonly supply: TileSupply;
};

const wrong = (folder: string, index: number, what: string, help: string) =>
  refuse('ledger-damaged', 'L28', `\`${folder}\`, entry ${index}: ${what}`, { index }, help);

/**
 * Looks at all of a ledger; `pin` is the genesis that it has to begin with. The mark is not asked: it may be ahead. Of what
 * is copied from, an export or not, a signed checkpoint has to hold every entry; of one's own folder the end may be new.
 */
export const proveSource = async (
  folder: string,
  source: LedgerSource,
  pin: string | undefined,
  use: 'own' | 'copy',
): Promise<Result<Proven>> => {
  const identity = await readIdentity(source);
  if (!identity.ok) return identity;
  const { ledger, logKey, origin } = identity.value;
  if (pin !== undefined && pin !== ledger)
    return refuse(
      'pin-mismatch',
      'L28',
      `\`${folder}\` holds ledger \`${ledger}\`, not the pinned \`${pin}\``,
      { ledger, pin },
      'take the pin from a founder, never from whoever gave you the folder',
    );
  const { store, tenant } = source;
  // Texts of a copy are taken along; those of a data folder stay where they are, whatever they are.
  const texts = source.kind === 'export' ? { namesText: namedText } : {};
  const report = await fsck(store, tenant, lifecycle, logKey, { origin, ...texts });
  if (!report.ok) return report;
  const damage = report.value.damage ?? (await source.checkFiles?.(logKey));
  if (damage !== undefined && damage !== null)
    return wrong(folder, damage.index, damage.what, 'find a copy that is whole; nothing was written');
  const { entries: size, root, signedSize } = report.value;
  if (use === 'copy' && signedSize !== size)
    return wrong(
      folder,
      signedSize ?? 0,
      'it and what follows stand under no checkpoint that the log key signed',
      source.kind === 'export' ? 'fetch the checkpoint as well' : 'start its server once, or export it there',
    );
  const tree = await growTree(
    { name: folder, size: 0, root: emptyRoot, leafHashes: () => Promise.resolve([]) },
    (from, to) => store.leafHashes(tenant, from, to),
    { origin, size, root },
  );
  if (!tree.ok) return tree;
  const supply: TileSupply = {
    entries: (from, to) => store.entries(tenant, from, to),
    blob: (digest) => store.blob(tenant, digest),
  };
  return ok({ identity: identity.value, size, root, tree: tree.value, supply });
};

/** Opens a folder, works with it, and closes it, whatever happens. */
export const withSource = async <T>(
  folder: string,
  mark: string | undefined,
  work: (source: LedgerSource) => Promise<T>,
): Promise<T> => {
  const source = orFail(await openLedgerSource(folder, mark));
  try {
    return await work(source);
  } finally {
    await source.store.close();
  }
};

/** Checkpoints from files that people kept: a signed checkpoint, or a receipt, which ends with one. */
export const readRemembered = (files: readonly string[]): readonly Remembered[] =>
  files.map((file) => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return usage(`\`${file}\` cannot be read`, 'name a file that holds a signed checkpoint or a receipt');
    }
    const proof = parseTlogProof(text);
    const note = proof.ok ? proof.value.checkpoint : text;
    if (!readCheckpointNote(note).ok)
      return usage(
        `\`${file}\` holds neither a signed checkpoint nor a receipt`,
        'save one from /ledger/checkpoint, or name a tlog-proof',
      );
    return { what: file, note };
  });

/** What the mark says; nothing when there is none. */
export const markOf = (mark: MarkKeeper | undefined): readonly Remembered[] => {
  const read = orFail(mark?.read() ?? ok(undefined));
  return read === undefined ? [] : [{ what: 'the mark', note: read.checkpoint }];
};

/** What this machine has seen of the ledger as a client. */
export const ownMemory = (ledger: string): readonly Remembered[] => {
  const note = orFail(openTrustStore(homeFolder(process.env)).newest(ledger));
  return note === null ? [] : [{ what: 'what this machine has seen', note }];
};

export const standingsOf = (
  remembered: readonly Remembered[],
  { tree, size }: Pick<Proven, 'tree' | 'size'>,
  logKey: NoteVerifier,
): readonly Standing[] => remembered.map((one) => standingOf(one, tree, size, logKey));

/** For `--json`. */
export const reportOf = (standings: readonly Standing[]) =>
  standings.map(({ what, says, size, missing }) => ({ what, says, size, missing }));

const wordsOf = ({ says, size, missing }: Standing): string => {
  if (says === 'held') return `size ${size}: held`;
  if (says === 'behind') return `size ${size}: ${missing} entr${missing === 1 ? 'y is' : 'ies are'} missing`;
  if (says === 'forked') return `size ${size}: another history`;
  return 'nothing: the log key did not sign it';
};

export const tellStandings = (standings: readonly Standing[]): void => {
  for (const standing of standings) print(`  ${escaped(standing.what)}  ${wordsOf(standing)}`);
};

/** The largest that is signed and ahead; undefined when nothing is missing as far as anybody here remembers. */
export const furthest = (standings: readonly Standing[]): Standing | undefined =>
  standings.filter(({ says }) => says === 'behind').sort((a, b) => b.missing - a.missing)[0];

/** Refuses when a checkpoint that the log key signed says another history. */
export const refuseForks = (standings: readonly Standing[]): Result<null> => {
  const fork = standings.find(({ says }) => says === 'forked');
  if (fork === undefined) return ok(null);
  return refuse(
    'history-forked',
    'L28',
    `\`${fork.what}\` is a signed checkpoint of size ${fork.size} of another history of this ledger`,
    { size: fork.size },
    'nothing was written; show both to the ledger’s founders, for the log key signed two histories',
  );
};
