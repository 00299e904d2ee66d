// SPDX-License-Identifier: Apache-2.0
// SPEC L17, L21, L22: heartbeats and witnesses of several servers that append to one store.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HeadCosigner, type HeadCosignerOptions } from '../../src/app/head-cosigner.ts';
import { cosign, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { ok, refuse } from '../../src/kernel/refusal.ts';
import { heartbeatSigner } from '../../src/ledger/heartbeat.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { parseWitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { pause } from '../crash/killed-child.ts';
import { add, logKey, memoryMark, signer, startTally } from '../ledger/tally.ts';
import { judgingWitness } from '../support/judging-witness.ts';
import { sharedMemory } from './shared-stores.ts';

const start = Date.parse('2026-11-25T04:00:00.000Z');

/** One of the servers; it looks at the store when it is asked, and hardly by itself. */
const server = async (t: TestContext, store: LedgerStore, more: Partial<HeadCosignerOptions> = {}) => {
  const { sequencer } = await startTally(store, memoryMark(), { acceptMissingMark: true, lookEveryMs: 600_000 });
  const told: { event: string; code: unknown }[] = [];
  const kept: string[] = [];
  const heads = await HeadCosigner.start({
    tenant: 'main',
    store,
    source: sequencer,
    log: logKey,
    sign: async (text, time) => ok(cosign(text, heartbeatSigner(signer), time)),
    keeper: { read: () => ok(undefined), write: async (note) => void kept.push(note) },
    now: () => Date.now(),
    witnesses: [],
    everyMs: 60_000,
    leastMs: 10,
    answerWithinMs: 400,
    onEvent: (_, event, values) => void told.push({ event, code: values['code'] }),
    ...more,
  });
  t.after(async () => {
    await heads.stop();
    await sequencer.close();
  });
  return { sequencer, heads, told, kept };
};

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let waited = 0; !(await holds()); waited += 5) {
    assert.ok(waited < 5000, `never: ${what}`);
    await pause(5);
  }
};

test("L17, L21: a heartbeat covers what others appended, goes by the store's clock, and stands only on what was written", async (t) => {
  const clock = { now: start };
  const written: string[] = [];
  const inner = sharedMemory(() => clock.now);
  const store: LedgerStore = {
    ...inner,
    putCheckpoint: async (tenant, note) => {
      written.push(note);
      await inner.putCheckpoint(tenant, note);
    },
  };
  // Its own clock is an hour behind, which is nothing to anybody.
  const now = (): number => start - 3_600_000;
  const one = await server(t, inner, { now });
  await one.sequencer.submit(add(1));
  const other = await server(t, store, { now, everyMs: 20 });
  assert.equal(other.heads.newest()?.time, start / 1000);
  clock.now = start + 10_000;
  await one.sequencer.submit(add(2));
  clock.now = start + 20_000;
  await until('a heartbeat of both entries', () => other.heads.newest()?.size === 2);
  assert.deepEqual(other.heads.newest()?.time, clock.now / 1000);
  await until('it is written before it is renewed', () => written.at(-1) === other.sequencer.signedHead()?.note);
  clock.now = start + 30_000;
  // A renewal that began before carries the time from before.
  await until('a heartbeat of now', () => other.heads.newest()?.time === clock.now / 1000);
  const { index } = await other.sequencer.submit(add(3));
  const current = await other.heads.current();
  assert.deepEqual([index, current?.size], [2, 3]);
  // A renewal that was under way has read the clock before.
  assert.ok([start + 20_000, start + 30_000].includes((current?.time ?? 0) * 1000));
  assert.deepEqual(other.told, []);
});

test('L17, L21: who cannot find out how far the store is says no heartbeat', async (t) => {
  const inner = sharedMemory();
  const state = { down: false };
  const store: LedgerStore = {
    ...inner,
    head: (tenant) => (state.down ? Promise.reject(new Error('the line is down')) : inner.head(tenant)),
  };
  const one = await server(t, inner);
  await one.sequencer.submit(add(1));
  const other = await server(t, store, { everyMs: 20 });
  const before = other.heads.newest();
  assert.equal(before?.size, 1);
  state.down = true;
  await one.sequencer.submit(add(2));
  await until('the heartbeat is withheld', () => other.heads.standing().withheld?.code === 'heartbeat-withheld');
  const since = other.heads.newest();
  await pause(50);
  assert.equal(await other.heads.stamped(), undefined);
  assert.deepEqual(other.heads.newest(), since);
});

test('L17, L22: a witness that another server showed more is no alarm; one that claims more than there is is one', async (t) => {
  const store = sharedMemory();
  const witness = judgingWitness('witness.example/w1', Buffer.alloc(32, 21), logKey);
  const policy = parseWitnessPolicy(`witness W ${formatCosignerKey(witness.key)}\nquorum W\n`);
  assert.ok(policy.ok);
  const asked = { policy: policy.value, witnesses: [witness] };
  const one = await server(t, store, asked);
  await one.sequencer.submit(add(1));
  await until('the first is cosigned', () => one.heads.newest()?.quorum != null);
  const first = await one.heads.coveringAtLeast(1);
  let meant = 2;
  witness.instead = async () => {
    witness.instead = undefined;
    // While this one's question was on its way the other appended, and asked.
    if (meant === 2) await one.sequencer.submit(add(2));
    return refuse('witness-ahead', 'L20', 'has cosigned more', { size: meant });
  };
  const other = await server(t, store, asked);
  await until('both hold both', () => other.heads.newest()?.size === 2 && other.heads.newest()?.quorum != null);
  assert.ok(!other.told.some(({ event }) => event === 'witness-failed'));
  assert.equal(await other.heads.coveringAtLeast(1), first, 'the first note of a size stays');
  meant = 99;
  witness.instead = async () => refuse('witness-ahead', 'L20', 'has cosigned more', { size: meant });
  await other.sequencer.submit(add(3));
  await until('the alarm', () =>
    other.told.some(({ event, code }) => event === 'witness-failed' && code === 'witness-ahead'),
  );
});
