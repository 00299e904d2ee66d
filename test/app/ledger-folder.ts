// SPDX-License-Identifier: Apache-2.0
// A tally's ledger, and copies of it in folders.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderPlace } from '../../src/adapters/files/folder-place.ts';
import { checkpointOf, copyTiles, type Copied } from '../../src/app/copy-tiles.ts';
import { growTree } from '../../src/app/grow-tree.ts';
import type { TilePlace } from '../../src/app/tile-place.ts';
import { readTiles } from '../../src/app/tile-store.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import type { Result } from '../../src/kernel/refusal.ts';
import { verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { emptyRoot } from '../../src/ledger/merkle.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { add, logKey, memoryMark, startTally, type Started } from '../ledger/tally.ts';

export type Source = {
  readonly store: LedgerStore;
  readonly sequencer: Started['sequencer'];
  readonly note: () => string;
};

/** A ledger of the tally; `seed` makes its entries differ from another's. */
export const tallyOf = async (count: number, seed = 0): Promise<Source> => {
  const store = memoryStore();
  const { sequencer } = await startTally(store, memoryMark());
  await addTo({ sequencer }, count, seed);
  return { store, sequencer, note: () => sequencer.signedHead()?.note ?? '' };
};

export const addTo = async ({ sequencer }: Pick<Source, 'sequencer'>, count: number, seed = 0): Promise<void> => {
  for (let done = 0; done < count; done += 200)
    await Promise.all(
      Array.from({ length: Math.min(200, count - done) }, (_, at) => sequencer.submit(add(seed + done + at))),
    );
};

/** An entry with a document. */
export const attach = async ({ sequencer }: Pick<Source, 'sequencer'>, text: string): Promise<string> => {
  const digest = digestOf(text);
  await sequencer.submit(
    { type: 'Weigh', attachments: [digest] },
    { attachments: new Map([[digest, Buffer.from(text)]]) },
  );
  return digest;
};

export const evidence: { readonly [name: string]: string }[] = [];

export const copyOf = async (source: Source, place: TilePlace, note = source.note()): Promise<Result<Copied>> => {
  const held = await checkpointOf(place, logKey);
  if (!held.ok) return held;
  const target = verifyCheckpoint(note, logKey);
  if (!target.ok) return target;
  const { store } = source;
  const { size, root } = held.value?.checkpoint ?? { size: 0, root: emptyRoot };
  const copy = readTiles(place);
  const tree = await growTree(
    { name: place.name, size, root, leafHashes: (from, to) => copy.leafHashes('main', from, to) },
    (from, to) => store.leafHashes('main', from, to),
    target.value,
  );
  if (!tree.ok) return tree;
  return copyTiles({
    place,
    supply: {
      entries: (from, to) => store.entries('main', from, to),
      blob: (digest) => store.blob('main', digest),
    },
    tree: tree.value,
    note,
    logKey,
    keepEvidence: (notes) => `evidence ${evidence.push(notes)}`,
  });
};

export { folderPlace };
export const readAt = (folder: string, path: string): Buffer => readFileSync(join(folder, path));
export const writeAt = (folder: string, path: string, bytes: string | Uint8Array): void =>
  writeFileSync(join(folder, path), bytes);
