// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant, ok, refuse, type Result } from '../kernel/refusal.ts';
import { Climb, emptyRoot, nodeHash, type Edge } from './merkle.ts';

/** The hash of the complete subtree that starts at leaf `index * 2^level` and has `2^level` leaves. */
export type HashAt = (level: number, index: number) => string;

const hexForm = /^[0-9a-f]*$/;
const maxProof = 64;

// Largest power of two below `size` (RFC 6962 section 2.1), for size > 1.
const split = (size: number): number => {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
};

// Root of the leaves `start` to `start + size`; `start` is a multiple of a power of two that is at least `size`.
const rangeRoot = (start: number, size: number, hashAt: HashAt): string => {
  const half = size === 1 ? 0 : split(size);
  if (size === 1 || half * 2 === size) return hashAt(Math.round(Math.log2(size)), start / size);
  return nodeHash(rangeRoot(start, half, hashAt), rangeRoot(start + half, size - half, hashAt));
};

/** Right edge of the tree at a size, from its full subtrees. */
export const edgeOf = (size: number, hashAt: HashAt): Edge => {
  const hashes: string[] = [];
  let start = 0;
  for (let level = 52; level >= 0; level -= 1) {
    const width = 2 ** level;
    if (size - start < width) continue;
    hashes.push(hashAt(level, start / width));
    start += width;
  }
  return { size, hashes };
};

/** PATH(index, tree) of RFC 6962 section 2.1.1, from the leaf upwards. */
export const inclusionProof = (size: number, index: number, hashAt: HashAt): readonly string[] => {
  if (!isSize(size) || !isSize(index) || index >= size)
    throw new BrokenInvariant(`no leaf ${index} in a tree of ${size}`);
  const path: string[] = [];
  let [node, last] = [index, size - 1];
  for (let level = 0, width = 1; last > 0; level += 1, width *= 2) {
    if (node % 2 === 1) path.push(hashAt(level, node - 1));
    // The last node of a level may stand above fewer leaves than the others.
    else if (node + 1 < last || (node < last && (last + 1) * width <= size)) path.push(hashAt(level, node + 1));
    else if (node < last) path.push(rangeRoot(last * width, size - last * width, hashAt));
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return path;
};

/** PROOF(from, tree) of RFC 6962 section 2.1.2. Empty when the sizes are equal or `from` is zero. */
export const consistencyProof = (from: number, to: number, hashAt: HashAt): readonly string[] => {
  const sub = (start: number, width: number, whole: boolean): string[] => {
    const left = from - start;
    if (left === width) return whole ? [] : [rangeRoot(start, width, hashAt)];
    const half = split(width);
    return left <= half
      ? [...sub(start, half, whole), rangeRoot(start + half, width - half, hashAt)]
      : [...sub(start + half, width - half, false), rangeRoot(start, half, hashAt)];
  };
  if (!isSize(from) || !isSize(to) || from > to) throw new BrokenInvariant(`no way from size ${from} to ${to}`);
  return from === 0 || from === to ? [] : sub(0, to, true);
};

const invalid = (why: string) =>
  refuse(
    'proof-invalid',
    'L3',
    `the proof does not hold: ${why}`,
    {},
    'the ledger shows another history here; compare checkpoints with other people',
  );

// One look at all of them costs a third of a look at each.
const wellFormed = (hashes: readonly string[]): boolean =>
  hashes.length <= maxProof && hashes.every((hash) => hash.length === 64) && hexForm.test(hashes.join(''));
const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

export type InclusionClaim = {
  readonly leafHash: string;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly string[];
  readonly root: string;
};

/** RFC 9162 section 2.1.3.2. Every input may come from an attacker; it never throws. */
export const verifyInclusion = ({ leafHash, index, size, proof, root }: InclusionClaim): Result<null> => {
  if (!isSize(size) || !isSize(index) || index >= size) return invalid(`index ${index} is not in a tree of ${size}`);
  if (!wellFormed([leafHash, root]) || !wellFormed(proof)) return invalid('a hash is malformed');
  let [node, last] = [index, size - 1];
  const climb = new Climb(leafHash);
  for (const sibling of proof) {
    if (last === 0) return invalid('it is too long');
    if (node % 2 === 1 || node === last) {
      climb.join(sibling, 'left');
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else climb.join(sibling, 'right');
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  if (last !== 0) return invalid('it is too short');
  return climb.hash() === root ? ok(null) : invalid('it leads to another root');
};

export type ConsistencyClaim = {
  readonly fromSize: number;
  readonly fromRoot: string;
  readonly toSize: number;
  readonly toRoot: string;
  readonly proof: readonly string[];
};

/** RFC 9162 section 2.1.4.2: the larger tree holds the smaller one unchanged. */
export const verifyConsistency = ({ fromSize, fromRoot, toSize, toRoot, proof }: ConsistencyClaim): Result<null> => {
  if (!isSize(fromSize) || !isSize(toSize) || fromSize > toSize)
    return invalid(`${fromSize} does not come before ${toSize}`);
  if (!wellFormed([fromRoot, toRoot]) || !wellFormed(proof)) return invalid('a hash is malformed');
  if (fromSize === toSize)
    return proof.length === 0 && fromRoot === toRoot ? ok(null) : invalid('two roots of one size');
  if (fromSize === 0)
    return proof.length === 0 && fromRoot === emptyRoot ? ok(null) : invalid('the empty tree needs no proof');
  if (proof.length === 0) return invalid('it is empty');
  let [node, last] = [fromSize - 1, toSize - 1];
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)];
  const [first = '', ...rest] = node === 0 ? [fromRoot, ...proof] : proof;
  const before = new Climb(first);
  const after = new Climb(first);
  for (const hash of rest) {
    if (last === 0) return invalid('it is too long');
    if (node % 2 === 1 || node === last) {
      before.join(hash, 'left');
      after.join(hash, 'left');
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else after.join(hash, 'right');
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  if (last !== 0) return invalid('it is too short');
  return before.hash() === fromRoot && after.hash() === toRoot ? ok(null) : invalid('it leads to other roots');
};
