// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import { refuse, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { parseEntry } from '../ledger/entry.ts';
import { emptyEdge, rootOf, type Edge } from '../ledger/merkle.ts';
import { edgeOf } from '../ledger/proof.ts';
import {
  StoreFailure,
  type Erasure,
  type LedgerHead,
  type LedgerStore,
  type StoredBlob,
  type StoredEntry,
} from '../ledger/store.ts';
import {
  formatTilePath,
  hashesAt,
  hashesFromTiles,
  readBundle,
  readTile,
  tileWidth,
  type Tile,
} from '../ledger/tiles.ts';
import { readErasure, readOpening } from './text-files.ts';
import { blobPath, checkpointPath, erasedPath, openingPath, type TileSource } from './tile-place.ts';

/** What may be asked of a ledger that lies in tiles: everything that needs no writing. */
export type TileReader = Pick<LedgerStore, 'head' | 'entries' | 'leafHashes' | 'blob' | 'blobs' | 'checkpoint'>;
type TextReader = Pick<LedgerStore, 'opening' | 'openings' | 'erasure' | 'erasures'>;

/** One past the last entry: what the checkpoint says, or without a readable one what lies there. */
export const sizeOfTiles = async (source: TileSource): Promise<number> => {
  const note = await source.get(checkpointPath);
  const checkpoint = note === undefined ? undefined : readCheckpointNote(Buffer.from(note).toString('utf8'));
  if (checkpoint?.ok === true) return checkpoint.value.size;
  let size = 0;
  for (const path of await source.list('tile/entries/')) {
    const [, elements = '', width] = /^tile\/entries\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
    if (elements === '') continue;
    size = Math.max(size, Number(elements.replaceAll(/[x/]/g, '')) * tileWidth + Number(width ?? tileWidth));
  }
  return size;
};

const corrupt = (message: string, help = 'fetch it again, or put back the right file'): StoreFailure =>
  new StoreFailure(refuse('store-corrupt', 'L26', message, {}, help).refusal, 'nothing-written');

const readOrThrow = <T>(read: Result<T>): T => {
  if (read.ok) return read.value;
  throw corrupt(read.refusal.message, read.refusal.help);
};

/**
 * Finds a tile of at least this width. A full one may have taken the place of a partial one in between
 * (c2sp.org/tlog-tiles, Partial Tiles); in a folder whose end was lost, a smaller one says what is left.
 */
export const findTile = async (
  source: TileSource,
  tile: Tile,
): Promise<{ readonly tile: Tile; readonly bytes: Uint8Array } | undefined> => {
  const full = { ...tile, width: tileWidth };
  for (const wanted of tile.width === tileWidth ? [full] : [tile, full]) {
    const bytes = await source.get(`tile/${formatTilePath(wanted)}`);
    if (bytes !== undefined) return { tile: wanted, bytes };
  }
  const partials = await source.list(`tile/${formatTilePath(full)}.p/`);
  const width = Math.max(0, ...partials.map((path) => Number(/\/([1-9]\d{0,2})$/.exec(path)?.[1] ?? 0)));
  if (width === 0 || width >= tileWidth) return undefined;
  const widest = { ...tile, width };
  const bytes = await source.get(`tile/${formatTilePath(widest)}`);
  return bytes === undefined ? undefined : { tile: widest, bytes };
};

/** Reads a ledger folder as it stands. Nothing of it is believed: it is looked at like any other store. */
export const readTiles = (source: TileSource): TileReader => {
  let known: Promise<number> | undefined;
  const size = (): Promise<number> => (known ??= sizeOfTiles(source));
  let digests: Promise<readonly string[]> | undefined;
  // What was read last: entries are asked for in order, a page at a time.
  let bundle: { readonly index: number; readonly entries: readonly Uint8Array[] } | undefined;
  let leaves: { readonly index: number; readonly hashes: readonly string[] } | undefined;
  const widthOf = async (index: number): Promise<number> => {
    const left = (await size()) - index * tileWidth;
    return left >= tileWidth || left <= 0 ? tileWidth : left;
  };
  const entriesIn = async (index: number): Promise<readonly Uint8Array[]> => {
    if (bundle?.index === index) return bundle.entries;
    const found = await findTile(source, { level: 'entries', index, width: await widthOf(index) });
    bundle = { index, entries: found === undefined ? [] : readOrThrow(readBundle(found.tile, found.bytes)) };
    return bundle.entries;
  };
  const hashesIn = async (index: number): Promise<readonly string[]> => {
    if (leaves?.index === index) return leaves.hashes;
    const wanted: Tile = { level: 0, index, width: await widthOf(index) };
    const found = await findTile(source, wanted);
    if (found === undefined) throw corrupt(`tile \`${formatTilePath(wanted)}\` is missing`);
    leaves = { index, hashes: readOrThrow(readTile(found.tile, found.bytes)) };
    return leaves.hashes;
  };
  const entries = async (from: number, to: number): Promise<readonly StoredEntry[]> => {
    const found: StoredEntry[] = [];
    for (let index = Math.floor(from / tileWidth); index * tileWidth < to; index += 1) {
      const inBundle = await entriesIn(index);
      if (inBundle.length === 0) break;
      const hashes = await hashesIn(index);
      for (
        let at = Math.max(0, from - index * tileWidth);
        at < Math.min(inBundle.length, to - index * tileWidth);
        at += 1
      ) {
        const bytes = inBundle[at] ?? Buffer.alloc(0);
        // No entry is empty: there stands one that whoever wrote the folder could not read.
        if (bytes.length > 0) found.push({ index: index * tileWidth + at, bytes, leafHash: hashes[at] ?? '' });
      }
    }
    return found;
  };
  const head = async (): Promise<LedgerHead> => {
    const edge = await edgeIn(source, await size());
    const [last] = edge.size === 0 ? [] : await entries(edge.size - 1, edge.size);
    return { size: edge.size, root: rootOf(edge), edge, time: last === undefined ? null : timeOf(last) };
  };
  return {
    head,
    entries: (_, from, to) => entries(from, to),
    leafHashes: async (_, from, to) => {
      const found: string[] = [];
      for (let index = Math.floor(from / tileWidth); index * tileWidth < to; index += 1)
        found.push(...(await hashesIn(index)).slice(Math.max(0, from - index * tileWidth), to - index * tileWidth));
      return found;
    },
    blob: (_, digest) => source.get(blobPath(digest)),
    blobs: async (_, after, limit) => {
      digests ??= digestsIn(source, 'blob/');
      const all = await digests;
      const start = firstAfter(all, after);
      const page: StoredBlob[] = [];
      for (const digest of all.slice(start, start + limit))
        page.push({ digest, bytes: (await source.get(blobPath(digest))) ?? Buffer.alloc(0) });
      return page;
    },
    checkpoint: async () => {
      const note = await source.get(checkpointPath);
      return note === undefined ? undefined : Buffer.from(note).toString('utf8');
    },
  };
};

const readTexts = (source: TileSource): TextReader => {
  const read = async <T>(
    path: string,
    parse: (path: string, bytes: Uint8Array) => Result<T>,
  ): Promise<T | undefined> => {
    const bytes = await source.get(path);
    return bytes === undefined ? undefined : readOrThrow(parse(path, bytes));
  };
  const opening = (commitment: string) => read(openingPath(commitment), readOpening);
  const erasure = async (commitment: string): Promise<Erasure | undefined> => {
    const erased = await read(erasedPath(commitment), readErasure);
    return erased === undefined ? undefined : { commitment, ...erased };
  };
  const pages = <T>(folder: string, get: (commitment: string) => Promise<T | undefined>) => {
    let commitments: Promise<readonly string[]> | undefined;
    return async (_: string, after: string, limit: number): Promise<readonly T[]> => {
      commitments ??= digestsIn(source, folder);
      const all = await commitments;
      const start = firstAfter(all, after);
      const page = await Promise.all(all.slice(start, start + limit).map(get));
      return page.filter((text) => text !== undefined);
    };
  };
  return {
    opening: (_, commitment) => opening(commitment),
    openings: pages('opening/', async (commitment) => {
      const found = await opening(commitment);
      return found === undefined ? undefined : { commitment, opening: found };
    }),
    erasure: (_, commitment) => erasure(commitment),
    erasures: pages('erased/', erasure),
  };
};

const digestsIn = async (source: TileSource, folder: string): Promise<readonly string[]> =>
  (await source.list(folder))
    .map((path) => `sha256:${path.slice(folder.length)}`)
    .filter((digest) => /^sha256:[0-9a-f]{64}$/.test(digest))
    .sort();

const firstAfter = (sorted: readonly string[], after: string): number => {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((sorted[middle] ?? '') > after) high = middle;
    else low = middle + 1;
  }
  return low;
};

const timeOf = ({ bytes }: StoredEntry): Instant | null => {
  const entry = parseEntry(bytes);
  return entry.ok ? entry.value.time : null;
};

// The edge lies in the last, partial tile of each level.
const edgeIn = async (source: TileSource, size: number): Promise<Edge> => {
  if (size === 0) return emptyEdge;
  const tiles = new Map<number, readonly string[]>();
  for (let level = 0; hashesAt(level, size) > 0; level += 1) {
    const count = hashesAt(level, size);
    const width = count % tileWidth;
    if (width === 0) continue;
    const tile: Tile = { level, index: Math.floor(count / tileWidth), width };
    const found = await findTile(source, tile);
    if (found === undefined || found.tile.width < width) throw corrupt(`tile \`${formatTilePath(tile)}\` is missing`);
    tiles.set(level, readOrThrow(readTile(found.tile, found.bytes)));
  }
  return edgeOf(
    size,
    hashesFromTiles(({ level }) => (level === 'entries' ? undefined : tiles.get(level)), size),
  );
};

const readOnly = (): Promise<never> =>
  Promise.reject(
    new StoreFailure(
      refuse(
        'store-io',
        'L26',
        'a ledger folder is only read; nothing is appended to it',
        {},
        'make a data folder of it with `countersign ledger import`',
      ).refusal,
      'nothing-written',
    ),
  );

/** The same as a store that takes nothing; views and holds are no part of a ledger folder. */
export const tileStore = (source: TileSource): LedgerStore => ({
  ...readTiles(source),
  ...readTexts(source),
  batch: readOnly,
  putCheckpoint: readOnly,
  putOpening: readOnly,
  eraseOpening: readOnly,
  putErasure: readOnly,
  holds: () => Promise.resolve([]),
  putHold: readOnly,
  liftHold: readOnly,
  viewRow: () => Promise.resolve(undefined),
  viewRows: () => Promise.resolve([]),
  writeViews: readOnly,
  claimRow: readOnly,
  clearView: readOnly,
  cursor: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
});
