// SPDX-License-Identifier: Apache-2.0
// SPEC L1, L3: what holds for every tree, against a definition that is too simple to be wrong.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import {
  appendLeaf,
  emptyEdge,
  leafHash,
  merkleRootHex,
  nodeHash,
  rootOf,
  type Edge,
} from '../../src/ledger/merkle.ts';
import {
  consistencyProof,
  inclusionProof,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { propertyRuns } from '../support/property-runs.ts';

// RFC 6962 section 2.1, word for word.
const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const mth = (leaves: readonly string[]): Buffer => {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.from([0]), Buffer.from(leaves[0] ?? ''));
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Buffer.from([1]), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
};

const texts = (size: number): readonly string[] => Array.from({ length: size }, (_, at) => `leaf ${at} ü`);
const slabOf = (leaves: readonly string[]): MerkleSlab => {
  const slab = new MerkleSlab();
  for (const leaf of leaves) slab.append(leafHash(leaf));
  return slab;
};
const largest = 64;
const leaves = texts(largest);
const slab = slabOf(leaves);
const rootAt = (size: number): string => rootOf(slab.edge(size));
const otherHash = leafHash('none of these');
const flipped = (hash: string, at: number): string => {
  const digit = (Number.parseInt(hash[at % 64] ?? '0', 16) ^ 1).toString(16);
  return hash.slice(0, at % 64) + digit + hash.slice((at % 64) + 1);
};

describe('the tree', () => {
  it('appending to the edge gives the root of the definition, at every size', () => {
    let edge: Edge = emptyEdge;
    for (let size = 0; size <= largest; size += 1) {
      const expected = mth(leaves.slice(0, size)).toString('hex');
      assert.equal(rootOf(edge), expected);
      assert.equal(rootAt(size), expected);
      assert.equal(merkleRootHex(leaves.slice(0, size)), expected);
      assert.deepEqual(slab.edge(size), edge, 'edge and slab keep the same hashes');
      if (size < largest) edge = appendLeaf(edge, leafHash(leaves[size] ?? ''));
    }
  });

  it('any texts in any number give the root of the definition', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 8 }), { maxLength: 300 }), (list) => {
        const expected = mth(list).toString('hex');
        assert.equal(merkleRootHex(list), expected);
        assert.equal(rootOf(slabOf(list).edge()), expected);
      }),
      propertyRuns(40),
    );
  });

  it('hashes a text as its bytes, also one that begins with zero', () => {
    for (const text of ['', '\u0000', '\u0000a', 'ü', '\u0001'])
      assert.equal(leafHash(text), leafHash(Buffer.from(text)));
  });

  it('a node cannot pass for a leaf', () => {
    const [left, right] = [leafHash('a'), leafHash('b')];
    const node = nodeHash(left, right);
    assert.notEqual(node, leafHash(Buffer.from(left + right, 'hex')));
    assert.notEqual(node, leafHash(Buffer.concat([Buffer.from([1]), Buffer.from(left + right, 'hex')])));
  });

  it('takes nothing but hashes for hashes', () => {
    for (const wrong of ['', 'zz', otherHash.slice(1), `${otherHash}0`, 'g'.repeat(64)]) {
      assert.throws(() => nodeHash(wrong, otherHash), BrokenInvariant);
      assert.throws(() => nodeHash(otherHash, wrong), BrokenInvariant);
      assert.throws(() => new MerkleSlab().append(wrong), BrokenInvariant);
    }
    assert.throws(() => appendLeaf({ size: 1, hashes: [] }, otherHash), BrokenInvariant);
  });

  it('forgets leaves of a batch that came to nothing, and grows on from there', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(100), fc.nat(100), (keep, drop, more) => {
        const tree = slabOf(texts(keep + drop));
        tree.truncate(keep);
        assert.equal(rootOf(tree.edge()), merkleRootHex(texts(keep)));
        const grown = Array.from({ length: more }, (_, at) => `other ${at}`);
        for (const text of grown) tree.append(leafHash(text));
        assert.equal(rootOf(tree.edge()), merkleRootHex([...texts(keep), ...grown]));
        assert.throws(() => tree.truncate(keep + more + 1), BrokenInvariant);
        assert.throws(() => tree.hashAt(0, keep + more), BrokenInvariant, 'a leaf that was forgotten is not there');
      }),
      propertyRuns(40),
    );
  });
});

const inclusion = (size: number, index: number): InclusionClaim => ({
  leafHash: leafHash(leaves[index] ?? ''),
  index,
  size,
  proof: inclusionProof(size, index, slab.hashAt),
  root: rootAt(size),
});

const mutated = (proof: readonly string[]): readonly (readonly string[])[] => [
  ...proof.map((hash, at) => proof.with(at, flipped(hash, at))),
  ...proof.map((_, at) => proof.toSpliced(at, 1)),
  [...proof, otherHash],
  [otherHash, ...proof],
  [...proof, ...proof.slice(-1)],
  ...(proof.length > 1 && proof[0] !== proof[1] ? [[proof[1] ?? '', proof[0] ?? '', ...proof.slice(2)]] : []),
];

describe('inclusion', () => {
  it('SPEC L3: every leaf of every size to 64 is proven, and nothing else by the same proof', () => {
    for (let size = 1; size <= largest; size += 1)
      for (let index = 0; index < size; index += 1) {
        const claim = inclusion(size, index);
        assert.ok(verifyInclusion(claim).ok, `${index} of ${size}`);
        assert.ok(claim.proof.length <= Math.ceil(Math.log2(size)));
        for (const wrong of [
          { ...claim, leafHash: otherHash },
          { ...claim, root: flipped(claim.root, index) },
          { ...claim, index: index + 1 },
          { ...claim, index: index === 0 ? size - 1 : index - 1 },
        ])
          assert.ok(!verifyInclusion(wrong).ok || size === 1, `${index} of ${size}: ${JSON.stringify(wrong)}`);
      }
  });

  it('SPEC L3: no changed, missing or additional hash holds', () => {
    for (const size of [1, 2, 3, 7, 8, 13, 32, 33, 63, 64])
      for (let index = 0; index < size; index += 1) {
        const claim = inclusion(size, index);
        for (const proof of mutated(claim.proof)) {
          if (proof.length === 0 && claim.proof.length === 0) continue;
          assert.ok(!verifyInclusion({ ...claim, proof }).ok, `${index} of ${size}`);
        }
      }
  });

  it('SPEC L3: whatever comes is refused and never throws', () => {
    const hash = fc.oneof(fc.constantFrom(otherHash, '', 'x', 'A'.repeat(64), rootAt(7)), fc.string({ maxLength: 70 }));
    const number = fc.oneof(
      fc.nat(80),
      fc.constantFrom(-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, Number.MAX_SAFE_INTEGER),
    );
    fc.assert(
      fc.property(hash, number, number, fc.array(hash, { maxLength: 70 }), hash, (leaf, index, size, proof, root) => {
        assert.ok(!verifyInclusion({ leafHash: leaf, index, size, proof, root }).ok || (size === 1 && leaf === root));
        const { ok } = verifyConsistency({ fromSize: index, fromRoot: leaf, toSize: size, toRoot: root, proof });
        assert.ok(!ok || (proof.length === 0 && leaf === root && index === size));
      }),
      propertyRuns(1000),
    );
  });
});

const consistency = (from: number, to: number): ConsistencyClaim => ({
  fromSize: from,
  fromRoot: rootAt(from),
  toSize: to,
  toRoot: rootAt(to),
  proof: consistencyProof(from, to, slab.hashAt),
});

describe('consistency', () => {
  it('SPEC L3: all pairs of sizes to 64 are proven, and no other roots or sizes by the same proof', () => {
    for (let to = 0; to <= largest; to += 1)
      for (let from = 0; from <= to; from += 1) {
        const claim = consistency(from, to);
        assert.ok(verifyConsistency(claim).ok, `${from} to ${to}`);
        for (const wrong of [
          { ...claim, fromRoot: flipped(claim.fromRoot, from) },
          { ...claim, toRoot: flipped(claim.toRoot, to) },
          { ...claim, fromSize: from + 1 },
          { ...claim, proof: [...claim.proof, otherHash] },
        ]) {
          // The empty tree is part of every tree: its proof says nothing of the larger root.
          if (
            from === 0 &&
            wrong.fromRoot === claim.fromRoot &&
            wrong.fromSize === 0 &&
            wrong.proof.length === 0 &&
            to > 0
          )
            continue;
          assert.ok(!verifyConsistency(wrong).ok, `${from} to ${to}: ${JSON.stringify(wrong)}`);
        }
      }
  });

  it('SPEC L3: no changed, missing or additional hash holds', () => {
    for (const [from, to] of [
      [1, 2],
      [3, 7],
      [4, 8],
      [6, 8],
      [7, 64],
      [32, 64],
      [33, 64],
      [63, 64],
      [31, 33],
    ] as const) {
      const claim = consistency(from, to);
      for (const proof of mutated(claim.proof))
        assert.ok(!verifyConsistency({ ...claim, proof }).ok, `${from} to ${to}`);
    }
  });

  it('SPEC L3: a rewritten history has no proof (T3)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: largest }), fc.nat(), fc.nat(), (to, a, b) => {
        const from = 1 + (a % (to - 1));
        const changed = leaves.slice(0, to).with(b % from, 'another entry');
        const rewritten = slabOf(changed);
        const claim = { ...consistency(from, to), toRoot: rootOf(rewritten.edge()) };
        assert.ok(!verifyConsistency(claim).ok);
        assert.ok(!verifyConsistency({ ...claim, proof: consistencyProof(from, to, rewritten.hashAt) }).ok);
      }),
      propertyRuns(100),
    );
  });

  it('proofs are only made for what is there', () => {
    for (const [size, index] of [
      [0, 0],
      [3, 3],
      [3, -1],
      [1.5, 0],
    ] as const)
      assert.throws(() => inclusionProof(size, index, slab.hashAt), BrokenInvariant);
    for (const [from, to] of [
      [3, 2],
      [-1, 2],
      [0.5, 2],
    ] as const)
      assert.throws(() => consistencyProof(from, to, slab.hashAt), BrokenInvariant);
  });
});
