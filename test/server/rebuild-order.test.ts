// SPDX-License-Identifier: Apache-2.0
// SPEC L25: an order to build views again that cannot be carried out is answered once, and ends nothing.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOrder, takeOrders, writeOrder, type RebuildOrder } from '../../src/server/rebuild-order.ts';
import { temporaryFolder } from '../ledger/tally.ts';

type Keeper = Parameters<typeof takeOrders>[1];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (const started = Date.now(); !holds(); await pause(5)) assert.ok(Date.now() - started < 5000, what);
};
const ordered: RebuildOrder = { id: 'one', state: 'ordered', size: 0, views: [] };
const keeperThat = (rebuild: () => Promise<void>): Keeper => ({ rebuild, progress: () => [] }) as unknown as Keeper;

test('one that fails is answered as failed, said once, and not begun again by itself', async (t) => {
  const dir = temporaryFolder(t);
  const told: string[] = [];
  let begun = 0;
  const keeper = keeperThat(() => {
    begun += 1;
    return Promise.reject(new Error('a row cannot be read'));
  });
  const orders = takeOrders(
    dir,
    keeper,
    () => 7,
    (event) => void told.push(event),
    5,
  );
  t.after(() => orders.stop());
  writeOrder(dir, ordered);
  await until('it is answered', () => readOrder(dir)?.state === 'failed');
  await pause(100);
  assert.deepEqual([begun, told], [1, ['rebuild', 'rebuild-failed']]);
  // Whoever asks anew is heard.
  writeOrder(dir, { ...ordered, id: 'two' });
  await until('the next is taken', () => begun === 2);
});

test('a folder that can no longer be written when it is done ends no process', async (t) => {
  const dir = join(temporaryFolder(t), 'data');
  mkdirSync(dir);
  const told: string[] = [];
  const finished = Promise.withResolvers<void>();
  const orders = takeOrders(
    dir,
    keeperThat(() => finished.promise),
    () => 7,
    (event) => void told.push(event),
    5,
  );
  t.after(() => orders.stop());
  writeOrder(dir, ordered);
  await until('it is taken', () => told.includes('rebuild'));
  orders.stop();
  // Gone as a whole: also root cannot write there.
  rmSync(dir, { recursive: true });
  finished.resolve();
  await until('it is said', () => told.includes('rebuild-failed'));
});
