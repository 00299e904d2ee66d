// SPDX-License-Identifier: Apache-2.0
// L25: views follow from the entries, are built beside those in use, and count every entry once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { drawGeneration, readPointer, rowsUnder, type View } from '../../src/app/view.ts';
import { ViewKeeper } from '../../src/app/view-keeper.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { sharedKinds } from './shared-stores.ts';
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
  return { sequencer, keeper, errors, sum: async () => (await keeper.rows('sums')).get('sum') };
};

test('a view follows, goes on after a restart, and counts nothing twice', async () => {
  const store = memoryStore();
  const first = await running(store);
  for (const amount of [1, 2, 3]) await first.sequencer.submit(add(amount));
  await first.keeper.caughtUp();
  assert.equal(await first.sum(), 6);
  await first.keeper.stop();
  await first.sequencer.submit(add(10));
  await first.sequencer.close();
  const second = await running(store);
  assert.equal(await second.sum(), 16);
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
  assert.equal(await next.sum(), 1200);
  const pointer = await readPointer(store, 'main', 'sums');
  assert.deepEqual(pointer, { version: 2, generation: 2 });
  assert.deepEqual(await store.viewRows('main', rowsUnder('sums', 1), '', 9), [], 'the old rows are gone');
  // While it is built again under load, readers see a sum that was once true, and never a part of one.
  const seen = new Set<unknown>();
  const rebuilt = next.keeper.rebuild();
  for (let at = 0; at < 50; at += 1) {
    await next.sequencer.submit(add(1));
    seen.add(await next.sum());
  }
  await rebuilt;
  await next.keeper.caughtUp();
  assert.equal(await next.sum(), 1300);
  for (const sum of seen) assert.ok(Number(sum) >= 1200, `a half-built view was read: ${String(sum)}`);
  await next.keeper.stop();
  await next.sequencer.close();
});

test('a page that comes again after a write that failed half-way is counted once', async () => {
  const inner = memoryStore();
  let pages = 0;
  const fail = (outcome: 'nothing-written' | 'unknown'): never => {
    throw new StoreFailure(refuse('store-io', 'L8', 'the disk').refusal, outcome);
  };
  const store: LedgerStore = {
    ...inner,
    writeViews: async (tenant, rows, cursor) => {
      if (rows.some(({ view }) => view === rowsUnder('sums', 1))) pages += 1;
      // Once before the rows are there, and once after they are without a word of it.
      if (pages === 1 && rows.length > 0) fail('nothing-written');
      const written = await inner.writeViews(tenant, rows, cursor);
      return pages === 3 && rows.length > 0 ? fail('unknown') : written;
    },
  };
  const { sequencer, keeper, errors, sum } = await running(store);
  for (const amount of [1, 2, 3]) {
    await sequencer.submit(add(amount));
    await keeper.caughtUp();
  }
  assert.equal(errors.length, 2);
  assert.equal(await sum(), 6);
  assert.equal(await inner.viewRow('main', rowsUnder('sums', 1), 'sum'), 6);
  await keeper.stop();
  await sequencer.close();
});

for (const [kind, open] of sharedKinds)
  test(`L18, L25: several processes keep one view of a shared store, whoever builds it again (${kind})`, async (t) => {
    const door = open(t);
    const [store, second] = [await door(), await door()];
    const both = await Promise.all([running(store), running(second)]);
    const [one, other] = both;
    let total = 0;
    const addAll = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) {
        total += at;
        await (at % 2 === 0 ? one : other).sequencer.submit(add(at));
      }
    };
    const agree = async (): Promise<void> => {
      for (const { sequencer, keeper, errors, sum } of both) {
        await sequencer.look();
        await keeper.caughtUp();
        assert.deepEqual([await sum(), errors], [total, []]);
      }
    };
    const left = async (): Promise<readonly number[]> => {
      const newest = await drawGeneration(store, 'main', 'sums');
      const found: number[] = [];
      for (let at = 1; at <= newest; at += 1)
        if ((await store.viewRows('main', rowsUnder('sums', at), '', 9)).length > 0) found.push(at);
      return found;
    };
    await addAll(600);
    await agree();
    // One builds it again under load; the other goes on with the new rows.
    await Promise.all([one.keeper.rebuild(), addAll(60)]);
    await agree();
    await addAll(10);
    await agree();
    // Both at once: one of them finds the place taken, and takes what is there.
    await Promise.all([one.keeper.rebuild(), other.keeper.rebuild(), addAll(60)]);
    await agree();
    await addAll(10);
    await agree();
    const pointer = await readPointer(store, 'main', 'sums');
    assert.deepEqual(await left(), [pointer?.generation], 'no other rows are left');
    // The builder is gone; the other keeps them.
    await one.keeper.stop();
    await addAll(4);
    await other.sequencer.look();
    await other.keeper.caughtUp();
    assert.equal(await other.sum(), total);
    await other.keeper.stop();
    for (const { sequencer } of both) await sequencer.close();
  });
