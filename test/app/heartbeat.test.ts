// SPDX-License-Identifier: Apache-2.0
// SPEC L21: when a server says that its checkpoint is its newest, and above all when it does not.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { HeadCosigner, type HeadCosignerOptions } from '../../src/app/head-cosigner.ts';
import { noteFile } from '../../src/app/note-keeper.ts';
import { cosign } from '../../src/crypto/cosignature.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { ok } from '../../src/kernel/refusal.ts';
import { heartbeatSigner, verifyHeartbeat } from '../../src/ledger/heartbeat.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { pause } from '../crash/killed-child.ts';
import { add, logKey, signer, startTally } from '../ledger/tally.ts';
import { inFiles, type Kept } from './kept-stores.ts';

const start = Date.parse('2026-11-25T04:00:00.000Z');

/** A ledger on files with a clock that the test sets, and its heartbeats. */
const beating = async (
  t: TestContext,
  more: Partial<HeadCosignerOptions> & { kept?: Kept; over?: (store: LedgerStore) => Partial<LedgerStore> } = {},
) => {
  const { kept = inFiles(t), over, ...options } = more;
  const opened = kept.open();
  const store = over === undefined ? opened : { ...opened, ...over(opened) };
  const clock = { now: start };
  const now = (): number => clock.now;
  const { sequencer, alerts } = await startTally(opened, kept.mark, { now });
  const events: { level: string; event: string; values: Readonly<Record<string, unknown>> }[] = [];
  const file = join(kept.folder, 'mark', 'main.cosigned');
  const heads = await HeadCosigner.start({
    tenant: 'main',
    store,
    source: sequencer,
    log: logKey,
    sign: async (text, time) => ok(cosign(text, heartbeatSigner(signer), time)),
    keeper: noteFile(file),
    now,
    witnesses: [],
    everyMs: 40,
    leastMs: 10,
    onEvent: (level, event, values) => void events.push({ level, event, values }),
    ...options,
  });
  const close = async (): Promise<void> => {
    await heads.stop();
    await sequencer.close();
    await opened.close();
  };
  const eventsOf = (name: string) => events.filter(({ event }) => event === name);
  return { heads, sequencer, clock, events, eventsOf, alerts, kept, file, close };
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let waited = 0; !holds(); waited += 5) {
    assert.ok(waited < 5000, `never: ${what}`);
    await pause(5);
  }
};
const secondsOf = (ms: number): number => Math.floor(ms / 1000);

test('L21: an empty ledger has no heartbeat, the first entry has one at once, and silence renews it without an entry', async (t) => {
  const { heads, sequencer, clock, close } = await beating(t);
  await sequencer.submit(add(1));
  const first = await heads.current();
  assert.deepEqual([first?.size, first?.time], [1, secondsOf(start)]);
  clock.now = start + 60_000;
  await until('the renewed heartbeat', () => heads.newest()?.time === secondsOf(start + 60_000));
  const renewed = heads.newest();
  assert.deepEqual([renewed?.size, renewed?.root], [1, first?.root]);
  assert.equal(sequencer.head().size, 1, 'nothing was appended');
  const read = verifyHeartbeat(renewed?.note ?? '', logKey);
  assert.deepEqual(read.ok && [read.value.time, read.value.checkpoint.size], [secondsOf(start + 60_000), 1]);
  await close();
});

test('L21: without witnesses what is offered never lags behind what was answered', async (t) => {
  const { heads, sequencer, close } = await beating(t, { everyMs: 60_000, leastMs: 60_000 });
  for (let size = 1; size <= 20; size += 1) {
    await sequencer.submit(add(size));
    assert.equal((await heads.current())?.size, size);
  }
  await Promise.all(Array.from({ length: 50 }, (_, at) => sequencer.submit(add(at))));
  assert.equal((await heads.current())?.size, 70);
  await close();
});

test('L21: a store that takes no write, and a disk of the mark that takes none, are silence, told once', async (t) => {
  const state = { store: false, keeper: false };
  const kept = inFiles(t);
  const keeper = noteFile(join(kept.folder, 'mark', 'main.cosigned'));
  const { heads, sequencer, clock, eventsOf, close } = await beating(t, {
    kept,
    over: (store) => ({
      putCheckpoint: (tenant, note) =>
        state.store ? Promise.reject(new Error('no space left')) : store.putCheckpoint(tenant, note),
    }),
    keeper: {
      ...keeper,
      write: (note) => (state.keeper ? Promise.reject(new Error('read-only')) : keeper.write(note)),
    },
  });
  await sequencer.submit(add(1));
  await until('a heartbeat', () => heads.standing().withheld === null && heads.newest()?.size === 1);
  for (const broken of ['store', 'keeper'] as const) {
    const before = heads.newest()?.time ?? 0;
    const told = eventsOf('heartbeat-withheld').length;
    state[broken] = true;
    await until('it is withheld', () => heads.standing().withheld !== null);
    clock.now += 600_000;
    await pause(80);
    assert.equal(heads.newest()?.time, before, `${broken}: an old time stays an old time`);
    assert.equal(await heads.stamped(), undefined, 'nor does a permit get a new one');
    assert.match(heads.standing().withheld?.message ?? '', /cannot write/);
    assert.deepEqual(eventsOf('heartbeat-withheld').length, told + 1);
    state[broken] = false;
    await until('it is back', () => (heads.newest()?.time ?? 0) > before);
  }
  await close();
});

test('L21: a process that is held up between clock and signature signs the old time', async (t) => {
  const held = Promise.withResolvers<void>();
  const state = { holding: false, waiting: 0 };
  const { heads, sequencer, clock, close } = await beating(t, {
    over: (store) => ({
      putCheckpoint: async (tenant, note) => {
        if (state.holding) {
          state.waiting += 1;
          await held.promise;
        }
        await store.putCheckpoint(tenant, note);
      },
    }),
  });
  await sequencer.submit(add(1));
  await until('a heartbeat', () => heads.newest()?.size === 1);
  state.holding = true;
  await until('it waits for the disk', () => state.waiting === 1);
  clock.now = start + 3_600_000;
  await pause(60);
  assert.equal(heads.newest()?.time, secondsOf(start), 'a server that hangs says nothing');
  let seen = 0;
  const watch = setInterval(
    () => (seen ||= heads.newest()?.time === secondsOf(start) ? 0 : (heads.newest()?.time ?? 0)),
    1,
  );
  held.resolve();
  state.holding = false;
  await until('the next heartbeat', () => heads.newest()?.time === secondsOf(start + 3_600_000));
  clearInterval(watch);
  assert.equal(seen, secondsOf(start + 3_600_000), 'what waited carried the time from before');
  await close();
});

test('L21: in quarantine, on a store that others write to, and on a ledger that was cut, nothing is said', async (t) => {
  const more = { entries: 0 };
  const running = await beating(t, {
    over: (store) => ({
      head: async (tenant) => {
        const head = await store.head(tenant);
        return { ...head, size: head.size + more.entries };
      },
    }),
  });
  for (const amount of [1, 2, 3]) await running.sequencer.submit(add(amount));
  await until('a heartbeat', () => running.heads.newest()?.size === 3);
  more.entries = 1;
  await until('another process went on', () => running.heads.standing().withheld !== null);
  assert.match(running.heads.standing().withheld?.message ?? '', /store holds 4 entries/);
  const said = running.heads.newest();
  await running.close();

  // The same folder, whose database is put back to nothing, with its mark.
  const old = inFiles(t);
  writeFileSync(join(old.folder, 'said'), said?.note ?? '');
  const cut = await beating(t, { kept: old, keeper: noteFile(join(old.folder, 'said')) });
  await cut.sequencer.submit(add(9));
  await pause(60);
  assert.match(cut.heads.standing().withheld?.message ?? '', /does not hold the 3 entries that it was signed for/);
  assert.equal(cut.heads.newest()?.note, said?.note, 'what was signed before is what others can compare');
  assert.equal(cut.eventsOf('heartbeat-withheld').length > 0, true);
  await cut.close();

  const damaged = inFiles(t);
  const sound = await beating(t, { kept: damaged });
  for (const amount of [1, 2]) await sound.sequencer.submit(add(amount));
  await until('a heartbeat', () => sound.heads.newest()?.size === 2);
  const last = sound.heads.newest();
  await sound.close();
  const marked = damaged.mark.read();
  assert.ok(marked.ok && marked.value !== undefined);
  const wrong = canonicalize({ ...marked.value, root: 'f'.repeat(64) });
  writeFileSync(join(damaged.folder, 'mark', 'main.json'), wrong);
  const hurt = await beating(t, { kept: damaged });
  assert.ok(hurt.sequencer.quarantine());
  hurt.clock.now += 600_000;
  await pause(80);
  assert.equal(hurt.heads.standing().withheld?.code, 'ledger-quarantined');
  assert.equal(hurt.heads.newest()?.note, last?.note);
  await hurt.close();
});

test('L21: a clock that ran back or leapt is not believed, and over a restart time never goes back', async (t) => {
  const kept = inFiles(t);
  const running = await beating(t, { kept });
  await running.sequencer.submit(add(1));
  running.clock.now = start + 90_000;
  await until('a heartbeat', () => running.heads.newest()?.time === secondsOf(start + 90_000));
  for (const [leap, code] of [
    [-10_000, 'clock-behind'],
    [-3_600_000, 'clock-behind'],
    [25 * 3_600_000, 'clock-ahead'],
  ] as const) {
    running.clock.now = start + 90_000 + leap;
    await until(`${leap}`, () => running.heads.standing().withheld !== null);
    assert.equal(running.heads.standing().withheld?.code, code);
    assert.equal(running.heads.newest()?.time, secondsOf(start + 90_000));
    running.clock.now = start + 90_000;
    await until('it is back', () => running.heads.standing().withheld === null);
  }
  await running.close();
  // It starts again with a clock that is a minute slow: `beating` begins at `start`.
  const again = await beating(t, { kept });
  assert.equal(again.heads.newest()?.time, secondsOf(start + 90_000));
  assert.match(again.heads.standing().withheld?.message ?? '', /before what was said last/);
  again.clock.now = start + 91_000;
  await until('time goes on', () => again.heads.newest()?.time === secondsOf(start + 91_000));
  await again.close();
});

test('L21: what was said before and cannot be read any more is not taken for nothing', async (t) => {
  const kept = inFiles(t);
  const running = await beating(t, { kept });
  await running.sequencer.submit(add(1));
  await until('a heartbeat', () => running.heads.newest()?.size === 1);
  await running.close();
  writeFileSync(running.file, (running.heads.newest()?.note ?? '').replace(/\n1\n/, '\n2\n'));
  const again = await beating(t, { kept });
  assert.match(again.heads.standing().withheld?.message ?? '', /does not hold/);
  assert.equal(again.heads.newest(), undefined);
  await again.close();
});
