// SPDX-License-Identifier: Apache-2.0
import { sha256Into } from '../crypto/digest.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import type { HashAt } from './proof.ts';
import { formatTilePath, tileAt, type Tile } from './tiles.ts';

/** Nodes of one tile, level by level: its hashes, and all that follow from them up to the one above a full tile. */
type Nodes = readonly Buffer[];

const hashBytes = 32;
const pair = Buffer.alloc(1 + 2 * hashBytes, 1);

const nodesOf = (tile: Tile, bytes: Uint8Array): Nodes => {
  if (bytes.length !== tile.width * hashBytes)
    throw new BrokenInvariant(`tile ${formatTilePath(tile)} has ${bytes.length} bytes`);
  const levels = [Buffer.from(bytes)];
  for (let below = levels[0] as Buffer; below.length >= 2 * hashBytes; below = levels.at(-1) as Buffer) {
    const level = Buffer.alloc(Math.floor(below.length / (2 * hashBytes)) * hashBytes);
    for (let at = 0; at < level.length; at += hashBytes) {
      below.copy(pair, 1, 2 * at, 2 * at + 2 * hashBytes);
      sha256Into(pair, level, at);
    }
    levels.push(level);
  }
  return levels;
};

/**
 * Looks up nodes of a tree in its tiles and keeps at most `maxTiles` of them, 16 KiB each, the ones used last. Proofs
 * from it cost a few lookups where `hashesFromTiles` hashes each tile anew:
 *
 *     const nodes = tileCache((tile) => readFileSync(join(folder, 'tile', formatTilePath(tile))), 1024);
 *     const proof = inclusionProof(size, index, nodes(size));
 *
 * `read` gives the bytes of a tile and throws where it has none. What is found proves nothing before the root is
 * compared with a checkpoint. Tiles of trees of other sizes may share a cache.
 */
export const tileCache = (read: (tile: Tile) => Uint8Array, maxTiles: number): ((size: number) => HashAt) => {
  if (!Number.isSafeInteger(maxTiles) || maxTiles < 1) throw new BrokenInvariant('a cache that holds no tile');
  const kept = new Map<string, Nodes>();
  const nodesIn = (tile: Tile): Nodes => {
    const key = `${tile.level}/${tile.index}/${tile.width}`;
    let nodes = kept.get(key);
    if (nodes === undefined) nodes = nodesOf(tile, read(tile));
    else kept.delete(key);
    // A map remembers the order in which keys came: the first is the one that nobody has used for longest.
    kept.set(key, nodes);
    if (kept.size > maxTiles) for (const [oldest] of kept) if (kept.delete(oldest)) break;
    return nodes;
  };
  return (size) => (level, index) => {
    const { tile, inTile, first } = tileAt(level, index, size);
    const nodes = nodesIn(tile)[inTile];
    const at = (first / 2 ** inTile) * hashBytes;
    if (nodes === undefined || at + hashBytes > nodes.length)
      throw new BrokenInvariant('a node was asked for that is not full');
    return nodes.toString('hex', at, at + hashBytes);
  };
};
