// SPDX-License-Identifier: Apache-2.0
// Followers: cursors that last, at least once, patience with what fails.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ViewWrite } from '../../src/ledger/store.ts';
import { add, startTally, type Started } from '../ledger/tally.ts';
import { storeKinds } from './kept-stores.ts';

const options = (onError: (name: string, error: unknown) => void = () => {}) => ({ name: 'f', from: 0, onError });
const submitMany = (sequencer: Started['sequencer'], count: number) =>
  Promise.all(Array.from({ length: count }, (_, at) => sequencer.submit(add(at))));

for (const [name, keep] of storeKinds)
  describe(`a follower over ${name}`, () => {
    it('sees every durable entry once and in order, old ones and new ones, and keeps rows with its cursor', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer } = await startTally(store, kept.mark);
      await submitMany(sequencer, 300);
      const seen: number[] = [];
      const follower = await sequencer.follow(options(), async (entries) => {
        seen.push(...entries.map(({ index }) => index));
        return entries.map(
          ({ index }): ViewWrite => ({ view: 'v', key: String(index).padStart(4, '0'), value: { index } }),
        );
      });
      await follower.caughtUp();
      await submitMany(sequencer, 20);
      await follower.caughtUp();
      assert.deepEqual(
        seen,
        Array.from({ length: 320 }, (_, at) => at),
      );
      assert.equal(await store.cursor('main', 'f'), 320);
      assert.equal((await store.viewRows('main', 'v', '', 1000)).length, 320);
      assert.equal(follower.next(), 320);
      await sequencer.close();
      await store.close();
    });

    it('goes on from its cursor after a restart, and sees a page again when it ended before the cursor was kept', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const first = await startTally(store, kept.mark);
      await submitMany(first.sequencer, 5);
      const one = await first.sequencer.follow(options(), async () => {});
      await one.caughtUp();
      await first.sequencer.close();
      const second = await startTally(store, kept.mark);
      await submitMany(second.sequencer, 3);
      const seen: number[] = [];
      const died = await second.sequencer.follow(options(), async (entries) => {
        seen.push(...entries.map(({ index }) => index));
        throw new Error('ends after the effect and before the cursor');
      });
      while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await died.stop();
      assert.deepEqual(seen, [5, 6, 7]);
      const again: number[] = [];
      const follower = await second.sequencer.follow(
        options(),
        async (entries) => void again.push(...entries.map(({ index }) => index)),
      );
      await follower.caughtUp();
      assert.deepEqual(again, [5, 6, 7], 'at least once');
      await second.sequencer.close();
      await store.close();
    });

    it('tells of every failure, tries the same page again, and holds nobody up', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer, fatal } = await startTally(store, kept.mark);
      const errors: string[] = [];
      let failures = 2;
      const seen: number[] = [];
      const follower = await sequencer.follow(
        options((who, error) => errors.push(`${who}: ${String(error)}`)),
        async (entries) => {
          failures -= 1;
          if (failures >= 0) throw new Error('not now');
          seen.push(...entries.map(({ index }) => index));
        },
      );
      const answers = await submitMany(sequencer, 10);
      assert.ok(
        answers.every(({ index }) => index !== null),
        'commands do not wait for a follower',
      );
      await follower.caughtUp();
      assert.deepEqual(errors, ['f: Error: not now', 'f: Error: not now']);
      assert.deepEqual(
        seen,
        Array.from({ length: 10 }, (_, at) => at),
      );
      assert.deepEqual(fatal, []);
      await sequencer.close();
      await store.close();
    });

    it('stops at once, also while it waits to try again, and leaves nobody waiting', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer } = await startTally(store, kept.mark);
      await submitMany(sequencer, 1);
      const tries: number[] = [];
      const follower = await sequencer.follow(options(), async () => {
        tries.push(1);
        throw new Error('never');
      });
      const caught = follower.caughtUp();
      while (tries.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      const started = performance.now();
      await follower.stop();
      await caught;
      assert.ok(performance.now() - started < 1000);
      assert.equal(await store.cursor('main', 'f'), undefined);
      await sequencer.close();
      await store.close();
    });

    it('sees nothing that is not signed and marked', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      let marked = 0;
      const mark = {
        ...kept.mark,
        write: async (next: Parameters<typeof kept.mark.write>[0]) => {
          await kept.mark.write(next);
          marked = next.size;
        },
      };
      const { sequencer } = await startTally(store, mark);
      const follower = await sequencer.follow(options(), async (entries) => {
        for (const { index } of entries) assert.ok(index < marked, `entry ${index} at mark ${marked}`);
      });
      for (let at = 0; at < 20; at += 1) await sequencer.submit(add(at));
      await follower.caughtUp();
      await sequencer.close();
      await store.close();
    });
  });
