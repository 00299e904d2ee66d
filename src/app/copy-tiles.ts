// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { formatVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { verifyCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { parseEntry } from '../ledger/entry.ts';
import { emptyRoot, leafHash } from '../ledger/merkle.ts';
import type { StoredEntry } from '../ledger/store.ts';
import { bundleBytes, formatTilePath, hashesAt, readBundle, tileWidth, type Tile } from '../ledger/tiles.ts';
import { attachmentsNamed } from './sequencer-replay.ts';
import type { SignedTree } from './signed-tree.ts';
import { blobPath, checkpointPath, logKeyPath, type TilePlace } from './tile-place.ts';

/** What is copied from: entries and documents of a ledger, believed in nothing. */
export type TileSupply = {
  readonly entries: (from: number, to: number) => Promise<readonly StoredEntry[]>;
  readonly blob: (digest: string) => Promise<Uint8Array | undefined>;
};

export type CopyOptions = {
  readonly place: TilePlace;
  readonly supply: TileSupply;
  /** The tree that what is copied is held against; its root is held against the note. */
  readonly tree: Pick<SignedTree, 'tile' | 'rootAt'>;
  /** The signed checkpoint up to which is copied. */
  readonly note: string;
  readonly logKey: NoteVerifier;
  /** Keeps two notes that contradict each other, and tells where. */
  readonly keepEvidence: (notes: { readonly [name: string]: string }) => string;
};

export type Copied = { readonly from: number; readonly size: number; readonly root: string };

const damaged = (index: number, what: string): Refused =>
  refuse(
    'ledger-damaged',
    'L27',
    `entry ${index}: ${what}`,
    { index },
    'nothing of it is kept; look with `countersign ledger fsck`',
  );

/** The checkpoint that a place holds so far; undefined for one that holds none. Refuses one that the log key did not sign. */
export const checkpointOf = async (
  place: Pick<TilePlace, 'get' | 'name'>,
  logKey: NoteVerifier,
): Promise<Result<{ readonly checkpoint: Checkpoint; readonly note: string } | undefined>> => {
  const bytes = await place.get(checkpointPath);
  if (bytes === undefined) return ok(undefined);
  const note = Buffer.from(bytes).toString('utf8');
  const checkpoint = verifyCheckpoint(note, logKey);
  return checkpoint.ok ? ok({ checkpoint: checkpoint.value, note }) : checkpoint;
};

/**
 * Brings a ledger folder up to a signed checkpoint (SPEC L26, L27). Everything is held against the tree of that
 * checkpoint before it is written; a folder that holds one already is continued, if this one contains it; the
 * checkpoint is written last, so that whoever reads it finds all that it covers. What an interrupted copy left is used.
 */
export const copyTiles = async (options: CopyOptions): Promise<Result<Copied>> => {
  const { place, tree, note, logKey } = options;
  const target = verifyCheckpoint(note, logKey);
  if (!target.ok) return target;
  const { size, root } = target.value;
  const held = await checkpointOf(place, logKey);
  if (!held.ok) return held;
  const before = held.value?.checkpoint ?? { size: 0, root: emptyRoot };
  const notes = { 'copy.note': held.value?.note ?? '', 'shown.note': note };
  if (before.size > size) return shortened(options, notes, before.size, size);
  if (tree.rootAt(before.size) !== before.root) return forked(options, notes, before.size, size);
  if (tree.rootAt(size) !== root)
    return damaged(size, 'what stands before it is not what its checkpoint was signed for');
  for (let index = Math.floor(before.size / tileWidth); index * tileWidth < size; index += 1) {
    const written = await copyBundle(options, index, size, before.size);
    if (!written.ok) return written;
  }
  for (let level = 0; hashesAt(level, size) > 0; level += 1) {
    const written = await writeLevel(options, level, before.size, size);
    if (!written.ok) return written;
  }
  if (held.value === undefined) await place.put(logKeyPath, Buffer.from(`${formatVerifierKey(logKey)}\n`));
  if (held.value?.note !== note) await place.put(checkpointPath, Buffer.from(note));
  await dropPartials(place, before.size, size);
  return ok({ from: before.size, size, root });
};

const shortened = ({ place, keepEvidence }: CopyOptions, notes: Record<string, string>, had: number, size: number) => {
  const evidence = keepEvidence(notes);
  return refuse(
    'history-shortened',
    'L27',
    `\`${place.name}\` holds a checkpoint of size ${had}, and the ledger ends at ${size}: ${had - size} entries are missing`,
    { evidence, size, had },
    `both signed checkpoints are kept in \`${evidence}\`; put the missing entries back with \`countersign ledger restore\``,
  );
};

const forked = ({ place, keepEvidence }: CopyOptions, notes: Record<string, string>, had: number, size: number) => {
  const evidence = keepEvidence(notes);
  return refuse(
    'history-forked',
    'L27',
    `\`${place.name}\` holds another history: its checkpoint of size ${had} is no beginning of the ledger of size ${size}`,
    { evidence, size, had },
    `both signed checkpoints are kept in \`${evidence}\`: show them to the ledger's founders, for they prove it`,
  );
};

const hexOf = (bytes: Uint8Array, at: number): string =>
  Buffer.from(bytes.subarray(at * 32, at * 32 + 32)).toString('hex');

const copyBundle = async (options: CopyOptions, index: number, size: number, had: number): Promise<Result<null>> => {
  const { place, supply, tree } = options;
  const from = index * tileWidth;
  const tile: Tile = { level: 'entries', index, width: Math.min(tileWidth, size - from) };
  const hashes = tree.tile({ ...tile, level: 0 });
  if (hashes === undefined) return damaged(from, 'the tree does not hold it');
  const wrongAt = (entries: readonly Uint8Array[]): number => {
    for (let at = 0; at < tile.width; at += 1) {
      const entry = entries[at];
      if (entry === undefined || leafHash(entry) !== hexOf(hashes, at)) return at;
    }
    return -1;
  };
  // What an interrupted copy left, if it is right.
  const there = await place.get(`tile/${formatTilePath(tile)}`);
  const kept = there === undefined ? undefined : readBundle(tile, there);
  let entries = kept?.ok === true && wrongAt(kept.value) < 0 ? kept.value : undefined;
  if (entries === undefined) {
    const stored = await supply.entries(from, from + tile.width);
    entries = stored.map(({ bytes }) => bytes);
    const wrong = wrongAt(entries);
    if (wrong >= 0) return damaged(from + wrong, 'it is missing, or not what the signed tree says');
  }
  for (const [at, entry] of entries.entries()) {
    const copied = from + at < had ? ok(null) : await copyBlobs(place, supply, entry, from + at);
    if (!copied.ok) return copied;
  }
  return keep(place, tile, bundleBytes(entries));
};

const copyBlobs = async (
  place: TilePlace,
  supply: TileSupply,
  bytes: Uint8Array,
  index: number,
): Promise<Result<null>> => {
  const entry = parseEntry(bytes);
  for (const digest of entry.ok ? attachmentsNamed(entry.value.command) : []) {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) return damaged(index, `\`${digest.slice(0, 80)}\` is no digest`);
    const there = await place.get(blobPath(digest));
    if (there !== undefined && digestOf(there) === digest) continue;
    const blob = await supply.blob(digest);
    if (blob === undefined) return damaged(index, `its attachment \`${digest}\` is missing`);
    if (digestOf(blob) !== digest) return damaged(index, `its attachment \`${digest}\` was changed`);
    if (there !== undefined) return differs(place, blobPath(digest));
    await place.put(blobPath(digest), blob);
  }
  return ok(null);
};

const writeLevel = async (
  { place, tree }: CopyOptions,
  level: number,
  had: number,
  size: number,
): Promise<Result<null>> => {
  const count = hashesAt(level, size);
  for (let index = Math.floor(hashesAt(level, had) / tileWidth); index * tileWidth < count; index += 1) {
    const tile: Tile = { level, index, width: Math.min(tileWidth, count - index * tileWidth) };
    const bytes = tree.tile(tile);
    if (bytes === undefined) return damaged(index, 'the tree does not hold it');
    const kept = await keep(place, tile, bytes);
    if (!kept.ok) return kept;
  }
  return ok(null);
};

const differs = (place: TilePlace, path: string): Refused =>
  refuse(
    'resource-differs',
    'L26',
    `\`${path}\` in \`${place.name}\` holds other bytes than the ledger, and is never written over`,
    { path },
    'look with `countersign ledger verify` whether somebody changed it; a copy into a new folder is not affected',
  );

const keep = async (place: TilePlace, tile: Tile, bytes: Uint8Array): Promise<Result<null>> => {
  const path = `tile/${formatTilePath(tile)}`;
  const there = await place.get(path);
  if (there === undefined) await place.put(path, bytes);
  return there === undefined || Buffer.compare(there, bytes) === 0 ? ok(null) : differs(place, path);
};

// A partial tile may go once the full one is there (c2sp.org/tlog-tiles, Partial Tiles).
const dropPartials = async (place: TilePlace, had: number, size: number): Promise<void> => {
  for (const level of ['entries', 0, 1, 2, 3, 4, 5] as const) {
    const index = Math.floor(hashesAt(level, had) / tileWidth);
    if (hashesAt(level, size) < (index + 1) * tileWidth) continue;
    const full = `tile/${formatTilePath({ level, index, width: tileWidth })}`;
    for (const path of await place.list(`${full}.p/`)) await place.remove(path);
  }
};
