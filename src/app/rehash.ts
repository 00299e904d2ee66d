// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from 'node:os';
import { digestOf } from '../crypto/digest.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { edgeOf } from '../ledger/proof.ts';
import { StoreFailure, type LedgerHead, type LedgerStore, type StoredEntry } from '../ledger/store.ts';
import { formatTilePath, tileBytes, tilesOf, tileWidth, type Tile } from '../ledger/tiles.ts';
import { hashBytes, hashRun, packRun, type HashRun, type RunHashes } from './hash-run.ts';
import type { MarkKeeper } from './mark.ts';
import { RehashedTree } from './rehashed-tree.ts';
import { attachmentsNamed, isCorrupt, type Damage } from './sequencer-replay.ts';
import { readHead } from './sequencer-start.ts';
import { hashTexts } from './text-count.ts';
import { ThreadCalls } from './thread-calls.ts';

export type RehashOptions = {
  readonly tenant: string;
  readonly store: LedgerStore;
  readonly mark?: MarkKeeper | undefined;
  /** A stored tile of hashes; undefined where none are stored. */
  readonly tile?: ((tile: Tile) => Promise<Uint8Array | undefined>) | undefined;
  readonly onProgress?: (done: number, size: number) => void;
};

/** What is there, and the first entry that is not what it says, or that something else does not fit. */
export type Rehashed = {
  readonly entries: number;
  readonly blobs: number;
  readonly tiles: number;
  /** Texts behind commitments that are kept. */
  readonly texts: number;
  readonly root: string;
  readonly damage: Damage | null;
};

type Counted = { readonly count: number; readonly damage?: Damage };

/** Entries hashed at once; at 60 KiB each they take 120 MiB. */
const runLength = 8 * tileWidth;
const blobsAtOnce = 16;

/**
 * Hashes everything that is stored again: entries, blobs, texts, and every node of the tree that is kept (SPEC L1, L7, L13). It
 * knows no rules and checks no signature: what it finds sound is unchanged, not right. Reads while threads hash.
 */
export const rehash = async (options: RehashOptions): Promise<Rehashed> => {
  const { tenant, store } = options;
  const head = await readHead(store, tenant);
  const size = 'what' in head ? head.entries : head.size;
  const tree = new RehashedTree(runLength);
  const named = new Map<string, number>();
  const inEntries = await hashEntries(options, size, tree, named);
  const blobs = await hashBlobs(options, named, tree.size);
  const texts = await hashTexts(store, tenant, tree.size);
  const first = earlier(earlier(inEntries, blobs.damage), texts.damage);
  const rest = first ?? ('what' in head ? head : await guarded(tree.size, () => compare(options, head, tree)));
  const tiles: Counted = rest === undefined ? await compareTiles(options, tree) : { count: 0 };
  return {
    entries: tree.size,
    blobs: blobs.count,
    tiles: tiles.count,
    texts: texts.count,
    root: tree.rootAt(),
    damage: rest ?? tiles.damage ?? null,
  };
};

const earlier = (one: Damage | undefined, other: Damage | undefined): Damage | undefined =>
  one === undefined || (other !== undefined && other.index < one.index) ? other : one;

// What a damaged page of a database hides is damage like any other.
const guarded = async (index: number, work: () => Promise<Damage | undefined>): Promise<Damage | undefined> => {
  try {
    return await work();
  } catch (error) {
    if (isCorrupt(error)) return { index, what: error.message };
    throw error;
  }
};

const hashEntries = async (
  { tenant, store, onProgress }: RehashOptions,
  size: number,
  tree: RehashedTree,
  named: Map<string, number>,
): Promise<Damage | undefined> => {
  const hashing = startHashing(size);
  const under: { readonly page: readonly StoredEntry[]; readonly hashes: Promise<RunHashes> }[] = [];
  let stop: Damage | undefined;
  try {
    for (let from = 0; ; from += runLength) {
      if (from < size && stop === undefined) {
        const run = await readRun(store, tenant, from, Math.min(size, from + runLength));
        stop = run.damage;
        const hashes = run.entries.length === 0 ? undefined : hashing.run(packRun(run.entries));
        // Nobody waits for what comes behind the first damage.
        hashes?.catch(() => undefined);
        if (hashes !== undefined) under.push({ page: run.entries, hashes });
      }
      // The next runs are read while threads hash these.
      if (under.length <= hashing.atOnce && from + runLength < size && stop === undefined) continue;
      const oldest = under.shift();
      if (oldest === undefined) return stop;
      const damage = take(oldest.page, await oldest.hashes, tree, named);
      if (damage !== undefined) return damage;
      onProgress?.(tree.size, size);
    }
  } finally {
    await hashing.close();
  }
};

type Run = { readonly entries: readonly StoredEntry[]; readonly damage?: Damage };

// As far as it is whole: what cannot be read, or is not where it belongs, ends the run.
const readRun = async (store: LedgerStore, tenant: string, from: number, to: number): Promise<Run> => {
  const entries: StoredEntry[] = [];
  try {
    const read = await store.entries(tenant, from, to);
    for (let index = from; index < to; index += 1) {
      const entry = read[index - from];
      if (entry === undefined || entry.index !== index) return { entries, damage: { index, what: 'it is missing' } };
      entries.push(entry);
    }
    return { entries };
  } catch (error) {
    if (!(error instanceof StoreFailure)) throw error;
    if (to - from === 1) return { entries, damage: { index: from, what: error.message } };
  }
  // A damaged page of a database hides many entries; reading them one by one says which is the first.
  for (let index = from; index < to; index += 1) {
    const one = await readRun(store, tenant, index, index + 1);
    entries.push(...one.entries);
    if (one.damage !== undefined) return { entries, damage: one.damage };
  }
  return { entries };
};

const plain = Buffer.from('{"command":{"attachments":[],');

const take = (
  page: readonly StoredEntry[],
  hashes: RunHashes,
  tree: RehashedTree,
  named: Map<string, number>,
): Damage | undefined => {
  const computed = Buffer.from(hashes.leaves.buffer, hashes.leaves.byteOffset, hashes.leaves.byteLength);
  // All at once: one by one only where something is wrong.
  const sound = computed.equals(Buffer.from(page.map(({ leafHash }) => leafHash).join(''), 'hex'));
  for (const [at, { index, bytes, leafHash }] of page.entries()) {
    if (!sound && computed.toString('hex', at * hashBytes, (at + 1) * hashBytes) !== leafHash) {
      tree.add(shortened(hashes, at));
      return { index, what: 'its bytes are not those that were appended' };
    }
    if (plain.equals(bytes.subarray(0, plain.length))) continue;
    for (const digest of namedIn(bytes)) if (!named.has(digest)) named.set(digest, index);
  }
  tree.add(hashes);
  return undefined;
};

const shortened = ({ leaves, blocks }: RunHashes, entries: number): RunHashes => ({
  leaves: leaves.subarray(0, entries * hashBytes),
  blocks: blocks.subarray(0, Math.floor(entries / tileWidth) * hashBytes),
});

// Whether it is an entry at all is for a replay to say.
const namedIn = (bytes: Uint8Array): readonly string[] => {
  try {
    const { command } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly command?: object };
    return attachmentsNamed((command ?? {}) as Parameters<typeof attachmentsNamed>[0]);
  } catch {
    return [];
  }
};

const hashBlobs = async (
  { tenant, store }: RehashOptions,
  named: ReadonlyMap<string, number>,
  size: number,
): Promise<Counted> => {
  const seen = new Set<string>();
  let damage: Damage | undefined;
  const look = (digest: string, bytes: Uint8Array | undefined): void => {
    const index = named.get(digest);
    seen.add(digest);
    const whose =
      index === undefined ? `the blob \`${digest}\`, which no entry names,` : `its attachment \`${digest}\``;
    const what = bytes === undefined ? 'is missing' : digestOf(bytes) === digest ? undefined : 'was changed';
    if (what !== undefined) damage = earlier(damage, { index: index ?? size, what: `${whose} ${what}` });
  };
  const listed = await guarded(size, async () => {
    for (let after = ''; ; ) {
      const page = await store.blobs(tenant, after, blobsAtOnce);
      for (const { digest, bytes } of page) look(digest, bytes);
      after = page.at(-1)?.digest ?? after;
      if (page.length < blobsAtOnce) return undefined;
    }
  });
  for (const [digest, index] of named) {
    if (seen.has(digest)) continue;
    const missing = await guarded(index, async () => {
      look(digest, await store.blob(tenant, digest));
      return undefined;
    });
    if (missing !== undefined) damage = earlier(damage, missing);
  }
  const found = earlier(damage, listed);
  return found === undefined ? { count: seen.size } : { count: seen.size, damage: found };
};

/** Head, checkpoint and mark say sizes and roots: those that the entries have. Who signed them is not asked here. */
const compare = async (
  { tenant, store, mark }: RehashOptions,
  head: LedgerHead,
  tree: RehashedTree,
): Promise<Damage | undefined> => {
  const { size } = tree;
  if (head.root !== tree.rootAt() || head.edge.hashes.join() !== edgeOf(size, tree.hashAt).hashes.join())
    return { index: size, what: 'the head does not belong to the entries' };
  if ((await store.entries(tenant, size, size + 1)).length > 0)
    return { index: size, what: 'an entry stands behind the head' };
  const note = await store.checkpoint(tenant);
  const stored = note === undefined ? undefined : compareNote('checkpoint', note, tree);
  if (stored !== undefined || mark === undefined) return stored;
  const marked = mark.read();
  if (!marked.ok) return { index: size, what: marked.refusal.message };
  if (marked.value === undefined) return size === 0 ? undefined : { index: size, what: 'its mark is gone' };
  return compareNote('mark', marked.value.checkpoint, tree);
};

const compareNote = (what: string, note: string, tree: RehashedTree): Damage | undefined => {
  const read = readCheckpointNote(note);
  if (!read.ok) return { index: tree.size, what: `its ${what} cannot be read: ${read.refusal.message}` };
  const { size, root } = read.value;
  if (size > tree.size) return { index: tree.size, what: `it ends before its ${what}, which is at size ${size}` };
  return tree.rootAt(size) === root ? undefined : { index: size, what: `it is another history than its ${what}` };
};

/** Every tile of hashes that is stored beside the entries. */
const compareTiles = async ({ tile: stored }: RehashOptions, tree: RehashedTree): Promise<Counted> => {
  let count = 0;
  if (stored === undefined) return { count };
  for (const tile of tilesOf(tree.size)) {
    if (tile.level === 'entries') continue;
    const bytes = await stored(tile);
    const wanted = Buffer.from(tileBytes(tile, tree.hashAt));
    if (bytes === undefined || !wanted.equals(bytes)) {
      const first = tile.index * tileWidth ** (tile.level + 1);
      const what = `tile \`${formatTilePath(tile)}\` above it ${bytes === undefined ? 'is missing' : 'was changed'}`;
      return { count, damage: { index: first, what } };
    }
    count += 1;
  }
  return { count };
};

type Hashing = {
  readonly atOnce: number;
  readonly run: (run: HashRun) => Promise<RunHashes>;
  readonly close: () => Promise<void>;
};

// A thread takes longer to start than a small ledger takes to hash.
const startHashing = (size: number): Hashing => {
  if (size <= 2 * runLength) return { atOnce: 0, run: async (run) => hashRun(run), close: async () => {} };
  const script = new URL('./hash-thread.ts', import.meta.url);
  const threads = Array.from(
    { length: Math.min(2, availableParallelism()) },
    () => new ThreadCalls(script, (cause) => new Error(`a thread that hashes ended: ${String(cause)}`)),
  );
  let turn = 0;
  return {
    atOnce: threads.length,
    run: async (run) => {
      turn += 1;
      return (await threads[turn % threads.length]?.ask(run, [run.leaves.buffer])) as RunHashes;
    },
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
};
