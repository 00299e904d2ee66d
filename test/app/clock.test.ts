// SPDX-License-Identifier: Apache-2.0
// SPEC L4 and design section 4 "Time": entry time never runs back and never leaps.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntryClock } from '../../src/app/sequencer-clock.ts';
import { instantFromMs, type Instant } from '../../src/kernel/instant.ts';
import { add, startTally } from '../ledger/tally.ts';
import { storeKinds, byClock } from './kept-stores.ts';

const noon = Date.UTC(2026, 10, 23, 12);
const hour = 3_600_000;
const timeOf = (clock: EntryClock, last: Instant | null, now: number): string => {
  const time = clock.next(last, now);
  return time.ok ? time.value : time.refusal.code;
};

describe('the clock of entries', () => {
  it('takes the later of the last entry and now; a step back of 2 seconds is held, more is refused', () => {
    const last = instantFromMs(noon);
    const clock = new EntryClock(last, noon, false);
    assert.equal(timeOf(clock, last, noon + 5), instantFromMs(noon + 5));
    assert.equal(timeOf(new EntryClock(last, noon, false), last, noon - 1), last);
    assert.equal(timeOf(new EntryClock(last, noon, false), last, noon - 2_000), last);
    assert.equal(timeOf(new EntryClock(last, noon, false), last, noon - 2_001), 'clock-behind');
  });

  it('refuses a clock that was put back on a quiet ledger: what was seen counts, not only the last entry', () => {
    const last = instantFromMs(noon);
    const clock = new EntryClock(last, noon, false);
    clock.observe(noon + 10 * hour);
    assert.equal(timeOf(clock, last, noon + 5 * hour), 'clock-behind');
    assert.equal(timeOf(clock, last, noon + 10 * hour - 2_000), instantFromMs(noon + 10 * hour - 2_000));
  });

  it('refuses a leap of more than a day, until somebody accepts it; time that passes is no leap', () => {
    const last = instantFromMs(noon);
    const clock = new EntryClock(last, noon, false);
    assert.equal(timeOf(clock, last, noon + 24 * hour + 1), 'clock-ahead');
    clock.observe(noon + 48 * hour);
    assert.equal(timeOf(clock, last, noon + 48 * hour), 'clock-ahead', 'a leap is not believed for being looked at');
    for (let at = 1; at <= 72; at += 1) clock.observe(noon + at * hour);
    assert.equal(timeOf(clock, last, noon + 72 * hour), instantFromMs(noon + 72 * hour));
    assert.equal(timeOf(clock, last, noon + 500 * hour), 'clock-ahead');
    clock.accept(noon + 500 * hour);
    assert.equal(timeOf(clock, last, noon + 500 * hour), instantFromMs(noon + 500 * hour));
  });

  it('a leap that was accepted by mistake can be taken back', () => {
    const last = instantFromMs(noon);
    const clock = new EntryClock(last, noon, false);
    clock.accept(noon + 500 * hour);
    assert.equal(timeOf(clock, last, noon + hour), 'clock-behind');
    clock.accept(noon + hour);
    assert.equal(timeOf(clock, last, noon + hour), instantFromMs(noon + hour));
  });

  it('begins with what it is told on an empty ledger', () => {
    assert.equal(timeOf(new EntryClock(null, noon, false), null, noon), instantFromMs(noon));
  });
});

for (const [name, keep] of storeKinds)
  describe(`a wrong clock, over ${name}`, () => {
    it('SPEC L4: refuses commands by name and writes nothing, and goes on when the clock is right again', async (t) => {
      const kept = keep(t);
      let now = noon;
      const store = byClock(await kept.open(), () => now);
      const { sequencer, fatal } = await startTally(store, kept.mark, { now: () => now });
      const submit = async (): Promise<string> => {
        const { decision } = await sequencer.submit(add(1), {
          idempotency: { principal: 'p', route: 'r', key: String(now), bodyDigest: 'b' },
        });
        return decision.kind === 'refused' ? decision.refusal.code : 'accepted';
      };
      assert.equal(await submit(), 'accepted');
      now = noon - 10 * 60_000;
      assert.equal(await submit(), 'clock-behind');
      now = noon + 400 * 24 * hour;
      assert.equal(await submit(), 'clock-ahead');
      now = noon + 1_000;
      assert.equal(await submit(), 'accepted');
      assert.equal(sequencer.head().size, 2);
      now = noon + 400 * 24 * hour;
      await sequencer.acceptTimeJump();
      assert.equal(await submit(), 'accepted', 'the refusal was not kept as the answer to this key');
      assert.deepEqual(fatal, []);
      await sequencer.close();
      await store.close();
    });

    it('SPEC L4: a start long after the last entry is a leap that an operator accepts', async (t) => {
      const kept = keep(t);
      let now = noon;
      const store = byClock(await kept.open(), () => now);
      const first = await startTally(store, kept.mark, { now: () => now });
      await first.sequencer.submit(add(1));
      await first.sequencer.close();
      now = noon + 72 * hour;
      const refused = await startTally(store, kept.mark, { now: () => now });
      const answer = await refused.sequencer.submit(add(1));
      assert.ok(answer.decision.kind === 'refused' && answer.decision.refusal.code === 'clock-ahead');
      await refused.sequencer.close();
      const accepted = await startTally(store, kept.mark, { now: () => now, acceptTimeJump: true });
      assert.equal((await accepted.sequencer.submit(add(1))).index, 1);
      await accepted.sequencer.close();
      await store.close();
    });
  });
