// SPDX-License-Identifier: Apache-2.0
import type { Client } from '../client/connect.ts';
import { refuse, type Refusal, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { edgeOf } from '../ledger/proof.ts';
import { StoreFailure, type LedgerHead, type LedgerStore, type StoredEntry } from '../ledger/store.ts';
import { formatTilePath, hashesFromTiles, readBundle, readTile, tileWidth, type Tile } from '../ledger/tiles.ts';
import type { LedgerSource } from './ledger-source.ts';

const onlyRead = (): Promise<never> =>
  Promise.reject(
    new StoreFailure(
      refuse(
        'ledger-unavailable',
        'L13',
        "a server's ledger is only read from here",
        {},
        'look at the data folder of the stopped server instead',
      ).refusal,
      'nothing-written',
    ),
  );

const aboutTheLedger: readonly string[] = ['tile-malformed', 'tile-unknown', 'ledger-damaged', 'entry-unknown'];

/** Ends the look without a finding: nothing was learned of the ledger. */
class NotFetched extends Error {
  override readonly name = 'NotFetched';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

const orThrow = <T>(result: Result<T>): T => {
  if (result.ok) return result.value;
  const { refusal } = result;
  throw aboutTheLedger.includes(refusal.code) ? new StoreFailure(refusal, 'nothing-written') : new NotFetched(refusal);
};

/**
 * A running server's ledger as a stranger sees it: tiles, entry bundles, documents, and one checkpoint that was verified
 * when the server was met. Nothing is believed; what is fetched is looked at like what lies in a folder.
 */
export const openServerSource = (client: Client): LedgerSource => {
  const { checkpoint, note } = client.seen();
  const tiles = new TileReader(client, checkpoint.size);
  const store: LedgerStore = {
    head: async () => tiles.head(checkpoint.root),
    entries: (_, from, to) => tiles.entries(from, to),
    leafHashes: (_, from, to) => tiles.leafHashes(from, to),
    blob: async (_, digest) => {
      const bytes = await client.getBytes(`/v1/ledger/blobs/${digest}`);
      if (!bytes.ok && bytes.refusal.code === 'entry-unknown') return undefined;
      return orThrow(bytes);
    },
    // A server lists none: each is asked for by the entry that names it.
    blobs: async () => [],
    checkpoint: async () => note,
    // Texts, and what was done to them, stay with the server.
    opening: async () => undefined,
    openings: async () => [],
    erasure: async () => undefined,
    erasures: async () => [],
    holds: async () => [],
    viewRow: async () => undefined,
    viewRows: async () => [],
    cursor: async () => undefined,
    batch: onlyRead,
    putCheckpoint: onlyRead,
    putOpening: onlyRead,
    eraseOpening: onlyRead,
    putErasure: onlyRead,
    putHold: onlyRead,
    liftHold: onlyRead,
    writeViews: onlyRead,
    claimRow: onlyRead,
    clearView: onlyRead,
    close: async () => {},
  };
  const { tenant } = client.anchor;
  const beat = client.info.heartbeat?.note ?? null;
  return {
    kind: 'server',
    store,
    tenant,
    mark: undefined,
    notes: () => (beat === null ? [] : [beat]),
    tile: async (tile) => tiles.tile(tile),
  };
};

class TileReader {
  readonly #client: Client;
  readonly #size: number;
  readonly #bundles = new Map<number, Promise<readonly StoredEntry[]>>();

  constructor(client: Client, size: number) {
    this.#client = client;
    this.#size = size;
  }

  async tile(tile: Tile): Promise<Uint8Array> {
    return orThrow(await this.#client.getBytes(`/ledger/tile/${formatTilePath(tile)}`));
  }

  async leafHashes(from: number, to: number): Promise<readonly string[]> {
    const blocks = await this.#blocks(from, to, async (index) => this.#hashesIn({ level: 0, ...this.#part(index) }));
    return blocks.slice(from % tileWidth, (from % tileWidth) + to - from);
  }

  async entries(from: number, to: number): Promise<readonly StoredEntry[]> {
    const end = Math.min(to, this.#size);
    if (from >= end) return [];
    const blocks = await this.#blocks(from, end, (index) => this.#bundle(index));
    return blocks.slice(from % tileWidth, (from % tileWidth) + end - from);
  }

  async head(root: string): Promise<LedgerHead> {
    const size = this.#size;
    const [last] = await this.entries(size - 1, size);
    const entry = last === undefined ? undefined : parseEntry(last.bytes);
    return { size, root, edge: await this.#edge(), time: entry?.ok === true ? entry.value.time : null };
  }

  // The tiles that the right edge asks for, one after the other: at most one a level.
  async #edge(): Promise<LedgerHead['edge']> {
    const fetched = new Map<string, readonly string[]>();
    for (;;) {
      const missing: Tile[] = [];
      try {
        const find = (tile: Tile): readonly string[] | undefined => {
          const hashes = fetched.get(formatTilePath(tile));
          if (hashes === undefined) missing.push(tile);
          return hashes;
        };
        return edgeOf(this.#size, hashesFromTiles(find, this.#size));
      } catch (error) {
        const [tile] = missing;
        if (tile === undefined) throw error;
        fetched.set(formatTilePath(tile), await this.#hashesIn(tile));
      }
    }
  }

  // A few at a time, so that a server with other readers is not overrun.
  async #blocks<T>(from: number, to: number, read: (index: number) => Promise<readonly T[]>): Promise<readonly T[]> {
    const indexes: number[] = [];
    for (let index = Math.floor(from / tileWidth); index * tileWidth < to; index += 1) indexes.push(index);
    return (await Promise.all(indexes.map(read))).flat();
  }

  // The last one read is kept: whoever goes entry by entry asks for it again and again.
  #bundle(index: number): Promise<readonly StoredEntry[]> {
    const known = this.#bundles.get(index);
    if (known !== undefined) return known;
    for (const old of this.#bundles.keys()) if (this.#bundles.size > 16) this.#bundles.delete(old);
    const bundle = this.#fetch(index);
    this.#bundles.set(index, bundle);
    return bundle;
  }

  async #fetch(index: number): Promise<readonly StoredEntry[]> {
    const part = this.#part(index);
    const [hashes, bytes] = await Promise.all([
      this.#hashesIn({ level: 0, ...part }),
      this.tile({ level: 'entries', ...part }),
    ]);
    const entries = orThrow(readBundle({ level: 'entries', ...part }, bytes));
    return entries.map((entry, at) => ({ index: index * tileWidth + at, bytes: entry, leafHash: hashes[at] ?? '' }));
  }

  async #hashesIn(tile: Tile): Promise<readonly string[]> {
    return orThrow(readTile(tile, await this.tile(tile)));
  }

  #part(index: number): { readonly index: number; readonly width: number } {
    return { index, width: Math.min(tileWidth, this.#size - index * tileWidth) };
  }
}
