// SPDX-License-Identifier: Apache-2.0
import { sha256Into } from '../crypto/digest.ts';
import type { StoredEntry } from '../ledger/store.ts';
import { tileWidth } from '../ledger/tiles.ts';

/** Entries one after the other, each behind the byte that leaves begin with, and where each ends. */
export type HashRun = { readonly leaves: Uint8Array<ArrayBuffer>; readonly ends: Uint32Array };

/** Leaf hashes of a run, and the roots of its full blocks of 256. */
export type RunHashes = { readonly leaves: Uint8Array; readonly blocks: Uint8Array };

export const hashBytes = 32;

export const packRun = (entries: readonly StoredEntry[]): HashRun => {
  const leaves = Buffer.allocUnsafeSlow(entries.reduce((sum, { bytes }) => sum + bytes.length + 1, 0));
  const ends = new Uint32Array(entries.length);
  let at = 0;
  for (const [index, { bytes }] of entries.entries()) {
    leaves[at] = 0;
    leaves.set(bytes, at + 1);
    at += bytes.length + 1;
    ends[index] = at;
  }
  return { leaves, ends };
};

export const hashRun = ({ leaves, ends }: HashRun): RunHashes => {
  const hashes = Buffer.alloc(ends.length * hashBytes);
  let start = 0;
  for (const [index, end] of ends.entries()) {
    sha256Into(leaves.subarray(start, end), hashes, index * hashBytes);
    start = end;
  }
  const blocks = Buffer.alloc(Math.floor(ends.length / tileWidth) * hashBytes);
  for (let block = 0; block * hashBytes < blocks.length; block += 1)
    blockRoot(hashes.subarray(block * tileWidth * hashBytes, (block + 1) * tileWidth * hashBytes), blocks, block);
  return { leaves: hashes, blocks };
};

// RFC 6962 over 256 leaves: level by level, each in the front half of the one below.
const blockRoot = (leaves: Uint8Array, blocks: Buffer, block: number): void => {
  const level = Buffer.from(leaves);
  const pair = Buffer.alloc(1 + 2 * hashBytes, 1);
  for (let width = tileWidth / 2; width >= 1; width /= 2)
    for (let at = 0; at < width; at += 1) {
      level.copy(pair, 1, at * 2 * hashBytes, (at + 1) * 2 * hashBytes);
      sha256Into(pair, level, at * hashBytes);
    }
  level.copy(blocks, block * hashBytes, 0, hashBytes);
};
