// SPDX-License-Identifier: Apache-2.0
// The line to PostgreSQL is cut at every statement of a batch: before the server has heard of it, and after it has done
// it. The table says what callers are told, whether the process must end, and how many entries stand afterwards.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { fsck } from '../../src/app/fsck.ts';
import type { PostgresOptions } from '../../src/adapters/postgres/postgres-store.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { add, logKey, memoryMark, startTally, tally, type TallyCommand } from '../ledger/tally.ts';
import { PostgresProxy, type Cut } from '../support/postgres-proxy.ts';
import { addressOf, newSchema, openPostgres, postgresUrl, skip } from '../support/postgres.ts';

type Told = 'accepted' | 'ledger-unavailable';
type Row = {
  readonly cut: Cut;
  /** Whether what came of a commit may be looked up. */
  readonly settles: boolean;
  readonly told: Told;
  readonly ends: boolean;
  readonly entriesAfter: number;
};

const [before, added] = [2, 3];
const bothWays = ['before', 'after'] as const;
const row = (at: string, when: Cut['when'], told: Told, entriesAfter: number, settles = true): Row => ({
  cut: { at, when },
  settles,
  told,
  ends: told === 'ledger-unavailable',
  entriesAfter,
});

const matrix: readonly Row[] = [
  // Nothing had been decided yet: it begins again on another line.
  ...['begin', 'lock-head'].flatMap((at) => bothWays.map((when) => row(at, when, 'accepted', before + added))),
  // Within the transaction nothing stays, whether or not the server had done it: it is decided anew (SPEC L18).
  ...['entries', 'answers', 'blob'].flatMap((at) => bothWays.map((when) => row(at, when, 'accepted', before + added))),
  ...['add-blob', 'set-opening', 'add-answers', 'set-checkpoint', 'move-head', 'add-entries', 'count-batch'].flatMap(
    (at) => bothWays.map((when) => row(at, when, 'accepted', before + added)),
  ),
  // The commit: what came of it is looked up, and only what the database says counts. It says no to the first, which is
  // decided anew; the second stands.
  row('commit', 'before', 'accepted', before + added),
  row('commit', 'after', 'accepted', before + added),
  // When it cannot be looked up in time nobody knows, and the process ends.
  row('commit', 'before', 'ledger-unavailable', before, false),
  row('commit', 'after', 'ledger-unavailable', before + added, false),
];

const bytes = Buffer.from('attached');
const kept = Buffer.from('kept before');
const opening = { salt: '0'.repeat(32), text: 'because' };
const idempotency = { principal: 'p', route: 'r', key: 'k', bodyDigest: 'b' };
const weigh = (digest: string): TallyCommand => ({ type: 'Weigh', attachments: [digest] });

const behindProxy = async (
  t: TestContext,
  options: Partial<PostgresOptions> = {},
): Promise<{ readonly proxy: PostgresProxy; readonly store: LedgerStore; readonly direct: LedgerStore }> => {
  const schema = newSchema();
  const address = addressOf((await postgresUrl()) ?? '');
  const [target] = address.servers;
  assert.ok(target !== undefined);
  const proxy = await PostgresProxy.start(target);
  t.after(() => proxy.stop());
  const store = await openPostgres(t, {
    address: { ...address, servers: [proxy.server] },
    schema,
    ...options,
  });
  return { proxy, store, direct: await openPostgres(t, { schema }) };
};

describe('a line to PostgreSQL that is cut', { skip }, () => {
  for (const { cut, settles, told, ends, entriesAfter } of matrix)
    it(`SPEC L6, L8, L16, L18: ${cut.when} ${cut.at}${settles ? '' : ', and not to be looked up'}: ${told}`, async (t) => {
      const { proxy, store, direct } = await behindProxy(t, settles ? {} : { settleMs: 0 });
      const mark = memoryMark();
      const { sequencer, fatal } = await startTally(store, mark);
      await sequencer.submit(weigh(digestOf(kept)), { attachments: new Map([[digestOf(kept), kept]]) });
      // Somebody else appends, so that the batch has to read before it decides.
      const other = await startTally(direct, memoryMark(), { acceptMissingMark: true });
      assert.equal((await other.sequencer.submit(add(1))).index, 1);
      await other.sequencer.close();
      const submitAll = () =>
        Promise.all([
          sequencer.submit(weigh(digestOf(bytes)), {
            attachments: new Map([[digestOf(bytes), bytes]]),
            openings: new Map([[digestOf(canonicalize(opening)), opening]]),
          }),
          sequencer.submit(add(2), { idempotency }),
          sequencer.submit(weigh(digestOf(kept))),
        ]);
      proxy.arm(cut);
      const answers = await submitAll();
      assert.ok(proxy.met, 'the statement was met');
      for (const { decision } of answers)
        assert.equal(decision.kind === 'accepted' ? 'accepted' : decision.refusal.code, told);
      assert.equal(fatal.length, ends ? 1 : 0);
      assert.equal(sequencer.quarantine(), undefined);
      assert.equal((await direct.head('main')).size, entriesAfter);
      assert.equal((await direct.blob('main', digestOf(bytes))) === undefined, entriesAfter === before);
      if (!ends)
        assert.deepEqual(
          answers.map(({ index }) => index),
          [2, 3, 4],
          'each once, in the order in which they came',
        );
      await sequencer.close();

      const next = await startTally(direct, mark);
      assert.deepEqual(next.alerts, []);
      const looked = await next.sequencer.submit(add(2), { idempotency });
      assert.equal(looked.index, ends && entriesAfter === before ? 2 : 3, 'the key tells whether it was recorded');
      await next.sequencer.close();
      const checked = await fsck(direct, 'main', tally, logKey, { mark });
      assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
    });

  it('L16: a commit that nobody can ask about for a while is unknown, and is not sent again when the line is back', async (t) => {
    const { proxy, store, direct } = await behindProxy(t, { settleMs: 600 });
    const { sequencer, fatal } = await startTally(store, memoryMark());
    await sequencer.submit(add(1));
    proxy.arm({ at: 'commit', when: 'before' });
    const answer = sequencer.submit(add(2));
    while (!proxy.met) await new Promise((resolve) => setTimeout(resolve, 1));
    proxy.cutAll();
    const { decision } = await answer;
    assert.ok(decision.kind === 'refused' && decision.refusal.code === 'ledger-unavailable');
    assert.equal(fatal.length, 1);
    proxy.restore();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal((await direct.head('main')).size, 1);
  });

  it('L15: PostgreSQL that is gone for a while refuses batches, and is found again when it is back', async (t) => {
    const { proxy, store } = await behindProxy(t);
    const { sequencer, fatal, alerts } = await startTally(store, memoryMark());
    await sequencer.submit(add(1));
    proxy.cutAll();
    const waiting = sequencer.submit(add(2));
    setTimeout(() => proxy.restore(), 700);
    assert.equal((await waiting).index, 1, 'a batch that has not begun waits for it');
    assert.equal((await store.entries('main', 0, 9)).length, 2);
    await sequencer.close();
    assert.deepEqual([fatal, alerts], [[], []]);
  });

  it('L15, L18: PostgreSQL that is gone for longer is told of, nothing is written, and it goes on by itself', async (t) => {
    const { proxy, store, direct } = await behindProxy(t, { patienceMs: 300 });
    const { sequencer, fatal, alerts } = await startTally(store, memoryMark());
    await sequencer.submit(add(1));
    proxy.cutAll();
    const answers = await Promise.all([sequencer.submit(add(2), { idempotency }), sequencer.submit(add(3))]);
    for (const { decision, index } of answers)
      assert.deepEqual(
        [decision.kind === 'accepted' ? 'accepted' : decision.refusal.code, index],
        ['store-unreachable', null],
      );
    assert.equal((await direct.head('main')).size, 1);
    proxy.restore();
    assert.equal((await sequencer.submit(add(2), { idempotency })).index, 1, 'the key was not used up');
    await sequencer.close();
    assert.deepEqual([fatal, alerts], [[], []]);
  });
});
