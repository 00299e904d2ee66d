// SPDX-License-Identifier: Apache-2.0
// SPEC L17: what a process sees of what others append, when it looks away, is lied to, or cannot look at all.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import type { MarkKeeper } from '../../src/app/mark.ts';
import { instantFromMs } from '../../src/kernel/instant.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { StoreFailure, type LedgerStore, type ViewWrite } from '../../src/ledger/store.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { pause } from '../crash/killed-child.ts';
import { add, logKey, memoryMark, startTally, type Started } from '../ledger/tally.ts';
import { hops, share, sharedKinds, sharedMemory } from './shared-stores.ts';

const start = (store: LedgerStore, more: Parameters<typeof startTally>[2] = {}, mark: MarkKeeper = memoryMark()) =>
  startTally(store, mark, { acceptMissingMark: true, lookEveryMs: 600_000, ...more });
const codeOf = ({ decision }: Awaited<ReturnType<Started['sequencer']['submit']>>): string =>
  decision.kind === 'refused' ? decision.refusal.code : 'accepted';
const down = (): StoreFailure =>
  new StoreFailure(refuse('store-io', 'L8', 'the line is down', {}, 'wait').refusal, 'nothing-written');
const close = async (...all: readonly Started[]): Promise<void> => {
  for (const { sequencer, fatal } of all) {
    assert.deepEqual(fatal, []);
    await sequencer.close();
  }
};

for (const [name, door] of sharedKinds)
  describe(`two sequencers on one ${name} store`, () => {
    it('SPEC L17: one that only reads sees, marks and proves what the other appended: when it looks, and by itself soon', async (t) => {
      const open = door(t);
      const mark = memoryMark();
      const [one, other] = [await start(await open()), await start(await open(), {}, mark)];
      const { index, entry } = await one.sequencer.submit(add(1));
      assert.equal(other.sequencer.head().size, 0);
      assert.ok(await other.sequencer.look());
      assert.deepEqual(other.sequencer.state(), one.sequencer.state());
      assert.equal(mark.kept?.size, 1, 'by a mark of its own');
      const receipt = other.sequencer.tree.receipt(index ?? -1);
      assert.ok(receipt.ok && verifyTlogProof(receipt.value, leafHash(entry ?? ''), logKey).ok);
      const idle = await start(await open(), { lookEveryMs: 10 });
      await one.sequencer.submit(add(2));
      for (let tries = 0; idle.sequencer.head().size < 2; tries += 1) {
        assert.ok(tries < 100, 'nobody asked, and it sees it all the same');
        await pause(10);
      }
      await close(one, other, idle);
    });

    it('SPEC L10, L17: shows and answers nothing of others before its own mark, while the other answers long since', async (t) => {
      const open = door(t);
      const store = await open();
      const gate = Promise.withResolvers<void>();
      const inner = memoryMark();
      let held = false;
      const mark: MarkKeeper = {
        ...inner,
        write: async (next) => {
          if (held) await gate.promise;
          await inner.write(next);
        },
      };
      const [one, other] = [await start(await open()), await start(await open(), {}, mark)];
      held = true;
      const first = await one.sequencer.submit(add(1));
      assert.equal(first.index, 0);
      let [looked, answered] = [false, false];
      const look = other.sequencer.look().then(() => {
        looked = true;
      });
      await hops(20);
      const second = other.sequencer.submit(add(2)).then((answer) => {
        answered = true;
        return answer;
      });
      while ((await store.head('main')).size < 2) await pause(1);
      await pause(20);
      assert.ok(!looked && !answered);
      assert.equal(other.sequencer.head().size, 0);
      assert.ok(!other.sequencer.tree.prove(0).ok);
      // The other goes on meanwhile, over what is not marked there yet.
      assert.equal((await one.sequencer.submit(add(3))).index, 2);
      gate.resolve();
      await look;
      assert.equal((await second).index, 1);
      assert.ok(await other.sequencer.look());
      assert.deepEqual(other.sequencer.state(), one.sequencer.state());
      await close(one, other);
    });

    it('SPEC L12, L17: one key at both at once gives one effect, and the first answer at both', async (t) => {
      const open = door(t);
      const store = await open();
      const all = [await start(await open()), await start(await open()), await start(await open())];
      const key = (bodyDigest: string) => ({ idempotency: { principal: 'p', route: 'r', key: 'k', bodyDigest } });
      const answers = await Promise.all(all.map(({ sequencer }) => sequencer.submit(add(7), key('a'))));
      assert.deepEqual(
        answers.map(({ index, entry }) => [index, entry]),
        answers.map(() => [0, answers[0]?.entry]),
      );
      assert.equal((await store.head('main')).size, 1);
      assert.equal(codeOf(await (all[1] as Started).sequencer.submit(add(7), key('b'))), 'idempotency-conflict');
      const refused = { idempotency: { principal: 'p', route: 'r', key: 'no', bodyDigest: 'a' } };
      const no = await Promise.all(all.map(({ sequencer }) => sequencer.submit({ type: 'DenyOnRecord' }, refused)));
      assert.deepEqual(no.map(codeOf), ['request-over', 'request-over', 'request-over']);
      assert.equal(new Set(no.map(({ index }) => index)).size, 1);
      assert.equal((await store.head('main')).size, 2);
      await close(...all);
    });

    it('SPEC L18: followers of one name write every row once, and one that is slow moves nothing back', async (t) => {
      const open = door(t);
      const store = await open();
      const [one, other] = [await start(await open()), await start(await open())];
      const options = { name: 'f', from: 0, onError: (_: string, error: unknown) => assert.fail(String(error)) };
      const rows = (by: string, entries: readonly { readonly index: number }[]): readonly ViewWrite[] =>
        entries.map(({ index }) => ({ view: 'v', key: String(index).padStart(4, '0'), value: by }));
      const written: string[] = [];
      const slow = Promise.withResolvers<void>();
      const holds = Promise.withResolvers<void>();
      let seen = 0;
      const slowly = await other.sequencer.follow(options, async (entries) => {
        seen += 1;
        holds.resolve();
        if (seen === 1) await slow.promise;
        return { rows: rows('slow', entries), written: () => written.push(`slow ${entries[0]?.index}`) };
      });
      await one.sequencer.submit(add(0));
      await other.sequencer.look();
      await holds.promise;
      // It holds the first page; the other comes, handles it, and goes on.
      const quick = await one.sequencer.follow(options, async (entries) => ({
        rows: rows('quick', entries),
        written: () => written.push(`quick ${entries[0]?.index}`),
      }));
      for (let at = 1; at < 4; at += 1) await one.sequencer.submit(add(at));
      await quick.caughtUp();
      assert.equal(await store.cursor('main', 'f'), 4);
      slow.resolve();
      await other.sequencer.look();
      await slowly.caughtUp();
      assert.deepEqual([slowly.next(), await store.cursor('main', 'f')], [4, 4]);
      const values = (await store.viewRows('main', 'v', '', 9)).map(({ value }) => value);
      assert.deepEqual(values, ['quick', 'quick', 'quick', 'quick'], 'what was written first stands');
      assert.ok(written.every((line) => line.startsWith('quick')));
      // One that is gone is no loss: the other takes the next page.
      await quick.stop();
      await one.sequencer.submit(add(4));
      await other.sequencer.look();
      await slowly.caughtUp();
      assert.equal(await store.viewRow('main', 'v', '0004'), 'slow');
      await close(one, other);
    });
  });

describe('a sequencer that others share a store with', () => {
  it('SPEC L11, L17: finds no damage in what others append while it looks through everything at its start', async () => {
    const store = sharedMemory();
    const one = await start(store);
    for (let at = 0; at < 5; at += 1) await one.sequencer.submit(add(at));
    // Others append, and keep a newer checkpoint, after this one has read the head.
    let armed = true;
    const late: LedgerStore = {
      ...store,
      entries: async (tenant, from, to) => {
        const entries = await store.entries(tenant, from, to);
        if (armed) {
          armed = false;
          for (let at = 0; at < 3; at += 1) await one.sequencer.submit(add(at));
        }
        return entries;
      },
    };
    const other = await start(late);
    assert.deepEqual(other.alerts, []);
    assert.equal(other.sequencer.head().size, 5);
    assert.ok(await other.sequencer.look());
    assert.equal(other.sequencer.head().size, 8);
    await close(one, other);
  });

  it('SPEC L11: an entry that stands behind the head stays damage', async () => {
    const store = sharedMemory();
    const one = await start(store);
    await one.sequencer.submit(add(1));
    const stray: LedgerStore = {
      ...store,
      entries: async (tenant, from, to) => store.entries(tenant, Math.min(from, 0), to),
    };
    const other = await start(stray);
    assert.match(other.alerts[0]?.what ?? '', /stands behind the head/);
    await close(one, other);
  });

  it('SPEC L11, L17: quarantines itself for what it finds damaged when it only looks, and the others go on', async () => {
    for (const [what, lie] of [
      ['it was cut', (store: LedgerStore): Partial<LedgerStore> => ({ head: () => forged(store, 1) })],
      [
        'the head was changed',
        (store: LedgerStore): Partial<LedgerStore> => ({ head: (tenant) => rootless(store, tenant) }),
      ],
      [
        'its bytes are not',
        (store: LedgerStore): Partial<LedgerStore> => ({
          entries: (tenant, from, to) => bitten(store, tenant, from, to),
        }),
      ],
      ['it is missing', (): Partial<LedgerStore> => ({ entries: async () => [] })],
    ] as const) {
      const store = share(memoryStore());
      const one = await start(store);
      for (let at = 0; at < 3; at += 1) await one.sequencer.submit(add(at));
      let lying = false;
      const lies = lie(store);
      const lied: LedgerStore = {
        ...store,
        head: (tenant) => (lying && lies.head !== undefined ? lies.head(tenant) : store.head(tenant)),
        entries: (tenant, from, to) =>
          lying && lies.entries !== undefined ? lies.entries(tenant, from, to) : store.entries(tenant, from, to),
      };
      const other = await start(lied);
      await one.sequencer.submit(add(3));
      lying = true;
      await other.sequencer.look();
      assert.match(other.alerts[0]?.what ?? 'no alert', new RegExp(what));
      assert.equal(codeOf(await other.sequencer.submit(add(4))), 'ledger-quarantined');
      assert.equal(other.sequencer.signedHead()?.size, 3, 'it signs no more than before');
      assert.equal(codeOf(await one.sequencer.submit(add(4))), 'accepted');
      await close(one, other);
    }
  });

  it('SPEC L17: a store that cannot be reached is no damage: it says that it does not know, and goes on later', async () => {
    const store = sharedMemory();
    const one = await start(store);
    let broken = false;
    const frail: LedgerStore = {
      ...store,
      head: (tenant) => (broken ? Promise.reject(down()) : store.head(tenant)),
      batch: (tenant, work) =>
        store.batch(tenant, (tx) =>
          work({ ...tx, entries: (from, to) => (broken ? Promise.reject(down()) : tx.entries(from, to)) }),
        ),
    };
    const other = await start(frail);
    await one.sequencer.submit(add(1));
    broken = true;
    assert.equal(await other.sequencer.look(), false);
    assert.equal(codeOf(await other.sequencer.submit(add(2))), 'store-io', 'also in the middle of catching up');
    broken = false;
    assert.ok(await other.sequencer.look());
    assert.equal((await other.sequencer.submit(add(2))).index, 1);
    assert.deepEqual(other.alerts, []);
    await close(one, other);
  });

  it('SPEC L10, L17: signs nothing of others before the store has confirmed it', async () => {
    const store = sharedMemory();
    const one = await start(store);
    let confirmed: () => Promise<void> = async () => {};
    const other = await start({ ...store, confirm: () => confirmed() });
    const { size } = other.sequencer.head();
    await one.sequencer.submit(add(1));
    confirmed = () => Promise.reject(down());
    assert.equal(await other.sequencer.look(), false);
    assert.deepEqual([other.sequencer.head().size, other.sequencer.signedHead()?.size], [size, size]);
    const gate = Promise.withResolvers<void>();
    confirmed = () => gate.promise;
    const look = other.sequencer.look();
    await pause(20);
    assert.equal(other.sequencer.signedHead()?.size, size);
    gate.resolve();
    assert.ok(await look);
    assert.equal(other.sequencer.signedHead()?.size, 1);
    await close(one, other);
    const { sequencer } = await start({ ...store, confirm: () => Promise.reject(down()) }).catch((error: unknown) => {
      assert.match(String(error), /line is down/);
      return { sequencer: undefined };
    });
    assert.equal(sequencer, undefined, 'it does not begin with what is not confirmed either');
  });

  it('SPEC L10: a mark that cannot be written ends the process also when only others have appended', async () => {
    const store = sharedMemory();
    let broken = false;
    const inner = memoryMark();
    const one = await start(store);
    const other = await start(
      store,
      {},
      {
        ...inner,
        write: async (next) => {
          if (broken) throw down();
          await inner.write(next);
        },
      },
    );
    broken = true;
    await one.sequencer.submit(add(1));
    await other.sequencer.look();
    assert.equal(other.fatal.length, 1);
    assert.equal(other.sequencer.head().size, 0);
    assert.equal(codeOf(await other.sequencer.submit(add(2))), 'ledger-unavailable');
    await other.sequencer.close();
    await close(one);
  });

  it('SPEC L4, L17: goes by the clock of the store, however its own goes; without one it refuses those that are ahead', async () => {
    const noon = Date.UTC(2026, 10, 23, 12);
    let now = noon;
    const store = sharedMemory(() => now);
    const [ahead, behind] = [
      await start(store, { now: () => noon + 40 * 86_400_000 }),
      await start(store, { now: () => noon - 40 * 86_400_000 }),
    ];
    for (const { sequencer } of [ahead, behind, ahead]) {
      now += 1000;
      assert.equal(codeOf(await sequencer.submit(add(1))), 'accepted');
      assert.equal(sequencer.head().time, instantFromMs(now));
    }
    now -= 1500;
    assert.equal(codeOf(await behind.sequencer.submit(add(1))), 'accepted');
    assert.equal(behind.sequencer.head().time, instantFromMs(noon + 3000), 'up to 2 s back are held');
    now -= 2000;
    assert.equal(codeOf(await behind.sequencer.submit(add(1))), 'clock-behind');
    now = noon + 3000 + 25 * 3_600_000;
    assert.equal(codeOf(await ahead.sequencer.submit(add(1))), 'clock-ahead');
    await behind.sequencer.acceptTimeJump();
    assert.equal(codeOf(await behind.sequencer.submit(add(1))), 'accepted');
    assert.equal(codeOf(await ahead.sequencer.submit(add(1))), 'accepted', 'the entry says it to the others');
    await close(ahead, behind);

    const plain = memoryStore();
    const own = { ...plain, shared: true, close: async () => {} };
    const [fast, right] = [await start(own, { now: () => noon + 10_000 }), await start(own, { now: () => noon })];
    assert.equal(codeOf(await fast.sequencer.submit(add(1))), 'accepted');
    assert.equal(codeOf(await right.sequencer.submit(add(1))), 'clock-behind');
    await close(fast, right);
  });

  it('SPEC L17: hands on every entry once and in order, whoever appended it; too many at once are left to the state', async () => {
    const store = sharedMemory();
    const [one, other] = [await start(store), await start(store, { maxWaiting: 10_000 })];
    const told: (number | null)[] = [];
    one.sequencer.subscribe((head, entries) => {
      told.push(...(entries?.map(({ index }) => index) ?? [null]));
      assert.ok(entries?.every(({ index }) => index < head.size) ?? true);
    });
    for (let at = 0; at < 12; at += 1) await (at % 3 === 0 ? one : other).sequencer.submit(add(at));
    await one.sequencer.look();
    assert.deepEqual(
      told,
      Array.from({ length: 12 }, (_, at) => at),
    );
    await Promise.all(Array.from({ length: 5000 }, () => other.sequencer.submit(add(1))));
    await one.sequencer.look();
    assert.equal(told.at(-1), null);
    await one.sequencer.submit(add(1));
    assert.equal(told.at(-1), 5012);
    await close(one, other);
  });
});

const forged = async (store: LedgerStore, size: number) => ({ ...(await store.head('main')), size });
const rootless = async (store: LedgerStore, tenant: string) => ({
  ...(await store.head(tenant)),
  root: '0'.repeat(64),
});
const bitten = async (store: LedgerStore, tenant: string, from: number, to: number) =>
  (await store.entries(tenant, from, to)).map((entry) => ({
    ...entry,
    bytes: Buffer.from(Buffer.from(entry.bytes).toString().replace('"amount":3', '"amount":4')),
  }));
