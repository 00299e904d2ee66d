// SPDX-License-Identifier: Apache-2.0
// L1, L7, L13: hashing everything again, by threads, finds the first entry, document or tile that is not what it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { rehash } from '../../src/app/rehash.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import type { LedgerStore, StoredEntry } from '../../src/ledger/store.ts';
import { tileBytes, type Tile } from '../../src/ledger/tiles.ts';

const size = 9000;
const document = Buffer.from('a document');
const naming = 5000;

const made = Array.from({ length: size }, (_, index): StoredEntry => {
  const attachments = index === naming ? [digestOf(document)] : [];
  const bytes = Buffer.from(JSON.stringify({ command: { attachments, n: index }, events: [], index }));
  return { index, bytes, leafHash: leafHash(bytes) };
});
const slab = new MerkleSlab();
for (const { leafHash: leaf } of made) slab.append(leaf);

const storeOf = async (entries: readonly StoredEntry[], blob: Uint8Array = document): Promise<LedgerStore> => {
  const store = memoryStore();
  const edge = slab.edge();
  await store.batch('main', async (tx) => {
    await tx.insert(entries, await tx.head(), { size, root: rootOf(edge), edge, time: null });
    await tx.putBlob({ digest: digestOf(document), bytes: blob });
  });
  return store;
};
const tile = async (wanted: Tile): Promise<Uint8Array> => tileBytes(wanted, slab.hashAt);
const changed = (index: number): readonly StoredEntry[] =>
  made.map((entry) => (entry.index === index ? { ...entry, bytes: Buffer.from(`${entry.index}`) } : entry));

test('a sound ledger gives the root of its entries, whoever hashes', async () => {
  const found = await rehash({ tenant: 'main', store: await storeOf(made), tile });
  assert.deepEqual(found, { entries: size, blobs: 1, tiles: 37, texts: 0, root: rootOf(slab.edge()), damage: null });
});

test('the first changed entry is named, wherever it lies in a run', async () => {
  for (const index of [0, 255, 2047, 2048, 4097, size - 1]) {
    const entries = changed(index).map((entry) =>
      entry.index === size - 1 ? { ...entry, bytes: Buffer.from('x') } : entry,
    );
    const found = await rehash({ tenant: 'main', store: await storeOf(entries) });
    assert.deepEqual(found.damage, { index, what: 'its bytes are not those that were appended' });
    assert.equal(found.entries, index);
    assert.equal(found.root, rootOf(slab.edge(index)));
  }
});

test('a missing entry, a changed leaf hash, and an entry behind the head', async () => {
  const gap = await rehash({ tenant: 'main', store: await storeOf(made.filter(({ index }) => index !== 3000)) });
  assert.deepEqual(gap.damage, { index: 3000, what: 'it is missing' });
  const leaf = made.map((entry) => (entry.index === 7 ? { ...entry, leafHash: '0'.repeat(64) } : entry));
  assert.equal((await rehash({ tenant: 'main', store: await storeOf(leaf) })).damage?.index, 7);
  const more = [...made, { index: size, bytes: Buffer.from('x'), leafHash: leafHash('x') }];
  const behind = await rehash({ tenant: 'main', store: await storeOf(more) });
  assert.deepEqual(behind.damage, { index: size, what: 'an entry stands behind the head' });
});

test('both an entry and its leaf hash rewritten: the root tells', async () => {
  const bytes = Buffer.from('other');
  const entries = made.map((entry) => (entry.index === 7 ? { index: 7, bytes, leafHash: leafHash(bytes) } : entry));
  const found = await rehash({ tenant: 'main', store: await storeOf(entries) });
  assert.deepEqual(found.damage, { index: size, what: 'the head does not belong to the entries' });
});

test('a changed document is named by the first entry that names it, and before what comes later', async () => {
  const found = await rehash({ tenant: 'main', store: await storeOf(changed(6000), Buffer.from('another')) });
  assert.deepEqual(found.damage, { index: naming, what: `its attachment \`${digestOf(document)}\` was changed` });
});

test('a stored tile that is not the tree is named by its first entry, at every level', async () => {
  for (const [level, index, first] of [
    [0, 20, 5120],
    [1, 0, 0],
  ] as const) {
    const wrong = async (wanted: Tile): Promise<Uint8Array> => {
      const bytes = Buffer.from(await tile(wanted));
      if (wanted.level === level && wanted.index === index) bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9);
      return bytes;
    };
    const found = await rehash({ tenant: 'main', store: await storeOf(made), tile: wrong });
    assert.equal(found.damage?.index, first);
    assert.match(found.damage?.what ?? '', /^tile `\d\/\S+` above it was changed$/);
  }
  const none = await rehash({ tenant: 'main', store: await storeOf(made), tile: async () => undefined });
  assert.match(none.damage?.what ?? '', /is missing/);
});
