// SPDX-License-Identifier: Apache-2.0
// SPEC L10: nobody sees or is answered for anything before its mark stands, also while the next batch is decided.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MarkKeeper } from '../../src/app/mark.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { pause } from '../crash/killed-child.ts';
import { add, startTally } from '../ledger/tally.ts';
import { storeKinds } from './kept-stores.ts';

for (const [name, keep] of storeKinds)
  describe(`publishing over ${name}`, () => {
    it('SPEC L10: decides the next batch while a mark is being written, and shows and answers nothing before its own', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const marks: { readonly size: number; readonly done: () => void }[] = [];
      let held = false;
      const mark: MarkKeeper = {
        ...kept.mark,
        write: async (next) => {
          if (held) await new Promise<void>((resolve) => marks.push({ size: next.size, done: resolve }));
          await kept.mark.write(next);
        },
      };
      const { sequencer } = await startTally(store, mark);
      held = true;
      const answered: string[] = [];
      const submit = async (name: string): Promise<void> => {
        const { index } = await sequencer.submit(add(1));
        answered.push(`${name} is entry ${index}, marked up to ${sequencer.signedHead()?.size}`);
      };
      const all = [submit('first')];
      while (marks.length < 1) await pause(1);
      all.push(submit('second'));
      while ((await store.head('main')).size < 2) await pause(1);
      all.push(submit('third'));
      while ((await store.head('main')).size < 3) await pause(1);
      assert.deepEqual(answered, []);
      assert.equal(sequencer.state().total, 0);
      assert.equal(sequencer.head().size, 0);
      assert.equal(sequencer.tree.prove(0).ok, false);
      assert.deepEqual(
        marks.map(({ size }) => size),
        [1],
      );
      marks[0]?.done();
      while (marks.length < 2) await pause(1);
      assert.deepEqual(answered, ['first is entry 0, marked up to 1']);
      assert.equal(sequencer.state().total, 1);
      assert.equal(marks[1]?.size, 3, 'those that wait share one mark');
      marks[1]?.done();
      await Promise.all(all);
      assert.deepEqual(answered.slice(1), ['second is entry 1, marked up to 3', 'third is entry 2, marked up to 3']);
      held = false;
      await sequencer.close();
      await store.close();
    });

    it('SPEC L12: what waits for a mark counts as waiting, and what was read from the store waits for it too', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      let held = false;
      const gate = Promise.withResolvers<void>();
      const mark: MarkKeeper = {
        ...kept.mark,
        write: async (next) => {
          if (held) await gate.promise;
          await kept.mark.write(next);
        },
      };
      let failing = false;
      const batch: LedgerStore['batch'] = (tenant, work) =>
        failing
          ? Promise.reject(new StoreFailure(refuse('store-locked', 'L9', 'busy').refusal, 'nothing-written'))
          : store.batch(tenant, work);
      const { sequencer } = await startTally({ ...store, batch }, mark, { maxWaiting: 3 });
      held = true;
      const digest = digestOf('a document');
      const attachments = new Map([[digest, Buffer.from('a document')]]);
      const accepted = [sequencer.submit({ type: 'Weigh', attachments: [digest] }, { attachments })];
      while ((await store.blob('main', digest)) === undefined) await pause(1);
      // A batch that fails at once does not speak for the one before it.
      failing = true;
      assert.equal((await sequencer.submit(add(9))).index, null);
      failing = false;
      let published = false;
      const shown = sequencer.published().then(() => {
        published = true;
      });
      await pause(20);
      assert.ok(!published);
      for (const amount of [1, 2]) {
        accepted.push(sequencer.submit(add(amount)));
        while ((await store.head('main')).size < accepted.length) await pause(1);
      }
      const { decision } = await sequencer.submit(add(3));
      assert.equal(decision.kind === 'refused' && decision.refusal.code, 'overloaded');
      assert.ok(!published);
      gate.resolve();
      for (const { index } of await Promise.all(accepted)) assert.notEqual(index, null);
      await shown;
      assert.equal((await sequencer.submit(add(4))).index, 3);
      await sequencer.close();
      await store.close();
    });

    it('SPEC L10: a mark that fails answers for none of the batches behind it, and ends the process once', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const waiting: (() => void)[] = [];
      let held = false;
      const mark: MarkKeeper = {
        ...kept.mark,
        write: async (next) => {
          if (!held) return kept.mark.write(next);
          await new Promise<void>((resolve) => waiting.push(resolve));
          throw new StoreFailure(refuse('store-io', 'L10', 'the disk is gone').refusal, 'nothing-written');
        },
      };
      const { sequencer, fatal } = await startTally(store, mark);
      held = true;
      const first = sequencer.submit(add(1));
      while (waiting.length === 0) await pause(1);
      const second = sequencer.submit(add(2));
      while ((await store.head('main')).size < 2) await pause(1);
      waiting[0]?.();
      for (const { decision } of await Promise.all([first, second, sequencer.submit(add(3))]))
        assert.equal(decision.kind === 'refused' && decision.refusal.code, 'ledger-unavailable');
      assert.equal(fatal.length, 1);
      assert.equal(sequencer.state().total, 0, 'nobody saw it');
      await sequencer.close();
      await store.close();
    });
  });
