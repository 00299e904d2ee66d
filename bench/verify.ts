// SPDX-License-Identifier: Apache-2.0
// Offline verification of permits with two votes on one core, beside the bare signature checks in them; and the start of
// the built verifier beside that of Node itself. Every permit is another one, of one export: the checkpoint is theirs in
// common, the request and the votes are each permit's own, and no signature was seen before.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verify as verifyBytes, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { digestOf } from '../src/crypto/digest.ts';
import { parseSshSignature, signedData } from '../src/crypto/sshsig.ts';
import { namespaces, type StatementType } from '../src/kernel/statements.ts';
import { consistencyProof, inclusionProof } from '../src/ledger/proof.ts';
import { entriesFor, formatPermitFile, verifyPermit } from '../src/verify/verify.ts';
import { SealedWorld, slabOf } from '../test/verify/sealed-world.ts';
import { lessIsBetter, moreIsBetter, type BenchLine } from './bench-line.ts';
import { twoSeats } from './two-seats.ts';

const permits = 1500;
const warmUpPermits = 300;
type Signed = { readonly key: KeyObject; readonly data: Uint8Array; readonly signature: Uint8Array };

/** The signatures that are each permit's own: of the request and of the two votes. */
const signaturesIn = (file: string): readonly Signed[] => {
  const { entries } = JSON.parse(file) as { entries: string[] };
  return entries.slice(1).map((text) => {
    const { command } = JSON.parse(text) as { command: { envelope: { statement: string; signature: string } } };
    const { statement, signature } = command.envelope;
    const parsed = parseSshSignature(Buffer.from(signature, 'base64'));
    if (!parsed.ok) throw new Error(parsed.refusal.message);
    const { type } = JSON.parse(statement) as { type: StatementType };
    // The body is the length of the raw Ed25519 signature and then those 64 bytes.
    const data = signedData(namespaces[type], parsed.value.hashAlgorithm, statement);
    return { key: parsed.value.key.verifyKey, data, signature: parsed.value.body.subarray(4) };
  });
};

const secondsOf = (work: () => void): number => {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
};

const build = (): { readonly world: SealedWorld; readonly files: readonly Buffer[] } => {
  const world = new SealedWorld({ policy: twoSeats });
  const ids = Array.from({ length: permits }, (_, at) => {
    const facts = { service: `shop-${at}` };
    return world.permitted(['linus', 'radia'], { facts, reason: digestOf(String(at)) }, { attested: [] });
  });
  // One tree over all of them, as on a server; built once, because only reading is measured.
  const { slab } = slabOf(world.entries);
  const { size } = slab;
  const { note } = world.checkpoint();
  const files = ids.map((request) => {
    const entries = new Map(entriesFor(world.state, request).map((index) => [index, world.entries[index] ?? '']));
    const file = formatPermitFile({
      request,
      entries,
      blobs: world.blobs,
      checkpoint: note,
      inclusion: (index) => inclusionProof(size, index, slab.hashAt),
      consistency: (from) => consistencyProof(from, size, slab.hashAt),
    });
    if (!file.ok) throw new Error(file.refusal.message);
    return Buffer.from(file.value);
  });
  return { world, files };
};

type Measured = { readonly ours: number; readonly bare: number };

// In a thread of its own, whose memory has seen none of these signatures: building the files verified them all.
const measure = ({ pin, files }: { readonly pin: string; readonly files: readonly string[] }): Measured => {
  const options = { pin, allowTrial: true };
  const bytes = files.map((file) => Buffer.from(file));
  const [warmUp, rest] = [bytes.slice(0, warmUpPermits), bytes.slice(warmUpPermits)];
  // Warm code, not warm memories: the permits that are measured come once.
  for (let round = 0; round < 10; round += 1) for (const file of warmUp) verifyPermit(file, options);
  const ours = secondsOf(() => {
    for (const file of rest) if (verifyPermit(file, options).result !== 'PASS') throw new Error('a permit fails');
  });
  const checks = files.slice(warmUpPermits).map(signaturesIn);
  const bare = secondsOf(() => {
    for (const signed of checks)
      for (const { key, data, signature } of signed)
        if (!verifyBytes(null, data, key, signature)) throw new Error('a signature fails');
  });
  return { ours: rest.length / ours, bare: rest.length / bare };
};

const throughput = async (): Promise<BenchLine> => {
  const { world, files } = build();
  const workerData = { pin: world.ledger, files: files.map((file) => file.toString()) };
  const worker = new Worker(new URL(import.meta.url), { workerData });
  const [{ ours, bare }] = (await once(worker, 'message')) as [Measured];
  return moreIsBetter('verify.permits', '1/s', ours, 'the bare checks of its 3 Ed25519 signatures', bare);
};

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
if (!isMainThread) parentPort?.postMessage(measure(workerData as Parameters<typeof measure>[0]));

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const startMs = (args: readonly string[]): number => {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}`);
  return performance.now() - started;
};

const startOfBuilt = (): readonly BenchLine[] => {
  const root = join(import.meta.dirname, '..');
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'ignore' });
  const built = join(root, 'dist', 'verify.cjs');
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    const world = new SealedWorld({ policy: twoSeats });
    const id = world.permitted(['linus', 'radia'], { facts: { service: 'shop' } }, { attested: [] });
    const file = join(folder, 'permit.json');
    writeFileSync(file, world.permitFile(id));
    const measured = (args: readonly string[]): number => median(Array.from({ length: 15 }, () => startMs(args)));
    const bare = measured(['-e', '0']);
    return [
      lessIsBetter('verify.start', 'ms', measured([built, '--help']), 'node -e 0', bare),
      lessIsBetter(
        'verify.one',
        'ms',
        measured([built, file, '--pin', world.ledger, '--allow-trial']),
        'node -e 0',
        bare,
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

export const run = async (): Promise<readonly BenchLine[]> => [await throughput(), ...startOfBuilt()];
