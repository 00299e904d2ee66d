// SPDX-License-Identifier: Apache-2.0
import { rootOf } from '../ledger/merkle.ts';
import { consistencyProof, edgeOf, type HashAt } from '../ledger/proof.ts';
import type { OtherRoot } from '../ledger/fork-proof.ts';
import { formatTilePath, hashesFromTiles, readTile, tileWidth, type Tile } from '../ledger/tiles.ts';
import { readBody } from './server-call.ts';

// A proof reads a handful of tiles for each eight levels of the tree.
const mostTiles = 64;
/** Of a full tile. It is asked of whoever may have lied. */
const mostBytes = tileWidth * 32;

const fetchTile = async (server: string, tile: Tile, signal: AbortSignal): Promise<readonly string[] | undefined> => {
  try {
    const response = await fetch(`${server}/ledger/tile/${formatTilePath(tile)}`, {
      redirect: 'error',
      signal,
    });
    if (!response.ok) return undefined;
    const bytes = await readBody(response, mostBytes);
    const read = bytes === undefined ? undefined : readTile(tile, bytes);
    return read?.ok === true ? read.value : undefined;
  } catch {
    return undefined;
  }
};

class Missing extends Error {
  readonly tile: Tile;

  constructor(tile: Tile) {
    super(`tile ${formatTilePath(tile)} is not here yet`);
    this.tile = tile;
  }
}

/**
 * What the tiles of a server say about its own history: the root that it has at a smaller size, and consistency from
 * there (c2sp.org/tlog-tiles; anybody may fetch them). Undefined when they do not come. Nothing of it is believed:
 * whoever uses it holds it against signed checkpoints.
 */
export const servedRoot = async (
  server: string,
  from: number,
  to: number,
  withinMs = 10_000,
): Promise<OtherRoot | undefined> => {
  // For all of it: whoever waits for the alarm must not be held up tile by tile.
  const signal = AbortSignal.timeout(withinMs);
  const tiles = new Map<string, readonly string[]>();
  const hashAt: HashAt = hashesFromTiles((tile) => {
    const hashes = tiles.get(formatTilePath(tile));
    if (hashes === undefined) throw new Missing(tile);
    return hashes;
  }, to);
  while (tiles.size <= mostTiles) {
    try {
      return { root: rootOf(edgeOf(from, hashAt)), hashes: consistencyProof(from, to, hashAt) };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      const hashes = await fetchTile(server, error.tile, signal);
      if (hashes === undefined) return undefined;
      tiles.set(formatTilePath(error.tile), hashes);
    }
  }
  return undefined;
};
