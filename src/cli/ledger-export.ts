// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { clearUnfinished, folderPlace } from '../adapters/files/folder-place.ts';
import { checkpointOf, copyTiles, type Copied, type TileSupply } from '../app/copy-tiles.ts';
import { growTree, type LeafHashes } from '../app/grow-tree.ts';
import { salvageTiles } from '../app/salvage-tiles.ts';
import type { TilePlace } from '../app/tile-place.ts';
import { readTiles } from '../app/tile-store.ts';
import { homeFolder } from '../client/home-file.ts';
import { ledgerFlag } from '../client/to-paste.ts';
import { openTrustStore } from '../client/trust-store.ts';
import { formatVerifierKey } from '../crypto/signed-note.ts';
import { refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { emptyRoot } from '../ledger/merkle.ts';
import { StoreFailure } from '../ledger/store.ts';
import { openLedgerSource, readIdentity, type LedgerIdentity, type LedgerSource } from './ledger-source.ts';
import { exitCodes, fail, orFail, printJson, say, warn } from './output.ts';

/** Where a copy comes from, once it is known which ledger it is. */
export type CopySource = {
  readonly identity: Pick<LedgerIdentity, 'ledger' | 'trial' | 'logKey'>;
  readonly note: string;
  readonly supply: TileSupply;
  readonly leafHashes: LeafHashes;
};

const holdsNothing = (folder: string): boolean => {
  try {
    return readdirSync(folder).length === 0;
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT';
  }
};

/** Writes or continues a ledger folder. Two notes that contradict each other are kept in the caller's home. */
export const copyInto = async (out: string, source: CopySource): Promise<Result<Copied>> => {
  const { identity, note, supply, leafHashes } = source;
  if (
    !holdsNothing(out) &&
    (await folderPlace(out).list('')).some((path) => !/^(checkpoint|log-key|(tile|blob)\/.*)$/.test(path))
  )
    return refuse(
      'folder-exists',
      'L26',
      `\`${out}\` holds other things than an export`,
      { out },
      'give a folder that does not exist yet, or an export to be continued',
    );
  await clearUnfinished(out);
  const place = folderPlace(out);
  const target = verifyCheckpoint(note, identity.logKey);
  if (!target.ok) return target;
  const held = await checkpointOf(place, identity.logKey);
  if (!held.ok) return held;
  const copy = readTiles(place);
  const { size, root } = held.value?.checkpoint ?? { size: 0, root: emptyRoot };
  const tree = await growTree(
    { leafHashes: (from, to) => copy.leafHashes('', from, to), size, root, name: out },
    leafHashes,
    target.value,
  );
  if (!tree.ok) return tree;
  const copied = await copyTiles({
    place,
    supply,
    tree: tree.value,
    note,
    logKey: identity.logKey,
    keepEvidence: (notes) => openTrustStore(homeFolder(process.env)).keepEvidence(identity.ledger, notes),
  });
  await clearUnfinished(out);
  return copied;
};

/** Says what was written. */
export const tellCopied = (out: string, { from, size, root }: Copied, trial: boolean, json: boolean): void => {
  if (json) return printJson({ folder: out, sound: true, from, entries: size, root, checkpoint: true });
  const news = from === 0 ? `${size} entries` : `entries ${from} to ${size - 1}`;
  if (from === size) say(`${out} is up to date: ${size} entries`);
  else say(`Wrote ${news} with their documents to ${out}, up to the checkpoint of size ${size}`);
  say(`Check it with: countersign ledger verify ${out} --pin … ${ledgerFlag(trial)}`);
};

/**
 * Writes what a ledger holds into a folder for somebody else, or brings such a folder up to date (FORMATS §12). It goes
 * on working while the ledger is damaged (INV4): then all that can be read is written into a new folder, and said so.
 */
export const exportLedger = async (
  folder: string,
  out: string,
  options: { readonly mark?: string; readonly pin?: string; readonly json: boolean },
): Promise<void> => {
  const fresh = holdsNothing(out);
  const source = orFail(await openLedgerSource(folder, options.mark));
  try {
    const identity = await readIdentity(source);
    if (identity.ok && options.pin !== undefined && options.pin !== identity.value.ledger)
      fail(anotherLedger(folder, identity.value.ledger, options.pin));
    const note = await newestNote(source);
    const copied = identity.ok ? await copyFrom(source, identity.value, note, out) : identity;
    if (copied.ok && identity.ok) {
      tellUnsigned(await source.store.head(source.tenant), copied.value.size);
      return tellCopied(out, copied.value, identity.value.trial, options.json);
    }
    if (copied.ok || !isDamage(copied) || !fresh) return void orFail(copied);
    await salvage(
      source,
      folderPlace(out),
      out,
      note,
      identity.ok ? formatVerifierKey(identity.value.logKey) : undefined,
      {
        why: copied.refusal.message,
        json: options.json,
      },
    );
  } finally {
    await source.store.close();
  }
};

const anotherLedger = (folder: string, ledger: string, pin: string): Refusal =>
  refuse(
    'pin-mismatch',
    'L27',
    `\`${folder}\` holds ledger \`${ledger}\`, not the pinned \`${pin}\``,
    { ledger, pin },
    'look at the folder, at `--pin` and at COUNTERSIGN_PIN',
  ).refusal;

// What is wrong with the ledger itself, and not with where it is copied to.
const isDamage = ({ refusal: { code } }: Refused): boolean =>
  !['resource-differs', 'folder-exists', 'store-full', 'store-io'].includes(code);

const guarded = async <T>(work: () => Promise<Result<T>>): Promise<Result<T>> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
};

const newestNote = async (source: LedgerSource): Promise<string | undefined> => {
  const mark = source.mark?.read();
  const marked = mark?.ok === true ? mark.value?.checkpoint : undefined;
  if (marked !== undefined) return marked;
  try {
    return await source.store.checkpoint(source.tenant);
  } catch (error) {
    if (error instanceof StoreFailure) return undefined;
    throw error;
  }
};

const copyFrom = async (
  { store, tenant }: LedgerSource,
  identity: LedgerIdentity,
  note: string | undefined,
  out: string,
): Promise<Result<Copied>> => {
  if (note === undefined)
    return refuse(
      'ledger-damaged',
      'L27',
      'no checkpoint of it is signed',
      {},
      'start its server once, or look at the mark',
    );
  return guarded(() =>
    copyInto(out, {
      identity,
      note,
      supply: {
        entries: (from, to) => store.entries(tenant, from, to),
        blob: (digest) => store.blob(tenant, digest),
      },
      leafHashes: (from, to) => store.leafHashes(tenant, from, to),
    }),
  );
};

const tellUnsigned = ({ size }: { readonly size: number }, signed: number): void => {
  if (size > signed)
    warn(
      `${size - signed} entries behind the newest checkpoint are signed by nobody yet and were left out; start the server once to have them signed`,
    );
};

const salvage = async (
  { store, tenant }: LedgerSource,
  place: TilePlace,
  out: string,
  note: string | undefined,
  logKey: string | undefined,
  { why, json }: { readonly why: string; readonly json: boolean },
): Promise<void> => {
  // A first try may have left tiles; a folder that was made for this holds nothing else.
  for (const path of await place.list('')) await place.remove(path);
  const { entries, size, blobs, root } = await salvageTiles({ place, store, tenant, note, logKey });
  await clearUnfinished(out);
  process.exitCode = exitCodes.verificationFailed;
  if (json)
    return printJson({ folder: out, sound: false, entries, size, blobs, root, checkpoint: note !== undefined, why });
  warn(`the ledger is damaged: ${why}`);
  say(`Wrote all that can be read to ${out}: ${entries} of ${size} entries, ${blobs} blobs. It is no backup.`);
};
