// SPDX-License-Identifier: Apache-2.0
// SPEC L13: a bounded cache of tiles gives the nodes that the tree itself gives, whatever it had to forget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { appendLeaf, emptyEdge, leafHash } from '../../src/ledger/merkle.ts';
import { consistencyProof, edgeOf, inclusionProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { tileCache } from '../../src/ledger/tile-cache.ts';
import { formatTilePath, tileBytes, type Tile } from '../../src/ledger/tiles.ts';
import { propertyRuns } from '../support/property-runs.ts';

const leaves = 70_000;
const slab = new MerkleSlab();
for (let at = 0; at < leaves; at += 1) slab.append(leafHash(`entry ${at}`));

const counted = (): { readonly read: (tile: Tile) => Uint8Array; readonly paths: string[] } => {
  const paths: string[] = [];
  return {
    paths,
    read: (tile) => {
      paths.push(formatTilePath(tile));
      return tileBytes(tile, slab.hashAt);
    },
  };
};

test('L1: a tree that lies in many pieces of memory is the one that appending leads to', () => {
  let edge = emptyEdge;
  for (let at = 0; at < leaves; at += 1) edge = appendLeaf(edge, leafHash(`entry ${at}`));
  assert.deepEqual(slab.edge(), edge);
});

test('L13: proofs through a cache are those of the tree, for every size, with as little as one tile kept', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: leaves }), fc.nat(), fc.nat()), { minLength: 1, maxLength: 6 }),
      (maxTiles, asked) => {
        const nodes = tileCache(counted().read, maxTiles);
        for (const [size, one, other] of asked) {
          assert.deepEqual(edgeOf(size, nodes(size)), slab.edge(size));
          const index = one % size;
          assert.deepEqual(inclusionProof(size, index, nodes(size)), inclusionProof(size, index, slab.hashAt));
          const from = other % (size + 1);
          assert.deepEqual(consistencyProof(from, size, nodes(size)), consistencyProof(from, size, slab.hashAt));
        }
      },
    ),
    propertyRuns(60),
  );
});

test('L13: a tile is read once while it is kept, and the one used last stays longest', () => {
  const { read, paths } = counted();
  const hashAt = tileCache(read, 2)(1024);
  for (const leaf of [0, 1, 255, 256, 0, 512, 0]) assert.equal(hashAt(0, leaf), slab.hashAt(0, leaf));
  assert.deepEqual(paths, ['0/000', '0/001', '0/002']);
  hashAt(0, 256);
  assert.deepEqual(paths.slice(3), ['0/001']);
});

test('L13: a node that is not full, and a tile of another length, are no answer', () => {
  const hashAt = tileCache(counted().read, 4)(300);
  for (const [level, index] of [
    [0, 300],
    [6, 4],
    [8, 1],
  ] as const)
    assert.throws(() => hashAt(level, index), BrokenInvariant);
  assert.throws(() => tileCache(() => new Uint8Array(31), 4)(300)(0, 0), BrokenInvariant);
  assert.throws(() => tileCache(counted().read, 0), BrokenInvariant);
});
