// SPDX-License-Identifier: Apache-2.0
// Every step of a batch fails: before anything was written, or although it was; for one try, or for every one. The table
// says what each caller is told, whether the process must end, and how many entries a later start finds (style habit 11).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore, type StoreBatch } from '../../src/ledger/store.ts';
import { fsck } from '../../src/app/fsck.ts';
import type { MarkKeeper } from '../../src/app/mark.ts';
import type { Answer } from '../../src/app/sequencer.ts';
import { add, logKey, startTally, tally, type TallyCommand, type TallyEvent } from '../ledger/tally.ts';
import { storeKinds } from './kept-stores.ts';

const failure = (outcome: StoreFailure['outcome']): StoreFailure =>
  new StoreFailure(refuse('store-io', 'L8', 'the disk failed on purpose', {}, 'nothing').refusal, outcome);

type Step = keyof StoreBatch | 'begin' | 'commit' | 'mark' | 'subscriber';
type Fault = { readonly at: Step; readonly persisted: boolean; readonly lasts?: true };

/** Fails at a step, before or after it was done: once, or as long as it is armed. */
const faulty = (store: LedgerStore, mark: MarkKeeper, fault: Fault) => {
  let [armed, met] = [false, false];
  const fail = (): void => {
    met = true;
    armed = fault.lasts === true;
  };
  const fails = async (
    step: Step,
    work: () => Promise<unknown>,
    outcome: StoreFailure['outcome'],
  ): Promise<unknown> => {
    if (!armed || step !== fault.at) return work();
    fail();
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
      fail();
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
    fail();
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
    mend: () => {
      armed = false;
    },
    met: () => met,
  };
};

type Told = 'accepted' | 'store-io' | 'ledger-unavailable';
type Row = {
  readonly fault: Fault;
  /** What each of the three callers is told. */
  readonly told: readonly [Told, Told, Told];
  readonly fatal: boolean;
  readonly entriesAfter: number;
};
const all = (told: Told): Row['told'] => [told, told, told];
/** Of three commands of a batch, those at these places cannot be written as long as the step fails. */
const undone = (at: Step, ...places: readonly number[]): readonly Row[] =>
  [false, true].flatMap((persisted): readonly Row[] => {
    const told = all('accepted').map((one, place) => (places.includes(place) ? 'store-io' : one));
    return [
      { fault: { at, persisted }, told: all('accepted'), fatal: false, entriesAfter: 4 },
      {
        fault: { at, persisted, lasts: true },
        told: told as unknown as Row['told'],
        fatal: false,
        entriesAfter: 4 - places.length,
      },
    ];
  });

// Within the transaction nothing stays, whether or not the step was done, and what can be written is decided anew. After
// it, everything stays.
const matrix: readonly Row[] = [
  ...undone('begin', 0, 1, 2).filter(({ fault }) => !fault.persisted),
  ...undone('head', 0, 1, 2),
  ...undone('answers', 1),
  ...undone('blob', 2),
  ...undone('putBlob', 0),
  ...undone('putOpening', 0),
  ...undone('putAnswer', 1),
  ...undone('putCheckpoint', 0, 1, 2),
  ...undone('insert', 0, 1, 2),
  ...undone('commit', 0, 1, 2).filter(({ fault }) => !fault.persisted),
  { fault: { at: 'commit', persisted: true }, told: all('ledger-unavailable'), fatal: true, entriesAfter: 4 },
  { fault: { at: 'mark', persisted: false }, told: all('ledger-unavailable'), fatal: true, entriesAfter: 4 },
  { fault: { at: 'mark', persisted: true }, told: all('ledger-unavailable'), fatal: true, entriesAfter: 4 },
];

const codeOf = ({ decision }: Answer<TallyEvent>): string =>
  decision.kind === 'refused' ? decision.refusal.code : 'accepted';
const bytes = Buffer.from('attached');
const opening = { salt: '0'.repeat(32), text: 'because' };
const kept = Buffer.from('kept before');

for (const [name, keep] of storeKinds)
  describe(`a write that fails, over ${name}`, () => {
    for (const { fault, told, fatal: ends, entriesAfter } of matrix)
      it(`SPEC L6, L8, L10, L18: ${fault.at} ${fault.lasts ? 'again and again' : 'once'}, ${fault.persisted ? 'yet done' : 'not done'}: ${told.join(', ')}${ends ? ', and the process ends' : ''}`, async (t) => {
        const place = keep(t);
        const store = await place.open();
        const broken = faulty(store, place.mark, fault);
        const { sequencer, fatal } = await startTally(broken.store, broken.mark);
        const weigh = (digest: string): TallyCommand => ({ type: 'Weigh', attachments: [digest] });
        await sequencer.submit(weigh(digestOf(kept)), { attachments: new Map([[digestOf(kept), kept]]) });
        broken.arm();
        const key = { principal: 'p', route: 'r', key: 'k', bodyDigest: 'b' };
        const first = () =>
          sequencer.submit(weigh(digestOf(bytes)), {
            attachments: new Map([[digestOf(bytes), bytes]]),
            openings: new Map([[digestOf(canonicalize(opening)), opening]]),
          });
        const second = () => sequencer.submit(add(2), { idempotency: key });
        const third = () => sequencer.submit(weigh(digestOf(kept)));
        const answers = await Promise.all([first(), second(), third()]);
        assert.ok(broken.met(), 'the step was met');
        assert.deepEqual(answers.map(codeOf), told);
        let size = 1;
        for (const answer of answers)
          if (codeOf(answer) === 'accepted') assert.equal(answer.index, size++, 'numbered without a gap');
          else assert.equal(answer.index, null);
        assert.equal(fatal.length, ends ? 1 : 0);
        assert.equal((await store.head('main')).size, entriesAfter);
        if (ends) {
          assert.equal(codeOf(await sequencer.submit(add(1))), 'ledger-unavailable', 'it decides nothing more');
        } else if (fault.lasts) {
          broken.mend();
          assert.equal((await store.blob('main', digestOf(bytes))) === undefined, told[0] !== 'accepted');
          assert.equal(
            (await store.opening('main', digestOf(canonicalize(opening)))) === undefined,
            told[0] !== 'accepted',
          );
          // Who was refused tries again; the key was not used up.
          for (const [at, again] of [first, second, third].entries())
            if (told[at] !== 'accepted') assert.equal((await again()).index, size++);
        }
        await sequencer.close();

        const next = await startTally(store, place.mark);
        assert.deepEqual(next.alerts, [], 'it starts again without quarantine');
        assert.equal(next.sequencer.head().size, 4);
        const looked = await next.sequencer.submit(add(2), { idempotency: key });
        assert.ok(looked.index !== null && looked.index < 4, 'the key tells whether it was recorded');
        await next.sequencer.close();
        const checked = await fsck(store, 'main', tally, logKey, { mark: place.mark });
        assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
        await store.close();
      });
  });
