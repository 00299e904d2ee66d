// SPDX-License-Identifier: Apache-2.0
// The ledger by itself: durable appends, proofs, and what a large ledger costs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Latin1 } from '../src/crypto/digest.ts';
import { leafHash, rootOf } from '../src/ledger/merkle.ts';
import { inclusionProof, verifyInclusion, type HashAt } from '../src/ledger/proof.ts';
import { MerkleSlab } from '../src/ledger/slab.ts';
import { tileCache } from '../src/ledger/tile-cache.ts';
import { tileBytes } from '../src/ledger/tiles.ts';
import { embeddedStore, openOurs, openRaw } from './appending.ts';
import { lessIsBetter, moreIsBetter, type BenchLine } from './bench-line.ts';
import { fsckLine, replayLines } from './looking.ts';
import { postgresLines } from './postgres-appending.ts';

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? 0;

type Load = { readonly inFlight: number; readonly slice: number; readonly slices: number };

// In turns, slice by slice, so that whatever else the machine does falls on both.
const append = ({ inFlight, slice, slices }: Load): Promise<BenchLine> =>
  inFolder(async (folder) => {
    const ours = await openOurs({ store: embeddedStore(folder), mark: join(folder, 'mark.json'), keyed: true });
    const raw = openRaw(folder);
    let [mySeconds, rawSeconds] = [0, 0];
    for (let at = -2; at < slices; at += 1) {
      const mine = await ours.append(slice, inFlight);
      const theirs = raw.append(await ours.lastEntries(slice), inFlight);
      if (at >= 0) [mySeconds, rawSeconds] = [mySeconds + mine, rawSeconds + theirs];
    }
    await ours.close();
    raw.close();
    const total = slice * slices;
    const against =
      inFlight === 1 ? 'raw durable inserts of the same bytes, one at a time' : 'raw batched inserts of the same bytes';
    return moreIsBetter(
      `ledger.append.embedded.${inFlight}`,
      'entries/s',
      total / mySeconds,
      against,
      total / rawSeconds,
    );
  });

const proofLimitMs = 15;
const toProof = (): Promise<BenchLine> =>
  inFolder(async (folder) => {
    const ours = await openOurs({ store: embeddedStore(folder), mark: join(folder, 'mark.json'), keyed: true });
    await ours.prove(4096, 64);
    const took = await ours.prove(32 * 1024, 64);
    await ours.close();
    const against = 'the limit we set ourselves';
    return lessIsBetter('ledger.append.proof-p99', 'ms', percentile(took, 0.99), against, proofLimitMs);
  });

const treeSize = 1_000_000;
const proofsAsked = 60_000;

const rateOf = (count: number, work: (at: number) => void): number => {
  const began = performance.now();
  for (let at = 0; at < count; at += 1) work(at);
  return (count / (performance.now() - began)) * 1000;
};

// A proof of a million entries is 20 hashes: to make one cannot cost more than to hash them would.
const proofs = (): readonly BenchLine[] => {
  const slab = new MerkleSlab();
  for (let at = 0; at < treeSize; at += 1) slab.append(leafHash(`entry ${at}`));
  const size = treeSize - 7;
  const root = rootOf(slab.edge(size));
  // Scattered, so that no cache is helped or hurt by an order.
  const indexOf = (at: number): number => (Math.imul(at + 1, 0x9e3779b1) >>> 0) % size;
  const pair = Buffer.alloc(65, 1);
  const chain = (): void => {
    for (let level = 0; level < 20; level += 1) sha256Latin1(pair);
  };
  const made = (hashAt: HashAt) => (at: number) => void inclusionProof(size, indexOf(at), hashAt);
  // Room for all tiles of the tree but one in a hundred: 62 MiB instead of the 64 bytes a leaf of the tree in memory.
  const cached = tileCache((tile) => tileBytes(tile, slab.hashAt), 3880)(size);
  for (const hashAt of [slab.hashAt, cached]) rateOf(proofsAsked, made(hashAt));
  const kept = Array.from({ length: proofsAsked }, (_, at) => inclusionProof(size, indexOf(at), slab.hashAt));
  const check = (at: number): void => {
    const index = indexOf(at);
    const claim = { leafHash: slab.hashAt(0, index), index, size, proof: kept[at] ?? [], root };
    if (!verifyInclusion(claim).ok) throw new Error('a proof does not hold');
  };
  rateOf(proofsAsked, check);
  const bare = rateOf(proofsAsked, chain);
  const against = 'the bare chain of 20 hashes';
  return [
    moreIsBetter('ledger.proof', '1/s', rateOf(proofsAsked, made(slab.hashAt)), against, bare),
    moreIsBetter('ledger.proof.verify', '1/s', rateOf(proofsAsked, check), against, bare),
    moreIsBetter('ledger.proof.tiles', '1/s', rateOf(proofsAsked, made(cached)), against, bare),
  ];
};

// COUNTERSIGN_BENCH_ENTRIES=5000000 is what the floor speaks of; it takes minutes and 5 GB of disk.
const grown = Number(process.env['COUNTERSIGN_BENCH_ENTRIES'] ?? 300_000);
const growth = (): Promise<readonly BenchLine[]> =>
  inFolder(async (folder) => {
    const ours = await openOurs({ store: embeddedStore(folder), mark: join(folder, 'mark.json'), keyed: false });
    const rate = async (): Promise<number> => 32_768 / (await ours.append(32_768, 256));
    await ours.append(10_000, 256);
    const early = await rate();
    for (let entries = 42_768; entries < grown; entries += 32_768) await ours.append(32_768, 256);
    const late = await rate();
    await ours.close();
    return [
      moreIsBetter('ledger.growth', 'entries/s', late, `the same at 10 k entries; ours at ${grown}`, early),
      await fsckLine(folder),
    ];
  });

export const run = async (): Promise<readonly BenchLine[]> => [
  await append({ inFlight: 256, slice: 4096, slices: 14 }),
  await append({ inFlight: 1, slice: 512, slices: 10 }),
  await toProof(),
  ...proofs(),
  ...(await postgresLines()),
  ...(await replayLines()),
  ...(await growth()),
];
