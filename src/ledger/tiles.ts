// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { nodeHash } from './merkle.ts';
import type { HashAt } from './proof.ts';

/**
 * A log as static resources (c2sp.org/tlog-tiles): its tree in tiles of 256 hashes, its entries in bundles of 256.
 *
 *     tile/0/x001/x234/067          full tile of leaf hashes, 8192 bytes
 *     tile/1/000.p/17               the first 17 hashes above full tiles
 *     tile/entries/000.p/112        112 entries, each behind its length
 *
 * `width` is 256 for a full tile and 1 to 255 for a partial one, which only grows.
 */
export type Tile = { readonly level: number | 'entries'; readonly index: number; readonly width: number };

export const tileWidth = 256;
const maxLevel = 63;
const hashBytes = 32;

/** Said of a path that names no tile, and of a tile that the tree does not hold. */
export const tileUnknown = (path: string): Refused =>
  refuse(
    'tile-unknown',
    'L13',
    `there is no tile \`${path.slice(0, 80)}\` under the newest checkpoint`,
    { path: path.slice(0, 80) },
    'compute its path from the size of the newest checkpoint (c2sp.org/tlog-tiles)',
  );

/** `x001/x234/067` for 1234067; no two texts name one index. */
const formatIndex = (index: number): string => {
  let text = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    text = `x${String(rest % 1000).padStart(3, '0')}/${text}`;
  return text;
};

const pathForm = /^(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The path behind `<prefix>/tile/`. */
export const formatTilePath = ({ level, index, width }: Tile): string => {
  const known = level === 'entries' || (Number.isSafeInteger(level) && level >= 0 && level <= maxLevel);
  if (!known || !Number.isSafeInteger(index) || index < 0 || !(width >= 1 && width <= tileWidth))
    throw new BrokenInvariant('a tile that has no path');
  return `${level}/${formatIndex(index)}${width === tileWidth ? '' : `.p/${width}`}`;
};

/** Reads a path as strictly as it is written: there is one path for one tile. */
export const parseTilePath = (path: string): Result<Tile> => {
  const [, first = '', elements = '', partial] = (path.length <= 64 && pathForm.exec(path)) || [];
  if (elements === '') return tileUnknown(path);
  const level = first === 'entries' ? 'entries' : Number(first);
  const index = Number(elements.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? tileWidth : Number(partial);
  const whole = level === 'entries' || level <= maxLevel;
  if (!whole || !Number.isSafeInteger(index) || (partial !== undefined && width >= tileWidth)) return tileUnknown(path);
  return formatIndex(index) === elements ? ok({ level, index, width }) : tileUnknown(path);
};

/** Hashes that a tree of this size has at a level of tiles; entries lie as leaves do. */
export const hashesAt = (level: Tile['level'], size: number): number =>
  Math.floor(size / tileWidth ** (level === 'entries' ? 0 : level));

/** Whether a tree of this size holds all of the tile. */
export const holdsTile = ({ level, index, width }: Tile, size: number): boolean =>
  index * tileWidth + width <= hashesAt(level, size);

/** All tiles of a tree of this size, bundles too: what a mirror fetches. */
export const tilesOf = function* (size: number): IterableIterator<Tile> {
  for (const level of ['entries', ...Array(maxLevel + 1).keys()] as const) {
    const hashes = hashesAt(level, size);
    for (let index = 0; index * tileWidth < hashes; index += 1)
      yield { level, index, width: Math.min(tileWidth, hashes - index * tileWidth) };
  }
};

/** Bytes of a tile of hashes. The tree must hold it. */
export const tileBytes = ({ level, index, width }: Tile, hashAt: HashAt): Uint8Array => {
  if (level === 'entries') throw new BrokenInvariant('a bundle of entries is no tile of hashes');
  const bytes = Buffer.alloc(width * hashBytes);
  for (let at = 0; at < width; at += 1)
    if (bytes.write(hashAt(8 * level, index * tileWidth + at), at * hashBytes, 'hex') !== hashBytes)
      throw new BrokenInvariant('a tile holds something that is no hash');
  return bytes;
};

/** The hashes in a tile's bytes, in hex. Refuses a tile of another length. */
export const readTile = (tile: Tile, bytes: Uint8Array): Result<readonly string[]> => {
  if (bytes.length !== tile.width * hashBytes) return malformed(tile, `it has ${bytes.length} bytes`);
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return ok(Array.from({ length: tile.width }, (_, at) => hex.slice(at * 2 * hashBytes, (at + 1) * 2 * hashBytes)));
};

const maxEntry = 0xffff;

/** A bundle: each entry behind its length, a big-endian uint16. */
export const bundleBytes = (entries: readonly Uint8Array[]): Uint8Array => {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > maxEntry) throw new BrokenInvariant(`an entry of ${entry.length} bytes fits no bundle`);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
};

/** The entries in a bundle's bytes. Refuses one that holds more or fewer than its path says, or ends within one. */
export const readBundle = (tile: Tile, bytes: Uint8Array): Result<readonly Uint8Array[]> => {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (at + 2 + length > bytes.length || entries.length === tile.width)
      return malformed(tile, 'it ends within an entry, or holds too many');
    entries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return entries.length === tile.width ? ok(entries) : malformed(tile, `it holds ${entries.length} entries`);
};

const malformed = (tile: Tile, why: string): Refused =>
  refuse(
    'tile-malformed',
    'L13',
    `tile \`${formatTilePath(tile)}\` is malformed: ${why}`,
    { tile: formatTilePath(tile) },
    'fetch it again; if it stays so, whoever serves it has changed it',
  );

/**
 * Where a node of a tree of this size lies: in which tile, how many levels above the tile's hashes, and above which of
 * them, counted from the tile's first.
 */
export const tileAt = (
  level: number,
  index: number,
  size: number,
): { readonly tile: Tile; readonly inTile: number; readonly first: number } => {
  const inTile = level % 8;
  const tileLevel = (level - inTile) / 8;
  const start = index * 2 ** inTile;
  const tileIndex = Math.floor(start / tileWidth);
  const width = Math.min(tileWidth, hashesAt(tileLevel, size) - tileIndex * tileWidth);
  return { tile: { level: tileLevel, index: tileIndex, width }, inTile, first: start - tileIndex * tileWidth };
};

/**
 * Looks up nodes of a tree in its tiles, so that any proof can be computed from them:
 *
 *     const hashAt = hashesFromTiles((tile) => hashes.get(formatTilePath(tile)), size);
 *     const root = rootOf(edgeOf(size, hashAt));
 *
 * Throws for a tile that is not given. What it finds proves nothing before the root is compared with a checkpoint.
 */
export const hashesFromTiles =
  (hashesIn: (tile: Tile) => readonly string[] | undefined, size: number): HashAt =>
  (level, index) => {
    const { tile, inTile, first } = tileAt(level, index, size);
    const hashes = hashesIn(tile);
    if (hashes === undefined) throw new BrokenInvariant(`tile ${formatTilePath(tile)} was not given`);
    const rootFrom = (from: number, count: number): string => {
      if (count === 1) {
        const hash = hashes[from];
        if (hash === undefined) throw new BrokenInvariant(`tile ${formatTilePath(tile)} holds too few hashes`);
        return hash;
      }
      return nodeHash(rootFrom(from, count / 2), rootFrom(from + count / 2, count / 2));
    };
    return rootFrom(first, 2 ** inTile);
  };
