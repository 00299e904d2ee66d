// SPDX-License-Identifier: Apache-2.0
// SPEC L22: witnesses are asked all at once; one that fails, hangs or lies holds up nobody and spoils nothing.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HeadCosigner, type HeadCosignerOptions } from '../../src/app/head-cosigner.ts';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { cosign, cosigner, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { ok, refuse } from '../../src/kernel/refusal.ts';
import { timeOfCheckpoint, verifyWitnessed } from '../../src/ledger/freshness.ts';
import { heartbeatSigner } from '../../src/ledger/heartbeat.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { pause } from '../crash/killed-child.ts';
import { add, logKey, memoryMark, signer, startTally } from '../ledger/tally.ts';
import { judgingWitness, type JudgingWitness } from '../support/judging-witness.ts';

const seedOf = (at: number): Uint8Array => Buffer.alloc(32, 20 + at);
const nameOf = (at: number): string => `witness.example/w${at}`;

const policyOf = (witnesses: readonly JudgingWitness[], quorum: string): WitnessPolicy => {
  const lines = witnesses.map(({ key }, at) => `witness W${at} ${formatCosignerKey(key)}\n`).join('');
  const group = `group enough ${quorum} ${witnesses.map((_, at) => `W${at}`).join(' ')}\nquorum enough\n`;
  const parsed = parseWitnessPolicy(lines + group);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.refusal.message);
  return parsed.value;
};

const witnessed = async (
  t: TestContext,
  count: number,
  quorum: string,
  prepare: (witnesses: readonly JudgingWitness[]) => void = () => undefined,
  more: Partial<HeadCosignerOptions> = {},
) => {
  const witnesses = Array.from({ length: count }, (_, at) => judgingWitness(nameOf(at), seedOf(at), logKey));
  const policy = policyOf(witnesses, quorum);
  prepare(witnesses);
  const store = memoryStore();
  const { sequencer } = await startTally(store, memoryMark());
  const events: { level: string; event: string; values: Readonly<Record<string, unknown>> }[] = [];
  const kept: string[] = [];
  await sequencer.submit(add(1));
  const heads = await HeadCosigner.start({
    tenant: 'main',
    store,
    source: sequencer,
    log: logKey,
    sign: async (text, time) => ok(cosign(text, heartbeatSigner(signer), time)),
    keeper: { read: () => ok(undefined), write: async (note) => void kept.push(note) },
    now: () => Date.now(),
    policy,
    witnesses,
    everyMs: 60_000,
    leastMs: 10,
    answerWithinMs: 400,
    onEvent: (level, event, values) => void events.push({ level, event, values }),
    ...more,
  });
  t.after(async () => {
    await heads.stop();
    await sequencer.close();
  });
  return { heads, sequencer, witnesses, policy, events, kept };
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let waited = 0; !holds(); waited += 5) {
    assert.ok(waited < 5000, `never: ${what}`);
    await pause(5);
  }
};

test('L22: a head is offered with the quorum of its witnesses, each new one too', async (t) => {
  const { heads, sequencer, witnesses, policy, kept } = await witnessed(t, 3, 'all');
  for (let size = 1; size <= 4; size += 1) {
    if (size > 1) await sequencer.submit(add(size));
    await until(`size ${size} is witnessed`, () => heads.newest()?.size === size && heads.newest()?.quorum !== null);
    const checkpoint = verifyWitnessed(heads.newest()?.note ?? '', logKey, policy);
    assert.deepEqual(checkpoint.ok && checkpoint.value.size, size);
    const time = timeOfCheckpoint(heads.newest()?.note ?? '', logKey, policy);
    assert.ok(time.ok && time.value.by === 'witnesses' && Math.abs((time.value.atMs ?? 0) - Date.now()) < 10_000);
  }
  assert.deepEqual(witnesses[0]?.cosigned, [1, 2, 3, 4]);
  assert.equal(kept.at(-1), heads.newest()?.note, 'what is offered is kept');
  assert.deepEqual(
    heads.standing().witnesses.map(({ refusal }) => refusal),
    [null, null, null],
  );
});

test('L22: one that hangs, one that throws and one that refuses hold up nobody', async (t) => {
  const { heads, sequencer, witnesses, events } = await witnessed(t, 5, '2', ([hangs, throws, refuses]) => {
    assert.ok(hangs && throws && refuses);
    hangs.instead = () => new Promise(() => undefined);
    throws.instead = () => Promise.reject(new Error('defect'));
    refuses.instead = () => Promise.resolve(refuse('witness-refused', 'L20', 'no', {}, 'ask'));
  });
  for (let size = 2; size <= 6; size += 1) {
    await sequencer.submit(add(size));
    const began = performance.now();
    await until('the quorum', () => heads.newest()?.size === size && heads.newest()?.quorum !== null);
    assert.ok(performance.now() - began < 380, 'nobody waits for the one that hangs');
  }
  await until('the one that hangs is given up', () => heads.standing().witnesses[0]?.refusal !== null);
  const [hangs, throws, refuses, good] = heads.standing().witnesses;
  assert.match(hangs?.refusal?.message ?? '', /did not answer within 400 ms/);
  assert.match(throws?.refusal?.message ?? '', /defect/);
  assert.equal(refuses?.refusal?.code, 'witness-refused');
  assert.deepEqual([good?.refusal, typeof good?.cosignedAt], [null, 'number']);
  assert.equal(events.filter(({ event }) => event === 'witness-failed').length, 3, 'each is told once');
  // It comes back without a restart.
  const [first] = witnesses;
  assert.ok(first);
  first.instead = undefined;
  await until('it is asked again', () => {
    void sequencer.submit(add(1));
    return first.cosigned.length > 0;
  });
});

test('L22: what a witness sends beside its own line, or instead of it, spoils nothing', async (t) => {
  const line = (name: string, seed: Uint8Array, note: string, time = 1_800_000_000): string =>
    cosign(note.slice(0, note.indexOf('\n\n') + 1), cosigner(name, seed), time);
  const lies: ((note: string) => string)[] = [
    () => '',
    () => 'garbage',
    // In the name of another witness, of the log, or of itself, without the key.
    (note) => line(nameOf(1), seedOf(0), note),
    (note) => line(signer.name, seedOf(0), note),
    (note) => line(nameOf(0), seedOf(9), note),
    (note) => line(nameOf(0), seedOf(0), note) + line(nameOf(1), seedOf(9), note),
    // For another head.
    (note) => line(nameOf(0), seedOf(0), note.replace(/\n(\d+)\n/, '\n7000\n')),
    (note) => `${line(nameOf(0), seedOf(0), note)}\n\nmore\n`,
  ];
  for (const [at, lie] of lies.entries()) {
    const { heads, policy } = await witnessed(t, 2, '1', ([liar]) => {
      assert.ok(liar);
      liar.instead = (request) => Promise.resolve(ok(lie(request.note)));
    });
    await until('the honest one', () => heads.newest()?.quorum !== null);
    await until('the liar is found out', () => heads.standing().witnesses[0]?.refusal !== null);
    assert.ok(verifyWitnessed(heads.newest()?.note ?? '', logKey, policy).ok, `lie ${at}`);
    assert.equal((heads.newest()?.note.match(/^— /gm) ?? []).length, 3, `lie ${at}: log, heartbeat, the honest one`);
  }
});

test('L22: a quorum that is missing is an alert, once, and readers still get the time of the log', async (t) => {
  const { heads, sequencer, witnesses, policy, events } = await witnessed(t, 2, 'all', ([, down]) => {
    assert.ok(down);
    down.instead = () => Promise.resolve(refuse('witness-refused', 'L20', 'no', {}, 'ask'));
  });
  for (let size = 2; size <= 4; size += 1) {
    await sequencer.submit(add(size));
    await until('it is offered all the same', () => heads.newest()?.size === size);
  }
  const missing = events.filter(({ event }) => event === 'witness-quorum-missing');
  assert.deepEqual([missing.length, missing[0]?.level], [1, 'error']);
  assert.deepEqual(missing[0]?.values['failed'], [nameOf(1)]);
  assert.equal(heads.standing().quorumAt, null);
  const note = heads.newest()?.note ?? '';
  assert.equal(verifyWitnessed(note, logKey, policy).ok, false);
  assert.ok(timeOfCheckpoint(note, logKey).ok);
  assert.equal(await heads.coveringAtLeast(1), undefined, 'what no quorum cosigned proves no lock');
  const [, down] = witnesses;
  assert.ok(down);
  down.instead = undefined;
  await sequencer.submit(add(1));
  await until('it is told that it is back', () => events.some(({ event }) => event === 'witness-quorum-back'));
  assert.notEqual(heads.standing().quorumAt, null);
});

test('L22: on a head that stays, what witnesses said stays beside it with their times, and is renewed', async (t) => {
  const clock = { seconds: 1_700_000_000 };
  const { heads, witnesses } = await witnessed(
    t,
    1,
    '1',
    ([one]) => {
      assert.ok(one);
      one.now = () => clock.seconds;
    },
    { everyMs: 30 },
  );
  await until('the quorum', () => heads.newest()?.quorum?.by === clock.seconds);
  const [one] = witnesses;
  assert.ok(one);
  one.instead = () => Promise.resolve(refuse('witness-refused', 'L20', 'no', {}, 'ask'));
  const before = heads.newest()?.time ?? 0;
  await until('some heartbeats without it', () => (heads.newest()?.time ?? 0) > before);
  assert.deepEqual(heads.newest()?.quorum, { by: clock.seconds, notBefore: clock.seconds });
  clock.seconds += 500;
  one.instead = undefined;
  await until('its newer word', () => heads.newest()?.quorum?.by === clock.seconds);
  assert.equal((heads.newest()?.note.match(/^— /gm) ?? []).length, 3, 'one line for each key');
});

test('L22: of each size the first witnessed note is kept, and found by the size it has to cover', async (t) => {
  const { heads, sequencer, policy } = await witnessed(t, 2, 'all');
  const sizes: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    await Promise.all([sequencer.submit(add(1)), sequencer.submit(add(2))]);
    await until('the quorum', () => heads.newest()?.size === sequencer.head().size && heads.newest()?.quorum !== null);
    sizes.push(heads.newest()?.size ?? 0);
  }
  await pause(20);
  for (let asked = 0; asked <= (sizes.at(-1) ?? 0); asked += 1) {
    const note = (await heads.coveringAtLeast(asked)) ?? '';
    const covering = verifyWitnessed(note, logKey, policy);
    assert.deepEqual(
      covering.ok && covering.value.size,
      [1, ...sizes].find((size) => size >= asked),
      `${asked}`,
    );
  }
  assert.equal(await heads.coveringAtLeast(10_000), undefined);
  for (const odd of [-1, Number.NaN, 1.5]) assert.equal(await heads.coveringAtLeast(odd), undefined);
});

test('L22: a witness whose clock is years ahead counts no more than one that is down, and hides no other’s silence', async (t) => {
  const { heads, sequencer, witnesses, policy, events } = await witnessed(
    t,
    3,
    '2',
    ([ahead]) => {
      assert.ok(ahead);
      ahead.now = () => 253_402_300_799;
    },
    { everyMs: 20 },
  );
  await until('the quorum', () => heads.newest()?.quorum !== null);
  const now = Math.floor(Date.now() / 1000);
  const { by = 0, notBefore = 0 } = heads.newest()?.quorum ?? {};
  assert.ok(by <= now + 1 && notBefore <= now + 1, `${by}, ${notBefore}`);
  assert.match(heads.standing().witnesses[0]?.refusal?.message ?? '', /w0`: its clock is \d+ seconds ahead/);
  assert.ok((heads.standing().witnesses[0]?.cosignedAt ?? 0) <= now + 1);
  const [, , down] = witnesses;
  assert.ok(down);
  down.instead = () => Promise.resolve(refuse('witness-refused', 'L20', 'no', {}, 'ask'));
  await sequencer.submit(add(1));
  await until('the new head', () => heads.newest()?.size === 2);
  // One honest witness and one that lies about the time are no two.
  assert.equal(verifyWitnessed(heads.newest()?.note ?? '', logKey, policy).ok, false);
  assert.ok(events.some(({ event, values }) => event === 'witness-failed' && values['witness'] === nameOf(0)));
});
