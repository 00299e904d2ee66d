// SPDX-License-Identifier: Apache-2.0
import { rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import { StoreFailure, type LedgerStore, type StoredEntry } from '../ledger/store.ts';
import { bundleBytes, tileBytes, tilesOf, formatTilePath, tileWidth } from '../ledger/tiles.ts';
import { blobPath, checkpointPath, logKeyPath, type TilePlace } from './tile-place.ts';

export type Salvaged = {
  readonly entries: number;
  readonly size: number;
  readonly blobs: number;
  readonly root: string;
};
export type SalvageOptions = {
  readonly place: TilePlace;
  readonly store: LedgerStore;
  readonly tenant: string;
  /** As they are; they may be wrong. */
  readonly note: string | undefined;
  readonly logKey: string | undefined;
};

const noHash = '0'.repeat(64);
const mostBytes = 0xffff;
/** Empty pages in a row after which nothing more is looked for: a head may say anything. */
const emptyPages = 16;
const blobsAtOnce = 16;

/**
 * Writes all that can still be read of a damaged ledger into a new folder (INV4), for people to look at and to compare:
 * entries as they stand, beside the hashes they had when they were appended. Nothing of it is made to look sound.
 */
export const salvageTiles = async (options: SalvageOptions): Promise<Salvaged> => {
  const { place, store, tenant, note, logKey } = options;
  const slab = new MerkleSlab();
  let [entries, empty] = [0, 0];
  for (let from = 0; empty < emptyPages; from += tileWidth) {
    const page = await readEach(store, tenant, from);
    empty = page.size === 0 ? empty + 1 : 0;
    if (page.size === 0) continue;
    while (slab.size < from) await writeBundle(place, slab, new Map(), tileWidth);
    entries += page.size;
    const last = Math.max(...page.keys()) - from + 1;
    const isLast = last < tileWidth && !(await hasMore(store, tenant, from + tileWidth));
    await writeBundle(place, slab, page, isLast ? last : tileWidth);
  }
  for (const tile of tilesOf(slab.size))
    if (tile.level !== 'entries') await place.put(`tile/${formatTilePath(tile)}`, tileBytes(tile, slab.hashAt));
  const blobs = await writeBlobs(place, store, tenant);
  if (logKey !== undefined) await place.put(logKeyPath, Buffer.from(`${logKey}\n`));
  if (note !== undefined) await place.put(checkpointPath, Buffer.from(note));
  return { entries, size: slab.size, blobs, root: rootOf(slab.edge()) };
};

// One by one where a page cannot be read at once: a damaged page of a database hides many entries.
const readEach = async (store: LedgerStore, tenant: string, from: number): Promise<Map<number, StoredEntry>> => {
  const found = new Map<number, StoredEntry>();
  const take = async (start: number, end: number): Promise<boolean> => {
    try {
      for (const entry of await store.entries(tenant, start, end))
        if (entry.bytes instanceof Uint8Array && entry.bytes.length <= mostBytes) found.set(entry.index, entry);
      return true;
    } catch (error) {
      if (error instanceof StoreFailure) return false;
      throw error;
    }
  };
  if (!(await take(from, from + tileWidth)))
    for (let index = from; index < from + tileWidth; index += 1) await take(index, index + 1);
  return found;
};

const hasMore = async (store: LedgerStore, tenant: string, from: number): Promise<boolean> => {
  for (let page = 0; page < emptyPages; page += 1)
    if ((await readEach(store, tenant, from + page * tileWidth)).size > 0) return true;
  return false;
};

const writeBundle = async (
  place: TilePlace,
  slab: MerkleSlab,
  page: ReadonlyMap<number, StoredEntry>,
  width: number,
): Promise<void> => {
  const from = slab.size;
  const slots = Array.from({ length: width }, (_, at) => page.get(from + at));
  for (const slot of slots)
    slab.append(/^[0-9a-f]{64}$/.test(slot?.leafHash ?? '') ? (slot?.leafHash ?? noHash) : noHash);
  const path = `tile/${formatTilePath({ level: 'entries', index: from / tileWidth, width })}`;
  await place.put(path, bundleBytes(slots.map((slot) => slot?.bytes ?? Buffer.alloc(0))));
};

const writeBlobs = async (place: TilePlace, store: LedgerStore, tenant: string): Promise<number> => {
  let count = 0;
  for (let after = ''; ; ) {
    let page: Awaited<ReturnType<LedgerStore['blobs']>>;
    try {
      page = await store.blobs(tenant, after, blobsAtOnce);
    } catch (error) {
      if (error instanceof StoreFailure) return count;
      throw error;
    }
    for (const { digest, bytes } of page) {
      if (/^sha256:[0-9a-f]{64}$/.test(digest)) {
        await place.put(blobPath(digest), bytes);
        count += 1;
      }
      after = digest;
    }
    if (page.length < blobsAtOnce) return count;
  }
};
