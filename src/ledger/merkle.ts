// SPDX-License-Identifier: Apache-2.0
import { sha256Hex, sha256Latin1 } from '../crypto/digest.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';

/**
 * The Merkle tree of RFC 6962 section 2.1: leaves are hashed with prefix 0x00, nodes with 0x01, so that no node can
 * pass for a leaf. Hashes are 64 lowercase hex digits wherever they are seen from outside.
 */
export const emptyRoot = sha256Hex('');

/** Hash of one entry: SHA-256 of 0x00 and its bytes (a text counts as its UTF-8). */
export const leafHash = (entry: string | Uint8Array): string => {
  // A text's UTF-8 begins with the byte 0x00 when the text begins with U+0000.
  if (typeof entry === 'string') return sha256Hex(`\u0000${entry}`);
  const input = Buffer.allocUnsafe(entry.length + 1);
  input[0] = 0;
  input.set(entry, 1);
  return sha256Hex(input);
};

/** An entry's bytes and its hash, from its text: the UTF-8 is written once, behind the byte that leaves begin with. */
export const leafOf = (entry: string): { readonly bytes: Uint8Array; readonly hash: string } => {
  const leaf = Buffer.from(`\u0000${entry}`);
  return { bytes: leaf.subarray(1), hash: sha256Hex(leaf) };
};

const pair = Buffer.alloc(65, 1);

/** Hash of an inner node: SHA-256 of 0x01, left, right. Both must be full hashes; anything else is a defect. */
export const nodeHash = (left: string, right: string): string => {
  if (
    left.length !== 64 ||
    right.length !== 64 ||
    pair.write(left, 1, 'hex') !== 32 ||
    pair.write(right, 33, 'hex') !== 32
  )
    throw new BrokenInvariant('a node hash was asked for something that is not two hashes');
  return sha256Hex(pair);
};

/**
 * A hash on its way from a leaf up to a root. It is kept as 32 characters of Latin-1 in between, which costs half of
 * what hex does.
 */
export class Climb {
  #hash: string;

  constructor(from: string) {
    this.#hash = Buffer.from(from, 'hex').toString('latin1');
  }

  /** Goes up by one node. Both must be full hashes; anything else is a defect. */
  join(sibling: string, side: 'left' | 'right'): void {
    const [ours, theirs] = side === 'left' ? [33, 1] : [1, 33];
    if (
      sibling.length !== 64 ||
      this.#hash.length !== 32 ||
      pair.write(sibling, theirs, 'hex') !== 32 ||
      pair.write(this.#hash, ours, 'latin1') !== 32
    )
      throw new BrokenInvariant('a node hash was asked for something that is not two hashes');
    this.#hash = sha256Latin1(pair);
  }

  hash(): string {
    return Buffer.from(this.#hash, 'latin1').toString('hex');
  }
}

/**
 * The right edge of a tree: the roots of its full subtrees, largest first, one for each bit set in `size`. It is all
 * that appending and the root need, so it can live in a row of a database or in a folded state.
 */
export type Edge = { readonly size: number; readonly hashes: readonly string[] };

export const emptyEdge: Edge = { size: 0, hashes: [] };

/** The edge after one more leaf. Two subtrees of one size join, as a carry does in binary addition. */
export const appendLeaf = (edge: Edge, leaf: string): Edge => {
  const hashes = edge.hashes.slice();
  let joined = leaf;
  for (let rest = edge.size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    const left = hashes.pop();
    if (left === undefined) throw new BrokenInvariant('an edge has fewer hashes than its size asks for');
    joined = nodeHash(left, joined);
  }
  hashes.push(joined);
  return { size: edge.size + 1, hashes };
};

/** MTH of RFC 6962 section 2.1; the hash of nothing for an empty tree. */
export const rootOf = (edge: Edge): string => {
  let root = edge.hashes.at(-1);
  if (root === undefined) return emptyRoot;
  for (let at = edge.hashes.length - 2; at >= 0; at -= 1) root = nodeHash(edge.hashes[at] ?? '', root);
  return root;
};

/** Root over a whole list of texts. */
export const merkleRootHex = (leafTexts: readonly string[]): string => {
  let edge = emptyEdge;
  for (const text of leafTexts) edge = appendLeaf(edge, leafHash(text));
  return rootOf(edge);
};
