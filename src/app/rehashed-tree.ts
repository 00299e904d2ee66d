// SPDX-License-Identifier: Apache-2.0
import { nodeHash, rootOf } from '../ledger/merkle.ts';
import { edgeOf, type HashAt } from '../ledger/proof.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import { hashBytes, type RunHashes } from './hash-run.ts';

const blockLevel = 8;

/** The tree over entries that were hashed in runs: leaf hashes, and above full blocks of 256 the nodes. */
export class RehashedTree {
  readonly #leaves: Uint8Array[] = [];
  readonly #runLength: number;
  readonly #above = new MerkleSlab();
  #size = 0;

  /** All runs but the last have this length, a multiple of 256. */
  constructor(runLength: number) {
    this.#runLength = runLength;
  }

  get size(): number {
    return this.#size;
  }

  add({ leaves, blocks }: RunHashes): void {
    this.#leaves.push(leaves);
    this.#size += leaves.length / hashBytes;
    for (let at = 0; at < blocks.length; at += hashBytes) this.#above.append(hexAt(blocks, at));
  }

  readonly hashAt: HashAt = (level, index) => {
    if (level >= blockLevel) return this.#above.hashAt(level - blockLevel, index);
    if (level > 0) return nodeHash(this.hashAt(level - 1, 2 * index), this.hashAt(level - 1, 2 * index + 1));
    const run = this.#leaves[Math.floor(index / this.#runLength)] ?? new Uint8Array();
    return hexAt(run, (index % this.#runLength) * hashBytes);
  };

  /** Root of the tree, or of an earlier one. */
  rootAt(size: number = this.#size): string {
    return rootOf(edgeOf(size, this.hashAt));
  }
}

const hexAt = (bytes: Uint8Array, at: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, hashBytes).toString('hex');
