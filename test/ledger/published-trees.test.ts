// SPDX-License-Identifier: Apache-2.0
// SPEC L1, L2, L3: trees, proofs and logs that others published.
import assert from 'node:assert/strict';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { appendLeaf, emptyEdge, emptyRoot, leafHash, nodeHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { bundleBytes, formatTilePath, readBundle, tileBytes } from '../../src/ledger/tiles.ts';
import { formatTlogProof, verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { readCases, readVector, readVectorText, vectorTest } from '../vectors.ts';

const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

type Reference = {
  readonly leaves_hex: readonly string[];
  readonly roots_hex: readonly string[];
  readonly hashes: {
    readonly empty: string;
    readonly leaf_empty: string;
    readonly leaf_L123456: string;
    readonly node_N123_N456: string;
  };
};

vectorTest('the reference tree of certificate transparency', 'rfc6962-merkle', () => {
  const { leaves_hex: leaves, roots_hex: roots, hashes } = readCases<Reference>('rfc6962-merkle/reference-tree.json');
  assert.equal(emptyRoot, hashes.empty);
  assert.equal(leafHash(''), hashes.leaf_empty);
  assert.equal(leafHash('L123456'), hashes.leaf_L123456);
  // Its node example hashes two texts of four bytes, which are no hashes: here that is a defect of the caller.
  assert.throws(
    () => nodeHash(Buffer.from('N123').toString('hex'), Buffer.from('N456').toString('hex')),
    BrokenInvariant,
  );
  let edge = emptyEdge;
  assert.equal(rootOf(edge), roots[0]);
  for (const [at, leaf] of leaves.entries()) {
    edge = appendLeaf(edge, leafHash(Buffer.from(leaf, 'hex')));
    assert.equal(rootOf(edge), roots[at + 1], `size ${at + 1}`);
  }
  assert.equal(leaves.length, 8);
});

type Inclusion = {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
};

vectorTest('98 inclusion proofs of transparency-dev/merkle', 'rfc6962-merkle', () => {
  const cases = Object.entries(readCases<Record<string, Inclusion>>('rfc6962-merkle/inclusion.json'));
  assert.equal(cases.length, 98);
  for (const [name, one] of cases) {
    const claim = {
      leafHash: hex(one.leafHash),
      index: one.leafIdx,
      size: one.treeSize,
      root: hex(one.root),
      proof: (one.proof ?? []).map(hex),
    };
    assert.equal(verifyInclusion(claim).ok, !one.wantErr, name);
  }
});

type Consistency = {
  readonly size1: number;
  readonly size2: number;
  readonly root1: string;
  readonly root2: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
};

// These three say that the roots or hashes they use may be anything; we want 32 bytes everywhere, so a placeholder
// of 12 bytes is refused where the vector would take it (data/SOURCES.md).
const placeholders = /sizes-are-equal-one-and-proof-is-empty/;

vectorTest('98 consistency proofs of transparency-dev/merkle', 'rfc6962-merkle', () => {
  const cases = Object.entries(readCases<Record<string, Consistency>>('rfc6962-merkle/consistency.json'));
  assert.equal(cases.length, 98);
  let placeholdersSeen = 0;
  for (const [name, one] of cases) {
    const claim = {
      fromSize: one.size1,
      toSize: one.size2,
      fromRoot: hex(one.root1),
      toRoot: hex(one.root2),
      proof: (one.proof ?? []).map(hex),
    };
    const { ok } = verifyConsistency(claim);
    if (placeholders.test(name)) {
      placeholdersSeen += 1;
      assert.ok(!one.wantErr && claim.fromRoot.length !== 64 && !ok, name);
    } else assert.equal(ok, !one.wantErr, name);
  }
  assert.equal(placeholdersSeen, 1);
});

type SubtreeInclusion = {
  readonly leafIdx: number;
  readonly start: number;
  readonly end: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
};
type SubtreeConsistency = {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly root1: string;
  readonly root2: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
};

vectorTest('subtree proofs, as far as a subtree that starts at zero is a tree', 'rfc6962-merkle', () => {
  let run = 0;
  for (const [name, one] of Object.entries(
    readCases<Record<string, SubtreeInclusion>>('rfc6962-merkle/subtreeinclusion.json'),
  )) {
    if (one.start !== 0) continue;
    run += 1;
    const claim = {
      leafHash: hex(one.leafHash),
      index: one.leafIdx,
      size: one.end,
      root: hex(one.root),
      proof: (one.proof ?? []).map(hex),
    };
    assert.equal(verifyInclusion(claim).ok, !one.wantErr, name);
  }
  for (const [name, one] of Object.entries(
    readCases<Record<string, SubtreeConsistency>>('rfc6962-merkle/subtreeconsistency.json'),
  )) {
    if (one.start !== 0 || placeholders.test(name)) continue;
    run += 1;
    const claim = {
      fromSize: one.end,
      toSize: one.size,
      fromRoot: hex(one.root1),
      toRoot: hex(one.root2),
      proof: (one.proof ?? []).map(hex),
    };
    // An empty subtree proves nothing there; here the root of nothing is one value, and two others are refused.
    if (one.end === 0) assert.ok(!verifyConsistency(claim).ok || !one.wantErr, name);
    else assert.equal(verifyConsistency(claim).ok, !one.wantErr, name);
  }
  assert.ok(run >= 150, `${run} cases`);
});

// A log that Tessera wrote: https://c2sp.org/tlog-tiles, partial bundles and tiles of sizes 1 to 15.
const logVerifier = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx';
const bundleOf = (size: number): readonly Buffer[] => {
  const tile = { level: 'entries', index: 0, width: size } as const;
  const bytes = readVector(`tlog-tiles/tessera-log/tile/${formatTilePath(tile)}`);
  const entries = readBundle(tile, bytes);
  assert.ok(entries.ok);
  assert.ok(Buffer.from(bundleBytes(entries.value)).equals(bytes));
  return entries.value.map((entry) => Buffer.from(entry));
};

const slabAt = (entries: readonly Buffer[]): MerkleSlab => {
  const slab = new MerkleSlab();
  for (const entry of entries) slab.append(leafHash(entry));
  return slab;
};

vectorTest('a log that Tessera wrote: checkpoints, leaf tiles and entries of all sizes agree', 'tlog-tiles', () => {
  const key = parseVerifierKey(logVerifier);
  assert.ok(key.ok);
  const entries = bundleOf(15);
  assert.equal(entries.length, 15);
  const slab = new MerkleSlab();
  const checkpointOf = (size: number) => {
    const note = readVectorText(`tlog-tiles/tessera-log/checkpoint.${size}`);
    const checkpoint = verifyCheckpoint(note, key.value);
    assert.ok(checkpoint.ok, checkpoint.ok ? '' : checkpoint.refusal.message);
    return { ...checkpoint.value, note };
  };
  for (let size = 0; size <= 15; size += 1) {
    const checkpoint = checkpointOf(size);
    assert.equal(checkpoint.size, size);
    assert.equal(checkpoint.root, rootOf(slab.edge()), `root at ${size}`);
    if (size > 0) {
      assert.deepEqual(bundleOf(size), entries.slice(0, size));
      const named = { level: 0, index: 0, width: size };
      const bytes = readVector(`tlog-tiles/tessera-log/tile/${formatTilePath(named)}`);
      const tile = bytes.toString('hex');
      assert.ok(Buffer.from(tileBytes(named, slabAt(entries.slice(0, size)).hashAt)).equals(bytes));
      assert.equal(
        tile,
        entries
          .slice(0, size)
          .map((entry) => leafHash(entry))
          .join(''),
      );
    }
    const next = entries[size];
    if (next !== undefined) slab.append(leafHash(next));
  }
  const newest = checkpointOf(15);
  assert.equal(readVectorText('tlog-tiles/tessera-log/checkpoint'), newest.note);
  for (let size = 0; size <= 15; size += 1) {
    const { root } = checkpointOf(size);
    const claim = {
      fromSize: size,
      fromRoot: root,
      toSize: 15,
      toRoot: newest.root,
      proof: consistencyProof(size, 15, slab.hashAt),
    };
    assert.ok(verifyConsistency(claim).ok, `${size} to 15`);
  }
  for (const [index, entry] of entries.entries()) {
    const text = formatTlogProof({ index, proof: inclusionProof(15, index, slab.hashAt), checkpoint: newest.note });
    assert.ok(verifyTlogProof(text, leafHash(entry), key.value).ok, `entry ${index}`);
  }
});

vectorTest(
  'c2sp.org/tlog-proof: the example in the specification is refused only for what it leaves out',
  'c2sp-specs',
  () => {
    const spec = readVectorText('c2sp-specs/tlog-proof.md');
    const example = /^c2sp\.org\/tlog-proof@v1\n[\s\S]*?(?=^```)/m.exec(spec)?.[0] ?? '';
    assert.ok(example.includes('index 73894') && example.includes('[...]'));
    const lines = example.trimEnd().split('\n');
    const hashes = lines.slice(3, lines.indexOf(''));
    assert.ok(hashes.every((line) => Buffer.from(line, 'base64').length === 32));
    const key = parseVerifierKey(logVerifier);
    assert.ok(key.ok);
    const answer = verifyTlogProof(example, leafHash(''), key.value);
    assert.ok(!answer.ok, 'signatures that were cut with [...] are no signatures');
  },
);
