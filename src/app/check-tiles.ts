// SPDX-License-Identifier: Apache-2.0
import { leafHash, nodeHash } from '../ledger/merkle.ts';
import { parseEntry } from '../ledger/entry.ts';
import { StoreFailure } from '../ledger/store.ts';
import {
  formatTilePath,
  hashesAt,
  holdsTile,
  parseTilePath,
  readBundle,
  readTile,
  tileWidth,
  type Tile,
} from '../ledger/tiles.ts';
import { attachmentsNamed, type Damage } from './sequencer-replay.ts';
import { blobPath, checkpointPath, logKeyPath, type TileSource } from './tile-place.ts';
import { findTile, sizeOfTiles } from './tile-store.ts';

const pathOf = (tile: Tile): string => `tile/${formatTilePath(tile)}`;

/** Root of a full tile, from its 256 hashes. */
const rootOfTile = (hashes: readonly string[]): string => {
  let level = hashes;
  while (level.length > 1)
    level = Array.from({ length: level.length / 2 }, (_, at) => nodeHash(level[2 * at] ?? '', level[2 * at + 1] ?? ''));
  return level[0] ?? '';
};

/**
 * Looks at what a replay does not need (SPEC L26): that bundles and tiles of all levels say the same, and that nothing
 * lies there which does not belong. Names the first resource that is wrong. Holds a bundle and a row of hashes for each
 * level, never the ledger. The checkpoint's signature, the documents' digests and the entries' meaning are for `fsck`.
 */
export const checkTiles = async (source: TileSource, logKey: string | undefined): Promise<Damage | undefined> => {
  try {
    return await check(source, logKey);
  } catch (error) {
    if (error instanceof StoreFailure && error.refusal.code === 'store-corrupt')
      return { index: 0, what: error.refusal.message };
    throw error;
  }
};

const check = async (source: TileSource, logKey: string | undefined): Promise<Damage | undefined> => {
  const size = await sizeOfTiles(source);
  const rows: string[][] = [[]];
  const named = new Set<string>();
  for (let index = 0; index * tileWidth < size; index += 1) {
    const tile: Tile = { level: 'entries', index, width: Math.min(tileWidth, size - index * tileWidth) };
    const hashes = await leavesOf(source, tile, named);
    const wrong = 'what' in hashes ? hashes : await climb(source, rows, hashes, index, size);
    if (wrong !== undefined) return wrong;
  }
  for (const [level, row] of rows.entries()) {
    if (row.length === 0) continue;
    const index = Math.floor(hashesAt(level, size) / tileWidth);
    const wrong = await compare(source, { level, index, width: row.length }, row);
    if (wrong !== undefined) return wrong;
  }
  return checkRest(source, size, named, logKey);
};

const leavesOf = async (source: TileSource, tile: Tile, named: Set<string>): Promise<readonly string[] | Damage> => {
  const index = tile.index * tileWidth;
  const bytes = await source.get(pathOf(tile));
  if (bytes === undefined) return endOf(source, tile);
  const entries = readBundle(tile, bytes);
  if (!entries.ok) return { index, what: entries.refusal.message };
  for (const entry of entries.value) {
    const parsed = parseEntry(entry);
    if (parsed.ok) for (const digest of attachmentsNamed(parsed.value.command)) named.add(digest);
  }
  return entries.value.map((entry) => leafHash(entry));
};

// An end that was lost is named by the first entry that is not there.
const endOf = async (source: TileSource, tile: Tile): Promise<Damage> => {
  const left = (await findTile(source, tile))?.tile.width ?? 0;
  const index = tile.index * tileWidth + (left < tile.width ? left : 0);
  return { index, what: `it is missing: there is no bundle \`${pathOf(tile)}\`` };
};

// Takes the hashes of one bundle up the levels, as far as tiles are filled by them.
const climb = async (
  source: TileSource,
  rows: string[][],
  leaves: readonly string[],
  bundle: number,
  size: number,
): Promise<Damage | undefined> => {
  const wrong = await compare(
    source,
    { level: 0, index: bundle, width: Math.min(tileWidth, size - bundle * tileWidth) },
    leaves,
  );
  if (wrong !== undefined || leaves.length < tileWidth) return wrong;
  let [hash, index] = [rootOfTile(leaves), bundle];
  for (let level = 1; ; level += 1) {
    const row = (rows[level] ??= []);
    row.push(hash);
    if (row.length < tileWidth) return undefined;
    index = Math.floor(index / tileWidth);
    const above = await compare(source, { level, index, width: tileWidth }, row);
    if (above !== undefined) return above;
    hash = rootOfTile(row);
    row.length = 0;
  }
};

const compare = async (source: TileSource, tile: Tile, hashes: readonly string[]): Promise<Damage | undefined> => {
  const perHash = tileWidth ** (tile.level === 'entries' ? 0 : tile.level);
  const first = tile.index * tileWidth * perHash;
  const path = pathOf(tile);
  const bytes = await source.get(path);
  if (bytes === undefined) return { index: first, what: `tile \`${path}\` is missing` };
  const read = readTile(tile, bytes);
  if (!read.ok) return { index: first, what: read.refusal.message };
  const at = read.value.findIndex((hash, place) => hash !== hashes[place]);
  if (at < 0) return undefined;
  const what =
    tile.level === 0
      ? `it does not hash to what tile \`${path}\` says of it`
      : `tile \`${path}\` does not follow from the tiles below it`;
  return { index: first + at * perHash, what };
};

const checkRest = async (
  source: TileSource,
  size: number,
  named: ReadonlySet<string>,
  logKey: string | undefined,
): Promise<Damage | undefined> => {
  const blobs = new Set([...named].map(blobPath));
  for (const path of await source.list('')) {
    const stranger = { index: size, what: `\`${path}\` does not belong there` };
    if (path === checkpointPath) continue;
    if (path === logKeyPath) {
      const text = Buffer.from((await source.get(path)) ?? '').toString('utf8');
      if (logKey !== undefined && text !== `${logKey}\n`)
        return { index: size, what: '`log-key` is not the key that the genesis names' };
    } else if (path.startsWith('blob/')) {
      if (!blobs.has(path)) return { ...stranger, what: `no entry names \`${path}\`` };
    } else if (path.startsWith('tile/')) {
      const tile = parseTilePath(path.slice('tile/'.length));
      if (!tile.ok || !holdsTile(tile.value, size)) return stranger;
      if (!(await isBeginning(source, tile.value, size)))
        return { index: tile.value.index, what: `\`${path}\` is not the beginning of the tile that took its place` };
    } else return stranger;
  }
  return undefined;
};

// A partial tile of an earlier size: the one of now begins with its bytes, and was looked at.
const isBeginning = async (source: TileSource, tile: Tile, size: number): Promise<boolean> => {
  const width = Math.min(tileWidth, hashesAt(tile.level, size) - tile.index * tileWidth);
  if (width === tile.width) return true;
  const [earlier, now] = [await source.get(pathOf(tile)), await source.get(pathOf({ ...tile, width }))];
  if (earlier === undefined || now === undefined) return false;
  const whole = tile.level === 'entries' ? readBundle(tile, earlier).ok : readTile(tile, earlier).ok;
  return whole && Buffer.compare(earlier, now.subarray(0, earlier.length)) === 0;
};
