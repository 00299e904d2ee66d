// SPDX-License-Identifier: Apache-2.0
// Whole lifecycles over HTTP: a signed request, two votes, permit with proof, consumption, result. 32 in flight.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../src/adapters/sqlite/sqlite-store.ts';
import type { Accepted, PermitAnswer, Submitted } from '../src/contract/api.ts';
import { digestOf, sha256Hex } from '../src/crypto/digest.ts';
import { addMs, instantFromMs } from '../src/kernel/instant.ts';
import type { Envelope } from '../src/kernel/statements.ts';
import { readCheckpointNote } from '../src/ledger/checkpoint.ts';
import { appendLeaf, emptyEdge, leafHash, rootOf } from '../src/ledger/merkle.ts';
import type { LedgerHead } from '../src/ledger/store.ts';
import { verifyEnvelope } from '../src/roster/authenticate.ts';
import { found } from '../test/server/running.ts';
import { day, fingerprintOf, personOf, sign } from '../test/support/world.ts';
import { lessIsBetter, moreIsBetter, type BenchLine } from './bench-line.ts';
import { httpSender } from './http-sender.ts';
import { twoSeats } from './two-seats.ts';

const inFlight = 32;
const warmUp = 300;
const measured = 2000;
const slowestMs = 200;
const signatures = 5;
const entries = 6;

type Post = <T>(path: string, body: unknown) => Promise<T>;

const poster = (url: string, token: string): Post => {
  const send = httpSender(url, token, inFlight);
  return async <T>(path: string, body: unknown): Promise<T> => JSON.parse(await send(path, JSON.stringify(body))) as T;
};

let drawn = 0;
const hex = (digits: number): string => {
  drawn += 1;
  return sha256Hex(`${process.pid} ${process.hrtime.bigint()} ${drawn}`).slice(0, digits);
};
const now = () => instantFromMs(Date.now());

const headOf = (proof: string): { readonly size: number; readonly root: string } => {
  const checkpoint = readCheckpointNote(proof.slice(proof.indexOf('\n\n') + 2));
  if (!checkpoint.ok) throw new Error(checkpoint.refusal.message);
  return { size: checkpoint.value.size, root: checkpoint.value.root };
};

/** A request as its requester has signed it, before anything is measured; the rest is signed as the answers come. */
const signedRequest = (ledger: string): Envelope =>
  sign(
    {
      type: 'countersign.dev/request/v0',
      ledger,
      tenant: 'main',
      by: `person:${personOf('ada')}`,
      drivers: [],
      action: 'deploy.production',
      facts: { service: 'shop' },
      reason: digestOf('because'),
      content: null,
      audience: 'web',
      executor: fingerprintOf('deployer'),
      emergency: false,
      nonce: hex(16),
      not_after: addMs(now(), day),
    },
    'ada',
  );

const runOnce = async (post: Post, ledger: string, envelope: Envelope): Promise<void> => {
  const common = (by: string) => ({ ledger, tenant: 'main', by });
  const until = addMs(now(), day);
  const asked = await post<Submitted>('/v1/requests', { envelope });
  const path = `/v1/requests/${asked.request}`;
  for (const [name, seat] of [
    ['linus', 'platform'],
    ['radia', 'security'],
  ] as const)
    await post<Accepted>(`${path}/votes`, {
      envelope: sign(
        {
          type: 'countersign.dev/vote/v0',
          ...common(`person:${personOf(name)}`),
          request: asked.request,
          revision: 1,
          change: asked.change,
          decision: 'approve',
          seats: [seat],
          seen: headOf(asked.receipt.proof),
          comment: null,
          not_after: until,
        },
        name,
      ),
    });
  const { permit } = await post<PermitAnswer>(`${path}/permit`, {});
  const runs = { ...common('machine:deployer'), permit };
  await post<Accepted>(`/v1/permits/${permit}/consume`, {
    envelope: sign(
      {
        type: 'countersign.dev/consumption/v0',
        ...runs,
        change: asked.change,
        audience: 'web',
        challenge: hex(32),
        at: now(),
      },
      'deployer',
    ),
  });
  await post<Accepted>(`/v1/executions/${permit}/result`, {
    envelope: sign(
      { type: 'countersign.dev/result/v0', ...runs, outcome: 'succeeded', exit_code: 0, output: null, at: now() },
      'deployer',
    ),
  });
};

/** Runs so many, so many at a time; gives how long each took and all of them. */
const runMany = async (
  requests: readonly Envelope[],
  once: (request: Envelope) => Promise<void>,
): Promise<{ readonly times: readonly number[]; readonly seconds: number }> => {
  const left = requests.values();
  const times: number[] = [];
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (const request of left) {
      const at = performance.now();
      await once(request);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { times: times.sort((a, b) => a - b), seconds: (performance.now() - started) / 1000 };
};

const startProcess = async (dir: string): Promise<{ readonly child: ChildProcess; readonly url: string }> => {
  const logFile = join(dir, '..', 'server.log');
  const log = openSync(logFile, 'w');
  const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');
  const child = spawn(process.execPath, [main, 'serve', '--dir', dir, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', log],
    env: { ...process.env, NO_COLOR: '1' },
  });
  closeSync(log);
  for (let waited = 0; waited < 20_000; waited += 50) {
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(readFileSync(logFile, 'utf8'))?.[0];
    if (url !== undefined) return { child, url };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill();
  throw new Error(`the server did not start: ${readFileSync(logFile, 'utf8')}`);
};

/** The raw limit beside it: as many signature checks and durable appends as the lifecycles need, and nothing else. */
const bareSeconds = async (folder: string, count: number): Promise<number> => {
  const envelopes: Envelope[] = [];
  for (let at = 0; at < count * signatures; at += 1)
    envelopes.push(sign({ type: 'countersign.dev/vote/v0', at, filler: 'x'.repeat(600) }, 'linus'));
  const entry = Buffer.alloc(1200, 'x');
  const store = openSqliteStore(folder, { ownThread: true });
  if (!store.ok) throw new Error(store.refusal.message);
  const started = performance.now();
  for (const envelope of envelopes)
    if (!verifyEnvelope(envelope, 'countersign-vote@v1').ok) throw new Error('a signature did not hold');
  let head: LedgerHead = await store.value.head('main');
  for (let done = 0; done < count * entries; done += inFlight) {
    let edge = head.size === 0 ? emptyEdge : head.edge;
    const rows = Array.from({ length: inFlight }, (_, at) => {
      const hash = leafHash(entry);
      edge = appendLeaf(edge, hash);
      return { index: head.size + at, bytes: entry, leafHash: hash };
    });
    const after = { size: edge.size, root: rootOf(edge), edge, time: now() };
    await store.value.batch('main', (tx) => tx.insert(rows, head, after));
    head = after;
  }
  const seconds = (performance.now() - started) / 1000;
  await store.value.close();
  return seconds;
};

export const run = async (): Promise<readonly BenchLine[]> => {
  const { dir, token, pin } = await found({ policy: twoSeats });
  const bare = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    const { child, url } = await startProcess(dir);
    try {
      const post = poster(url, token);
      const once = (request: Envelope): Promise<void> => runOnce(post, pin, request);
      const requests = Array.from({ length: warmUp + measured }, () => signedRequest(pin));
      await runMany(requests.slice(0, warmUp), once);
      const { times, seconds } = await runMany(requests.slice(warmUp), once);
      const p99 = times[Math.ceil(times.length * 0.99) - 1] ?? 0;
      const bareRate = measured / (await bareSeconds(join(bare, 'ledger'), measured));
      return [
        moreIsBetter(
          'lifecycle',
          '1/s',
          measured / seconds,
          `${signatures} signature checks and ${entries} durable appends each, nothing else`,
          bareRate,
        ),
        lessIsBetter('lifecycle-p99', 'ms', p99, 'the limit we set ourselves', slowestMs),
      ];
    } finally {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    }
  } finally {
    rmSync(join(dir, '..'), { recursive: true, force: true });
    rmSync(bare, { recursive: true, force: true });
  }
};
