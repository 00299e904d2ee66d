// SPDX-License-Identifier: Apache-2.0
// L25: views follow from the entries, are built beside those in use, and count every entry once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { readPointer, rowsUnder, type View } from '../../src/app/view.ts';
import { ViewKeeper } from '../../src/app/view-keeper.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { add, memoryMark, startTally, type TallyCommand, type TallyEvent } from '../ledger/tally.ts';

const sums = (version: number, factor = 1): View<TallyCommand, TallyEvent> => ({
  name: 'sums',
  version,
  apply: ({ command }, row) => {
    const before = row('sum');
    return [{ key: 'sum', value: (typeof before === 'number' ? before : 0) + factor * (command.amount ?? 0) }];
  },
});

const running = async (store: LedgerStore, view = sums(1)) => {
  const { sequencer } = await startTally(store, memoryMark(), { acceptMissingMark: true });
  const errors: unknown[] = [];
  const keeper = new ViewKeeper({
    tenant: 'main',
    store,
    views: [view],
    follow: sequencer.follow.bind(sequencer),
    onError: (_, error) => errors.push(error),
  });
  await keeper.start();
  await keeper.caughtUp();
  return { sequencer, keeper, errors, sum: () => keeper.rows('sums').get('sum') };
};

test('a view follows, goes on after a restart, and counts nothing twice', async () => {
  const store = memoryStore();
  const first = await running(store);
  for (const amount of [1, 2, 3]) await first.sequencer.submit(add(amount));
  await first.keeper.caughtUp();
  assert.equal(first.sum(), 6);
  await first.keeper.stop();
  await first.sequencer.submit(add(10));
  await first.sequencer.close();
  const second = await running(store);
  assert.equal(second.sum(), 16);
  await second.keeper.stop();
  await second.sequencer.close();
});

test('another version is built again from the first entry; the old rows are read until it is done', async () => {
  const store = memoryStore();
  const old = await running(store);
  for (let at = 0; at < 600; at += 1) await old.sequencer.submit(add(1));
  await old.keeper.caughtUp();
  await old.keeper.stop();
  await old.sequencer.close();
  const next = await running(store, sums(2, 2));
  assert.equal(next.sum(), 1200);
  const pointer = await readPointer(store, 'main', 'sums');
  assert.deepEqual(pointer, { version: 2, generation: 2 });
  assert.deepEqual(await store.viewRows('main', rowsUnder('sums', 1), '', 9), [], 'the old rows are gone');
  // While it is built again under load, readers see a sum that was once true, and never a part of one.
  const seen = new Set<unknown>();
  const rebuilt = next.keeper.rebuild();
  for (let at = 0; at < 50; at += 1) {
    await next.sequencer.submit(add(1));
    seen.add(next.sum());
  }
  await rebuilt;
  await next.keeper.caughtUp();
  assert.equal(next.sum(), 1300);
  for (const sum of seen) assert.ok(Number(sum) >= 1200, `a half-built view was read: ${String(sum)}`);
  await next.keeper.stop();
  await next.sequencer.close();
});

test('a page that comes again after a write that failed half-way is counted once', async () => {
  const inner = memoryStore();
  let writes = 0;
  const store: LedgerStore = {
    ...inner,
    writeViews: async (tenant, rows, cursor) => {
      writes += 1;
      // Once before and once after the rows are there: the follower's own cursor is what fails the second time.
      if (writes === 4 || writes === 6)
        throw new StoreFailure(refuse('store-io', 'L8', 'the disk').refusal, 'nothing-written');
      return inner.writeViews(tenant, rows, cursor);
    },
  };
  const { sequencer, keeper, errors, sum } = await running(store);
  for (const amount of [1, 2, 3]) {
    await sequencer.submit(add(amount));
    await keeper.caughtUp();
  }
  assert.equal(errors.length, 2);
  assert.equal(sum(), 6);
  assert.equal(await inner.viewRow('main', rowsUnder('sums', 1), 'sum'), 6);
  await keeper.stop();
  await sequencer.close();
});
