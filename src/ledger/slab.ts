// SPDX-License-Identifier: Apache-2.0
import { sha256Into } from '../crypto/digest.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import type { Edge } from './merkle.ts';
import { edgeOf } from './proof.ts';

const hashBytes = 32;
const pieceHashes = 2048;
const offsetOf = (index: number): number => (index % pieceHashes) * hashBytes;

/**
 * Every full node of a tree in memory, level by level, 64 bytes a leaf in all, so that any proof is a handful of
 * lookups. Level 0 holds the leaf hashes; node i of a level is the parent of 2i and 2i+1 of the level below.
 */
export class MerkleSlab {
  #size = 0;
  // In pieces, so that a large tree grows without being copied.
  readonly #levels: Buffer[][] = [];
  readonly #pair = Buffer.alloc(65, 1);

  get size(): number {
    return this.#size;
  }

  append(leafHash: string): void {
    let index = this.#size;
    if (leafHash.length !== 64 || this.#room(0, index).write(leafHash, offsetOf(index), 'hex') !== hashBytes)
      throw new BrokenInvariant('a leaf hash is not a hash');
    for (let level = 0; index % 2 === 1; level += 1) {
      // Two siblings lie side by side in one piece.
      const left = offsetOf(index - 1);
      this.#room(level, index).copy(this.#pair, 1, left, left + 2 * hashBytes);
      index = (index - 1) / 2;
      sha256Into(this.#pair, this.#room(level + 1, index), offsetOf(index));
    }
    this.#size += 1;
  }

  /** Forgets the leaves from `size` on, after a batch that came to nothing. */
  truncate(size: number): void {
    if (size > this.#size || size < 0) throw new BrokenInvariant('a tree cannot be cut to more than it has');
    this.#size = size;
  }

  /** Hash of the full subtree of `2^level` leaves that starts at leaf `index * 2^level`. */
  readonly hashAt = (level: number, index: number): string => {
    const nodes = this.#levels[level]?.[Math.floor(index / pieceHashes)];
    if (nodes === undefined || (index + 1) * 2 ** level > this.#size)
      throw new BrokenInvariant('a node was asked for that is not full');
    const at = offsetOf(index);
    return nodes.toString('hex', at, at + hashBytes);
  };

  /** Right edge of the tree at its present size, or at an earlier one. */
  edge(size: number = this.#size): Edge {
    return edgeOf(size, this.hashAt);
  }

  /** The piece that node `index` lies in, with room for it. */
  #room(level: number, index: number): Buffer {
    const pieces = (this.#levels[level] ??= []);
    const piece = Math.floor(index / pieceHashes);
    let nodes = pieces[piece];
    if (nodes === undefined || nodes.length < offsetOf(index) + hashBytes) {
      const larger = Buffer.alloc(Math.min(pieceHashes * hashBytes, Math.max(4096, (nodes?.length ?? 0) * 2)));
      nodes?.copy(larger);
      nodes = larger;
      pieces[piece] = nodes;
    }
    return nodes;
  }
}
