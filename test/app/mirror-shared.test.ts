// SPDX-License-Identifier: Apache-2.0
// SPEC L17, L28: servers that share a store keep one mirror; one that lags behind the others accuses nobody.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startMirror, type Mirror } from '../../src/app/mirror.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { add, logKey, memoryMark, startTally, temporaryFolder, type Started } from '../ledger/tally.ts';
import { pause } from '../crash/killed-child.ts';
import { folderPlace, readAt } from './ledger-folder.ts';
import { sharedMemory } from './shared-stores.ts';

const start = (store: LedgerStore) =>
  startTally(store, memoryMark(), { acceptMissingMark: true, lookEveryMs: 600_000 });

const down = (): StoreFailure =>
  new StoreFailure(refuse('store-io', 'L8', 'the line is down', {}, 'wait').refusal, 'nothing-written');

const mirrorOf = (t: TestContext, folder: string, store: LedgerStore, { sequencer }: Started, told: string[] = []) => {
  const mirror: Mirror = startMirror({
    place: folderPlace(folder),
    store,
    tenant: 'main',
    logKey,
    ledger: {
      tree: sequencer.tree,
      signedHead: () => sequencer.signedHead(),
      quarantine: () => sequencer.quarantine(),
      subscribe: (listener) => sequencer.subscribe(listener),
      look: () => sequencer.look(),
      isolate: (damage) => sequencer.isolate(damage),
    },
    keepEvidence: () => 'evidence',
    log: (_, event, { code = '' }) => void told.push(`${event} ${code}`),
    retryMs: { least: 10, most: 20 },
    gatherMs: 5,
  });
  t.after(() => mirror.stop());
  return mirror;
};
const sizeAt = (folder: string): number => Number(readAt(folder, 'checkpoint').toString().split('\n')[1]);

test('a server that has not looked yet goes on to where another has brought the mirror', async (t) => {
  const folder = join(temporaryFolder(t), 'mirror');
  const store = sharedMemory();
  const [ahead, behind] = [await start(store), await start(store)];
  await ahead.sequencer.submit(add(1));
  await behind.sequencer.look();
  for (let at = 0; at < 5; at += 1) await ahead.sequencer.submit(add(at));
  await mirrorOf(t, folder, store, ahead).caughtUp();
  assert.deepEqual([sizeAt(folder), behind.sequencer.head().size], [6, 1]);
  const told: string[] = [];
  const mirror = mirrorOf(t, folder, store, behind, told);
  for (let tries = 0; mirror.figures().size !== 6; tries += 1) {
    assert.ok(
      tries < 200 && behind.sequencer.quarantine() === undefined,
      JSON.stringify(behind.sequencer.quarantine()),
    );
    await pause(10);
  }
  assert.deepEqual([told, behind.alerts, behind.sequencer.head().size], [[], [], 6]);
});

test('while the store is silent nobody is accused; one that lost entries which the mirror holds is isolated', async (t) => {
  const folder = join(temporaryFolder(t), 'mirror');
  const store = sharedMemory();
  const ahead = await start(store);
  for (let at = 0; at < 3; at += 1) await ahead.sequencer.submit(add(at));
  // A standby that took over without the end, on a line that comes and goes.
  const cut = await store.head('main');
  let silent = false;
  const standby: LedgerStore = { ...store, head: () => (silent ? Promise.reject(down()) : Promise.resolve(cut)) };
  const other = await start(standby);
  for (let at = 0; at < 3; at += 1) await ahead.sequencer.submit(add(at));
  await mirrorOf(t, folder, store, ahead).caughtUp();
  silent = true;
  const told: string[] = [];
  mirrorOf(t, folder, standby, other, told);
  while (!told.includes('mirror-failed ledger-unavailable')) await pause(5);
  await pause(50);
  assert.equal(other.sequencer.quarantine(), undefined);
  silent = false;
  while (other.sequencer.quarantine() === undefined) await pause(5);
  assert.match(other.alerts[0]?.what ?? '', /its mirror .* contradicts it: .* 3 entries are missing/);
  assert.equal(sizeAt(folder), 6, 'the mirror is left as it is');
});
