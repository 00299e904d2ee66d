// SPDX-License-Identifier: Apache-2.0
// Three real servers of one ledger in a real PostgreSQL, under load over HTTP. One is killed, one is stopped for longer
// than its session lasts, in the middle of a batch where it can be met there, and goes on.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fsck } from '../../src/app/fsck.ts';
import { markFile } from '../../src/app/mark.ts';
import { noteSigner, noteVerifier } from '../../src/crypto/signed-note.ts';
import { addMs } from '../../src/kernel/instant.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { receiver, secretText, type Receiver } from '../adapters/notices-receivers.ts';
import { logSeed } from '../server/running.ts';
import { skip } from '../support/postgres.ts';
import { long, pause } from './killed-child.ts';
import { ServerLoad } from './server-load.ts';
import { ServerTrio, sessionMs, type Member } from './server-trio.ts';

const rounds = long ? 6 : 1;
/** Requests that nobody answers: time ends them, while one server is dead and one is stopped. */
const expiring = 4;
const expireAfterMs = 8000;

const until = async (what: string, holds: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> => {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await pause(20);
  }
};

type Told = { readonly type: string; readonly request: unknown; readonly index: number };
const toldIn = async (store: LedgerStore): Promise<readonly Told[]> => {
  const { size } = await store.head('main');
  const told: Told[] = [];
  for (let from = 0; from < size; from += 500)
    for (const { index, bytes } of await store.entries('main', from, from + 500)) {
      const entry = parseEntry(bytes);
      assert.ok(entry.ok && entry.value.index === index);
      for (const event of entry.value.events) {
        const { request } = (event['type'] === 'PermitIssued' ? event['permit'] : event) as { request?: unknown };
        told.push({ type: String(event['type']), request, index });
      }
    }
  return told;
};

/** Messages by what they tell: the ids under which each was heard. */
const heardBy = ({ messages }: Receiver): ReadonlyMap<string, ReadonlySet<string>> => {
  const heard = new Map<string, Set<string>>();
  for (const { id, body, verified } of messages) {
    assert.ok(verified);
    const { type, data } = JSON.parse(body) as { type: string; data: { request: string } };
    const what = `${type} ${data.request}`;
    heard.set(what, (heard.get(what) ?? new Set()).add(id));
  }
  return heard;
};

const assertLedger = async (trio: ServerTrio, load: ServerLoad, expired: readonly string[]): Promise<number> => {
  const store = await trio.store();
  try {
    const signer = noteSigner('countersign-trial/0123456789abcdef0123456789abcdef', logSeed);
    const logKey = noteVerifier(signer.name, signer.publicKey);
    assert.ok(logKey.ok);
    for (const { dir } of trio.members) {
      const mark = markFile(join(dir, 'mark', 'main.json'));
      const checked: Awaited<ReturnType<typeof fsck>> = await fsck(store, 'main', lifecycle, logKey.value, { mark });
      assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
    }
    for (const [key, { index, entry, proof }] of load.receipts) {
      const [stored] = await store.entries('main', index, index + 1);
      assert.equal(Buffer.from(stored?.bytes ?? []).toString(), entry, `${key}, entry ${index}`);
      assert.ok(verifyTlogProof(proof, leafHash(entry), logKey.value).ok);
    }
    const places = [...load.receipts.values()].map(({ index }) => index);
    assert.equal(new Set(places).size, places.length, 'no entry answers for two calls');
    const told = await toldIn(store);
    const count = (type: string, request?: string): number =>
      told.filter((one) => one.type === type && (request === undefined || one.request === request)).length;
    assert.equal(count('RequestSubmitted'), load.lives.length + expired.length, 'nothing is there that nobody asked');
    for (const { request, used } of load.lives) {
      for (const type of ['RequestSubmitted', 'ApprovalRecorded', 'PermitIssued'])
        assert.equal(count(type, request), 1, `${type} of ${request}`);
      for (const type of ['PermitConsumed', 'ResultRecorded'])
        assert.equal(count(type, request), used ? 1 : 0, `${type} of ${request}`);
    }
    for (const request of expired) assert.equal(count('RequestExpired', request), 1, request);
    assert.equal(count('RequestExpired'), expired.length);
    return (await store.head('main')).size;
  } finally {
    await store.close();
  }
};

test(`INV3, INV6, INV7, SPEC L15, L17, L18: three servers on one PostgreSQL under load, one killed and one stopped and resumed, rounds ${rounds}: one history, no effect twice, time tells once`, {
  skip,
}, async (t) => {
  const heard = await receiver();
  t.after(() => heard.close());
  const secret = ServerTrio.secretIn(t, secretText);
  const trio = await ServerTrio.open(
    t,
    `notices:\n  webhooks:\n    - {url: "${heard.url}/in", secret-file: ${secret}}\n`,
  );
  const load = new ServerLoad(trio.members);
  const stop = new AbortController();
  t.after(() => stop.abort());
  const pressing = Array.from({ length: 6 }, () => load.press(stop.signal));
  // One that fails says so at once, and not after everything else.
  const failed = Promise.race(pressing.map((one) => one.then(() => new Promise<never>(() => {}))));
  failed.catch(() => undefined);
  const expired: string[] = [];
  let met = 0;

  const play = async (round: number): Promise<void> => {
    const [killed, stopped, third] = [0, 1, 2].map((at) => trio.members[(round + at) % 3]) as [Member, Member, Member];
    const goesOn = async (who: readonly Member[], more: number, what: string): Promise<void> => {
      const before = who.map((one) => load.answersOf(one));
      await until(what, () => who.every((one, at) => load.answersOf(one) >= (before[at] ?? 0) + more));
    };
    await goesOn(trio.members, 5, 'every server answers');
    for (let at = 0; at < expiring; at += 1) {
      const body = third.running.requestBody({ not_after: addMs(third.running.now(), expireAfterMs) });
      expired.push((await load.ask(body)).request);
    }
    const { signal } = await killed.child.kill();
    assert.equal(signal, 'SIGKILL', killed.child.errors());
    await goesOn([stopped, third], 5, 'the others go on without the one that was killed');
    if (await trio.freezeInBatch(stopped, long ? 40 : 12)) met += 1;
    const since = performance.now();
    const silent = load.answersOf(stopped);
    await goesOn([third], 5, 'the last one goes on while the other is stopped');
    await pause(sessionMs - (performance.now() - since));
    await trio.assertNoneHolds();
    assert.equal(load.answersOf(stopped), silent);
    stopped.child.process.kill('SIGCONT');
    await goesOn([stopped, third], 10, 'it goes on when it wakes');
    if (round + 1 < rounds) await trio.start(killed);
  };
  const played = (async () => {
    for (let round = 0; round < rounds; round += 1) await play(round);
  })();
  await Promise.race([played, failed]);
  stop.abort();
  await Promise.all(pressing);

  const store = await trio.store();
  t.after(() => store.close());
  const all = async (): Promise<number> => (await toldIn(store)).filter(({ type }) => type === 'RequestExpired').length;
  await until('every request that was due has expired', async () => (await all()) >= expired.length);
  // What the one that was killed had in hand is sent by another once its claim has run out, if it is still true then:
  // of a permit that was used meanwhile nobody is told any more.
  const wanted = [
    ...expired.map((request) => `request.expired ${request}`),
    ...(long ? load.lives.flatMap(({ request, used }) => (used ? [] : [`permit.issued ${request}`])) : []),
  ];
  const untold = (): readonly string[] => wanted.filter((one) => !heardBy(heard).has(one));
  await until('it is told', () => untold().length === 0, 60_000).catch(() => assert.deepEqual(untold(), []));
  await pause(300);
  for (const [what, ids] of heardBy(heard)) assert.equal(ids.size, 1, `${what} under ${[...ids].join()}`);
  // Whoever sends one has claimed it, and nobody died over these.
  for (const request of expired) {
    const messages = heard.messages.filter(({ body }) => body.includes('"request.expired"') && body.includes(request));
    assert.equal(messages.length, 1, request);
  }

  for (const { child, name } of trio.members) {
    if (child.process.exitCode !== null || child.process.signalCode !== null) continue;
    child.process.kill('SIGTERM');
    const { code } = await child.ended;
    assert.equal(code, 0, `${name}: ${child.errors()}`);
  }
  const size = await assertLedger(trio, load, expired);
  t.diagnostic(
    `${rounds} rounds, ${met} stopped in a batch, ${size} entries, ${load.receipts.size} receipts, ${load.unanswered} calls without an answer, ${load.refused} told to come again, ${heard.messages.length} notices`,
  );
});
