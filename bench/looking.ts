// SPDX-License-Identifier: Apache-2.0
// `ledger fsck` beside reading and hashing the same bytes, and `ledger replay` of real lifecycles beside nothing but the
// checks of their signatures.
import { verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { readAhead, signedParts } from '../src/app/check-ahead.ts';
import { checkElsewhere } from '../src/app/check-elsewhere.ts';
import { examine } from '../src/app/fsck.ts';
import { rehash } from '../src/app/rehash.ts';
import { takeUnchecked } from '../src/cli/ledger-unchecked.ts';
import { noteVerifier, type NoteVerifier } from '../src/crypto/signed-note.ts';
import { parseSshSignature, signedData } from '../src/crypto/sshsig.ts';
import { leafHash, rootOf } from '../src/ledger/merkle.ts';
import { MerkleSlab } from '../src/ledger/slab.ts';
import { lifecycle } from '../src/lifecycle/lifecycle.ts';
import { SealedWorld, signerFor } from '../test/verify/sealed-world.ts';
import { embeddedStore } from './appending.ts';
import { moreIsBetter, type BenchLine } from './bench-line.ts';
import { twoSeats } from './two-seats.ts';

/** Of a folder that holds a ledger of so many entries. */
export const fsckLine = async (folder: string): Promise<BenchLine> => {
  const file = join(folder, 'ledger', 'ledger-main.sqlite');
  const raw = (): number => {
    const db = new DatabaseSync(file, { readOnly: true });
    const began = performance.now();
    for (const { bytes } of db.prepare('SELECT bytes FROM entries ORDER BY idx').iterate() as Iterable<{
      bytes: Uint8Array;
    }>)
      leafHash(bytes);
    const seconds = (performance.now() - began) / 1000;
    db.close();
    return seconds;
  };
  raw();
  const store = embeddedStore(folder);
  const began = performance.now();
  const { entries, damage } = await rehash({ tenant: 'main', store });
  const seconds = (performance.now() - began) / 1000;
  await store.close();
  if (damage !== null) throw new Error(damage.what);
  const against = `reading and hashing the same bytes; ${entries} entries in ${seconds.toFixed(1)} s`;
  return moreIsBetter('ledger.fsck', 'entries/s', entries / seconds, against, entries / raw());
};

const lifecycles = 2000;
const writeLifecycles = async (folder: string): Promise<void> => {
  const world = new SealedWorld({ policy: twoSeats });
  for (let at = 0; at < lifecycles; at += 1) {
    const id = world.permitted(['linus', 'radia'], { facts: { service: `shop-${at}` } }, { attested: [] });
    world.accept(world.consumption(id));
    world.accept(world.result(id, 'succeeded'));
  }
  const slab = new MerkleSlab();
  const stored = world.entries.map((text, index) => {
    const bytes = Buffer.from(text);
    const hash = leafHash(bytes);
    slab.append(hash);
    return { index, bytes, leafHash: hash };
  });
  const store = embeddedStore(folder);
  await store.batch('main', async (tx) => {
    for (const [digest, bytes] of world.blobs) await tx.putBlob({ digest, bytes });
    const edge = slab.edge();
    await tx.insert(stored, await tx.head(), { size: edge.size, root: rootOf(edge), edge, time: world.time });
    await tx.putCheckpoint(world.checkpoint().note);
  });
  await store.close();
};

const logKey = (): NoteVerifier => {
  const signer = signerFor(true);
  const key = noteVerifier(signer.name, signer.publicKey);
  if (!key.ok) throw new Error(key.refusal.message);
  return key.value;
};

type Asked = { readonly folder: string; readonly work: 'replay' | 'unchecked' | 'bare' };
type Measured = { readonly entries: number; readonly seconds: number };

const replayOnce = async (folder: string, checked: boolean): Promise<Measured> => {
  const store = embeddedStore(folder);
  const began = performance.now();
  const look = checked
    ? ({ envelope, namespace }: Parameters<typeof takeUnchecked>[0]) => checkElsewhere(envelope, namespace)
    : takeUnchecked;
  const examined = await examine(store, 'main', lifecycle, logKey(), {
    reading: (source, size) => readAhead(source, size, look),
  });
  const seconds = (performance.now() - began) / 1000;
  await store.close();
  if (!examined.ok) throw new Error(examined.refusal.message);
  const { entries, damage } = examined.value.report;
  if (damage !== null) throw new Error(damage.what);
  return { entries, seconds };
};

/** The same signatures, on as many threads. */
const bareChecks = async (folder: string): Promise<Measured> => {
  const store = embeddedStore(folder);
  const { size } = await store.head('main');
  const parts = (await store.entries('main', 0, size)).flatMap(({ bytes }) => signedParts(bytes));
  await store.close();
  const checks = parts.map(({ envelope: { statement, signature }, namespace }) => {
    const parsed = parseSshSignature(Buffer.from(signature, 'base64'));
    if (!parsed.ok) throw new Error(parsed.refusal.message);
    const data = signedData(namespace, parsed.value.hashAlgorithm, statement);
    // The body is the length of the raw Ed25519 signature and then those 64 bytes.
    return { data, key: parsed.value.key.verifyKey, signature: parsed.value.body.subarray(4) };
  });
  const began = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let one = checks[next++]; one !== undefined; one = checks[next++]) {
      const { data, key, signature } = one;
      await new Promise<void>((resolve, reject) => {
        verify(null, data, key, signature, (error, holds) => (holds ? resolve() : reject(error ?? new Error('no'))));
      });
    }
  };
  await Promise.all(Array.from({ length: 64 }, work));
  return { entries: size, seconds: (performance.now() - began) / 1000 };
};

// In a thread of its own, whose memory has seen none of these signatures: writing the ledger made them all.
const inThread = async (asked: Asked): Promise<Measured> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: asked });
  const [measured] = (await once(worker, 'message')) as [Measured];
  return measured;
};

const measure = ({ folder, work }: Asked): Promise<Measured> =>
  work === 'bare' ? bareChecks(folder) : replayOnce(folder, work === 'replay');

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
if (!isMainThread) parentPort?.postMessage(await measure(workerData as Asked));

export const replayLines = async (): Promise<readonly BenchLine[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    await writeLifecycles(folder);
    const rate = async (work: Asked['work']): Promise<number> => {
      const { entries, seconds } = await inThread({ folder, work });
      return entries / seconds;
    };
    const bare = await rate('bare');
    const against = 'nothing but the checks of its signatures, on all cores';
    return [
      moreIsBetter('ledger.replay', 'entries/s', await rate('replay'), against, bare),
      moreIsBetter('ledger.replay.unchecked', 'entries/s', await rate('unchecked'), against, bare),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
