// SPDX-License-Identifier: Apache-2.0
// Every write of a batch fails twice: once before anything was written, and once although it was. The table says what
// the caller is told, whether the process must end, and how many entries a later start finds (style habit 11).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore, type StoreBatch } from '../../src/ledger/store.ts';
import { fsck } from '../../src/app/fsck.ts';
import type { MarkKeeper } from '../../src/app/mark.ts';
import { add, logKey, startTally, tally, type TallyCommand } from '../ledger/tally.ts';
import { storeKinds } from './kept-stores.ts';

const failure = (outcome: StoreFailure['outcome']): StoreFailure =>
  new StoreFailure(refuse('store-io', 'L8', 'the disk failed on purpose', {}, 'nothing').refusal, outcome);

type Step = keyof StoreBatch | 'begin' | 'commit' | 'mark' | 'subscriber';
type Fault = { readonly at: Step; readonly persisted: boolean };

/** Fails once at a step, before or after it was done. */
const faulty = (store: LedgerStore, mark: MarkKeeper, fault: Fault) => {
  let armed = false;
  const fails = async (
    step: Step,
    work: () => Promise<unknown>,
    outcome: StoreFailure['outcome'],
  ): Promise<unknown> => {
    if (!armed || step !== fault.at) return work();
    armed = false;
    if (fault.persisted) await work();
    throw failure(outcome);
  };
  const wrap = (tx: StoreBatch): StoreBatch =>
    Object.fromEntries(
      Object.entries(tx).map(([step, work]) => [
        step,
        (...args: readonly unknown[]) =>
          fails(
            step as Step,
            () => (work as (...all: readonly unknown[]) => Promise<unknown>)(...args),
            'nothing-written',
          ),
      ]),
    ) as unknown as StoreBatch;
  const batch: LedgerStore['batch'] = (async (tenant: string, work: (tx: StoreBatch) => Promise<unknown>) => {
    if (armed && fault.at === 'begin') {
      armed = false;
      throw failure('nothing-written');
    }
    return fails(
      'commit',
      () => store.batch(tenant, (tx) => work(wrap(tx))),
      fault.persisted ? 'unknown' : 'nothing-written',
    );
  }) as LedgerStore['batch'];
  const write: MarkKeeper['write'] = async (next) => {
    if (!armed || fault.at !== 'mark') return mark.write(next);
    armed = false;
    if (fault.persisted) await mark.write(next);
    // A keeper that claims that nothing was written is not believed either: the entries are durable.
    throw failure(fault.persisted ? 'unknown' : 'nothing-written');
  };
  return {
    store: { ...store, batch },
    mark: { ...mark, read: () => mark.read(), write },
    arm: () => {
      armed = true;
    },
    armed: () => armed,
  };
};

const told = ['store-io', 'ledger-unavailable'] as const;
type Row = {
  readonly fault: Fault;
  readonly told: (typeof told)[number];
  readonly fatal: boolean;
  readonly entriesAfter: number;
};
const undone = (at: Step): readonly Row[] =>
  [false, true].map((persisted) => ({ fault: { at, persisted }, told: 'store-io', fatal: false, entriesAfter: 1 }));

// Within the transaction nothing stays, whether or not the step was done. After it, everything stays.
const matrix: readonly Row[] = [
  { fault: { at: 'begin', persisted: false }, told: 'store-io', fatal: false, entriesAfter: 1 },
  ...(['head', 'answers', 'blob', 'putBlob', 'putOpening', 'putAnswer', 'putCheckpoint', 'insert'] as const).flatMap(
    undone,
  ),
  { fault: { at: 'commit', persisted: false }, told: 'store-io', fatal: false, entriesAfter: 1 },
  { fault: { at: 'commit', persisted: true }, told: 'ledger-unavailable', fatal: true, entriesAfter: 4 },
  { fault: { at: 'mark', persisted: false }, told: 'ledger-unavailable', fatal: true, entriesAfter: 4 },
  { fault: { at: 'mark', persisted: true }, told: 'ledger-unavailable', fatal: true, entriesAfter: 4 },
];

const bytes = Buffer.from('attached');
const opening = { salt: '0'.repeat(32), text: 'because' };
const kept = Buffer.from('kept before');

for (const [name, keep] of storeKinds)
  describe(`a write that fails, over ${name}`, () => {
    for (const { fault, told: code, fatal: ends, entriesAfter } of matrix)
      it(`SPEC L6, L8, L10: ${fault.at}, ${fault.persisted ? 'yet done' : 'not done'}: ${code}${ends ? ', and the process ends' : ''}`, async (t) => {
        const place = keep(t);
        const store = await place.open();
        const broken = faulty(store, place.mark, fault);
        const { sequencer, fatal } = await startTally(broken.store, broken.mark);
        const weigh = (digest: string): TallyCommand => ({ type: 'Weigh', attachments: [digest] });
        await sequencer.submit(weigh(digestOf(kept)), { attachments: new Map([[digestOf(kept), kept]]) });
        broken.arm();
        const key = { principal: 'p', route: 'r', key: 'k', bodyDigest: 'b' };
        const submitAll = () =>
          Promise.all([
            sequencer.submit(weigh(digestOf(bytes)), {
              attachments: new Map([[digestOf(bytes), bytes]]),
              openings: new Map([[digestOf(canonicalize(opening)), opening]]),
            }),
            sequencer.submit(add(2), { idempotency: key }),
            sequencer.submit(weigh(digestOf(kept))),
          ]);
        const answers = await submitAll();
        assert.ok(!broken.armed(), 'the step was met');
        for (const { decision, index } of answers) {
          assert.equal(index, null);
          assert.ok(decision.kind === 'refused');
          assert.equal(decision.refusal.code, code);
        }
        assert.equal(fatal.length, ends ? 1 : 0);
        assert.equal((await store.head('main')).size, entriesAfter);
        if (!ends) {
          assert.equal(await store.blob('main', digestOf(bytes)), undefined);
          assert.equal(await store.opening('main', digestOf(canonicalize(opening))), undefined);
          const again = await submitAll();
          assert.deepEqual(
            again.map(({ index }) => index),
            [1, 2, 3],
            'it goes on, and the key was not used up',
          );
        } else {
          const { decision } = await sequencer.submit(add(1));
          assert.ok(
            decision.kind === 'refused' && decision.refusal.code === 'ledger-unavailable',
            'it decides nothing more',
          );
        }
        await sequencer.close();

        const next = await startTally(store, place.mark);
        assert.deepEqual(next.alerts, [], 'it starts again without quarantine');
        assert.equal(next.sequencer.head().size, 4);
        const looked = await next.sequencer.submit(add(2), { idempotency: key });
        assert.equal(looked.index, 2, 'the key tells whether it was recorded');
        await next.sequencer.close();
        const checked = await fsck(store, 'main', tally, logKey, { mark: place.mark });
        assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
        await store.close();
      });
  });
