// SPDX-License-Identifier: Apache-2.0
// SPEC L18: several processes send the notices of one ledger: each message once, and none is lost with a process.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import type { NoticesOptions } from '../../src/server/notices.ts';
import { pause } from '../crash/killed-child.ts';
import { minute } from '../support/world.ts';
import { receiver, type Receiver } from './notices-receivers.ts';
import { Office, until, webhookTo } from './notices-office.ts';

// The world of the test has a time of its own, so that the store's clock counts for claims only.
const sharedMemory = (now: () => number = Date.now): LedgerStore => ({
  ...memoryStore(now),
  shared: true,
  close: async () => {},
});

const start = async (
  t: TestContext,
  store: LedgerStore,
  heard: Receiver,
  over: Partial<NoticesOptions> = {},
): Promise<Office> => {
  const office = new Office();
  office.store = store;
  t.after(() => office.close().catch(() => undefined));
  return office.start({ webhooks: [webhookTo(heard.url)] }, { sweepEveryMs: 20, ...over });
};
const hear = async (t: TestContext): Promise<Receiver> => {
  const heard = await receiver();
  t.after(() => heard.close());
  return heard;
};
const types = ({ messages }: Receiver): readonly string[] =>
  messages.map(({ body }) => (JSON.parse(body) as { type: string }).type);

test('SPEC L18: three processes tell everything once', async (t) => {
  const heard = await hear(t);
  const store = sharedMemory();
  const first = await start(t, store, heard);
  const all = [first, await start(t, store, heard), await start(t, store, heard)];
  const everywhere = async (): Promise<void> => {
    for (const { sequencer, notices } of all) {
      await sequencer.look();
      await notices.caughtUp();
    }
  };
  const id = await first.ask();
  await everywhere();
  const { world } = first;
  await first.send(world.later(minute).vote(id, 'grace', { seats: ['platform'] }));
  await first.send(world.later(minute).vote(id, 'radia'));
  await everywhere();
  await first.send(world.later(16 * minute).permit(id));
  await everywhere();
  await until(() => all.every(({ notices }) => notices.figures().waiting === 0));
  await pause(150);
  assert.deepEqual(types(heard), ['request.waiting', 'request.met', 'request.locked', 'permit.issued']);
  assert.equal(
    all.reduce((sum, { notices }) => sum + notices.figures().sent, 0),
    4,
  );
});

test('SPEC L18: what one left when it was stopped, another sends at once', async (t) => {
  const heard = await hear(t);
  const store = sharedMemory();
  const silent = await start(t, store, heard, { publicUrl: () => '' });
  await silent.ask();
  await until(() => silent.notices.figures().failed > 0);
  const other = await start(t, store, heard);
  await pause(200);
  assert.equal(heard.messages.length, 0, 'while one holds it the other keeps still');
  await silent.notices.stop();
  await until(() => heard.messages.length === 1);
  await until(() => other.notices.figures().waiting === 0);
  await pause(100);
  assert.equal(heard.messages.length, 1);
});

test('SPEC L18: what a process held when it died is taken over when its claim runs out, also an alert', async (t) => {
  const heard = await hear(t);
  let now = Date.now();
  const store = sharedMemory(() => now);
  // One that dies gives nothing back.
  const dying: LedgerStore = {
    ...store,
    claimRow: async (tenant, view, key, claim) =>
      claim.forMs === 0 ? 'claimed' : store.claimRow(tenant, view, key, claim),
  };
  const dead = await start(t, dying, heard, { publicUrl: () => '' });
  await dead.ask();
  await dead.ask({ emergency: true });
  await until(() => dead.notices.figures().failed > 2);
  await dead.notices.stop();
  const other = await start(t, store, heard);
  await until(() => other.notices.figures().undeliveredAlerts.length === 1);
  await pause(200);
  assert.equal(heard.messages.length, 0);
  now += 2 * minute;
  await until(() => heard.messages.length > 1 && other.notices.figures().waiting === 0);
  assert.ok(types(heard).includes('emergency.invoked'));
  const ids = heard.messages.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  await until(() => other.notices.figures().undeliveredAlerts.length === 0);
});

test('SPEC L18: who sent it and could not say so does not send it again; who takes over does, under the same id', async (t) => {
  const heard = await hear(t);
  let now = Date.now();
  const store = sharedMemory(() => now);
  let broken = true;
  const forgetful: LedgerStore = {
    ...store,
    writeViews: async (tenant, rows, cursor) => {
      if (broken && rows.some(({ value }) => value === null)) throw new Error('the line is down');
      return store.writeViews(tenant, rows, cursor);
    },
  };
  const one = await start(t, forgetful, heard);
  await one.ask();
  await until(() => heard.messages.length === 1);
  await pause(150);
  assert.equal(heard.messages.length, 1);
  now += 2 * minute;
  const other = await start(t, store, heard);
  await until(() => heard.messages.length === 2);
  assert.equal(heard.messages[0]?.id, heard.messages[1]?.id);
  broken = false;
  await pause(150);
  assert.equal(heard.messages.length, 2);
  assert.deepEqual([one.notices.figures().waiting, other.notices.figures().waiting], [0, 0]);
});
