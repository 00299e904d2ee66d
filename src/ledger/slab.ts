// SPDX-License-Identifier: Apache-2.0
import { sha256Into } from '../crypto/digest.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import type { Edge } from './merkle.ts';
import { edgeOf } from './proof.ts';

/**
 * Every full node of a tree in memory, level by level, 64 bytes a leaf in all, so that any proof is a handful of
 * lookups. Level 0 holds the leaf hashes; node i of a level is the parent of 2i and 2i+1 of the level below.
 */
export class MerkleSlab {
  #size = 0;
  readonly #levels: Buffer[] = [];
  readonly #pair = Buffer.alloc(65, 1);

  get size(): number {
    return this.#size;
  }

  append(leafHash: string): void {
    let index = this.#size;
    const leaf = this.#slot(0, index);
    if (leafHash.length !== 64 || leaf.write(leafHash, index * 32, 'hex') !== 32)
      throw new BrokenInvariant('a leaf hash is not a hash');
    for (let level = 0; index % 2 === 1; level += 1) {
      this.#levels[level]?.copy(this.#pair, 1, (index - 1) * 32, (index + 1) * 32);
      index = (index - 1) / 2;
      sha256Into(this.#pair, this.#slot(level + 1, index), index * 32);
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
    const nodes = this.#levels[level];
    if (nodes === undefined || (index + 1) * 2 ** level > this.#size)
      throw new BrokenInvariant('a node was asked for that is not full');
    return nodes.toString('hex', index * 32, index * 32 + 32);
  };

  /** Right edge of the tree at its present size, or at an earlier one. */
  edge(size: number = this.#size): Edge {
    return edgeOf(size, this.hashAt);
  }

  #slot(level: number, index: number): Buffer {
    let nodes = this.#levels[level];
    if (nodes === undefined || nodes.length < (index + 1) * 32) {
      const larger = Buffer.alloc(Math.max(4096, (nodes?.length ?? 0) * 2));
      nodes?.copy(larger);
      nodes = larger;
      this.#levels[level] = nodes;
    }
    return nodes;
  }
}
