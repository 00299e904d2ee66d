// SPDX-License-Identifier: Apache-2.0
// SPEC L13: https://c2sp.org/tlog-tiles, its examples, what is wrong, and that tiles hold all that proofs need.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof, edgeOf, inclusionProof, verifyInclusion } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import {
  bundleBytes,
  formatTilePath,
  hashesFromTiles,
  holdsTile,
  parseTilePath,
  readBundle,
  readTile,
  tileBytes,
  tilesOf,
  type Tile,
} from '../../src/ledger/tiles.ts';
import { propertyRuns } from '../support/property-runs.ts';

const slabOf = (size: number): MerkleSlab => {
  const slab = new MerkleSlab();
  for (let at = 0; at < size; at += 1) slab.append(leafHash(`entry ${at}`));
  return slab;
};
const tilesIn = (slab: MerkleSlab, size: number): ReadonlyMap<string, readonly string[]> =>
  new Map(
    [...tilesOf(size)]
      .filter(({ level }) => level !== 'entries')
      .map((tile) => {
        const hashes = readTile(tile, tileBytes(tile, slab.hashAt));
        assert.ok(hashes.ok);
        return [formatTilePath(tile), hashes.value];
      }),
  );

test('L13: the paths and sizes that the specification gives as examples', () => {
  assert.equal(formatTilePath({ level: 3, index: 1234067, width: 256 }), '3/x001/x234/067');
  const of = (size: number): readonly string[] => [...tilesOf(size)].map(formatTilePath);
  const large = of(70_000).filter((path) => !path.startsWith('entries/'));
  assert.equal(large.filter((path) => /^0\/[^.]*$/.test(path)).length, 273);
  assert.deepEqual(
    large.filter((path) => path.includes('.p/')),
    ['0/273.p/112', '1/001.p/17', '2/000.p/1'],
  );
  assert.equal(large.filter((path) => /^1\/[^.]*$/.test(path)).length, 1);
  assert.deepEqual(of(256), ['entries/000', '0/000', '1/000.p/1']);
  assert.deepEqual(of(0), []);
});

test('L13: each tile has one path, and nothing else is one', () => {
  const tile = fc.record({
    level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
    index: fc.maxSafeNat(),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tile, (one: Tile) => {
      assert.deepEqual(parseTilePath(formatTilePath(one)), { ok: true, value: { ...one } });
    }),
    propertyRuns(200),
  );
  for (const path of [
    '',
    '0',
    '0/',
    '0/0',
    '0/00',
    '0/0000',
    '00/000',
    '64/000',
    '-1/000',
    'x/000',
    'entries',
    'Entries/000',
    '0/x000/000',
    '0/x001/23',
    '0/001/234',
    '0/x001/x234',
    '0/000.p/0',
    '0/000.p/01',
    '0/000.p/256',
    '0/000.p/999',
    '0/000.p/',
    '0/000.p/1/',
    '0/000/',
    '/0/000',
    '0//000',
    '0/000 ',
    '0/000\n',
    `0/${'x999/'.repeat(6)}999`,
    '0/../000',
  ]) {
    const parsed = parseTilePath(path);
    assert.equal(parsed.ok ? 'read' : parsed.refusal.code, 'tile-unknown', JSON.stringify(path));
  }
  for (const wrong of [
    { level: 64, index: 0, width: 1 },
    { level: 0, index: -1, width: 1 },
    { level: 0, index: 0.5, width: 1 },
    { level: 0, index: 0, width: 0 },
    { level: 0, index: 0, width: 257 },
  ])
    assert.throws(() => formatTilePath(wrong), BrokenInvariant);
});

test('L13: a tree holds the tiles that its size gives, and none beyond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), (size) => {
      for (const tile of tilesOf(size)) {
        assert.ok(holdsTile(tile, size));
        const wider =
          tile.width < 256 ? { ...tile, width: tile.width + 1 } : { ...tile, index: tile.index + 1, width: 1 };
        const last = ![...tilesOf(size)].some(({ level, index }) => level === tile.level && index > tile.index);
        if (last) assert.ok(!holdsTile(wider, size), `${formatTilePath(wider)} at ${size}`);
        if (tile.index > 2) break;
      }
      assert.ok(!holdsTile({ level: 'entries', index: Math.floor(size / 256), width: (size % 256) + 1 }, size));
    }),
    propertyRuns(50),
  );
});

test('L13: root, inclusion and consistency follow from tiles alone', () => {
  const slab = slabOf(1300);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1300 }), fc.nat(1299), fc.nat(1300), (size, leaf, older) => {
      const tiles = tilesIn(slab, size);
      const hashAt = hashesFromTiles((tile) => tiles.get(formatTilePath(tile)), size);
      assert.equal(rootOf(edgeOf(size, hashAt)), rootOf(slab.edge(size)));
      const [index, from] = [leaf % size, older % (size + 1)];
      assert.deepEqual(inclusionProof(size, index, hashAt), inclusionProof(size, index, slab.hashAt));
      assert.deepEqual(consistencyProof(from, size, hashAt), consistencyProof(from, size, slab.hashAt));
    }),
    propertyRuns(60),
  );
});

test('L13: a tree of three levels of tiles', () => {
  const size = 65_536 + 300;
  const slab = slabOf(size);
  const tiles = tilesIn(slab, size);
  assert.ok(tiles.has('2/000.p/1') && tiles.has('1/000') && tiles.has('1/001.p/1') && tiles.has('0/257.p/44'));
  const hashAt = hashesFromTiles((tile) => tiles.get(formatTilePath(tile)), size);
  assert.equal(rootOf(edgeOf(size, hashAt)), rootOf(slab.edge(size)));
  assert.deepEqual(inclusionProof(size, 65_000, hashAt), inclusionProof(size, 65_000, slab.hashAt));
  assert.throws(() => hashesFromTiles(() => undefined, size)(0, 0), BrokenInvariant);
});

test('L13: a changed tile leads to another root', () => {
  const slab = slabOf(700);
  const tiles = new Map(tilesIn(slab, 700));
  const first = [...(tiles.get('0/001') ?? [])];
  first[7] = leafHash('something else');
  tiles.set('0/001', first);
  // The level above still says what was there: whoever mirrors a log compares the two.
  const below = hashesFromTiles((tile) => tiles.get(formatTilePath(tile)), 700);
  assert.notEqual(below(7, 2), slab.hashAt(7, 2));
  assert.notDeepEqual(inclusionProof(700, 256, below), inclusionProof(700, 256, slab.hashAt));
});

test('L13: swapped tiles lead to another root, and no proof out of them holds', () => {
  const slab = slabOf(700);
  const tiles = new Map(tilesIn(slab, 700));
  const [one = [], other = []] = [tiles.get('0/000'), tiles.get('0/001')];
  tiles.set('0/000', other).set('0/001', one);
  const hashAt = hashesFromTiles((tile) => tiles.get(formatTilePath(tile)), 700);
  const root = rootOf(slab.edge());
  for (const index of [0, 255, 256, 511])
    assert.equal(
      verifyInclusion({
        size: 700,
        index,
        root,
        leafHash: slab.hashAt(0, index),
        proof: inclusionProof(700, index, hashAt),
      }).ok,
      false,
    );
  const above = (tiles.get('1/000.p/2') ?? []).toReversed();
  tiles.set('1/000.p/2', above);
  assert.notEqual(
    rootOf(
      edgeOf(
        700,
        hashesFromTiles((tile) => tiles.get(formatTilePath(tile)), 700),
      ),
    ),
    root,
  );
});

test('L13: bundles give back their entries; a tile or bundle of another length is refused', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
  fc.assert(
    fc.property(entries, fc.nat(), (list, cut) => {
      const bundle: Tile = { level: 'entries', index: 0, width: list.length };
      const bytes = bundleBytes(list);
      const read = readBundle(bundle, bytes);
      assert.ok(read.ok);
      assert.deepEqual(
        read.value.map((entry) => Buffer.from(entry)),
        list.map((entry) => Buffer.from(entry)),
      );
      assert.ok(!readBundle(bundle, bytes.subarray(0, cut % bytes.length)).ok);
      assert.ok(!readBundle(bundle, Buffer.concat([bytes, Buffer.from([0])])).ok);
      assert.ok(!readBundle(bundle, Buffer.concat([bytes, Buffer.from([0, 0])])).ok);
      assert.ok(!readBundle({ ...bundle, width: list.length + 1 }, bytes).ok);
    }),
    propertyRuns(200),
  );
  const empty = readBundle({ level: 'entries', index: 0, width: 1 }, new Uint8Array());
  assert.equal(empty.ok ? 'read' : empty.refusal.code, 'tile-malformed');
  assert.equal(bundleBytes([Buffer.alloc(0xffff)]).length, 0xffff + 2);
  assert.throws(() => bundleBytes([Buffer.alloc(0x10000)]), BrokenInvariant);
  const tile: Tile = { level: 0, index: 0, width: 2 };
  assert.ok(!readTile(tile, Buffer.alloc(63)).ok);
  assert.ok(!readTile(tile, Buffer.alloc(96)).ok);
});
