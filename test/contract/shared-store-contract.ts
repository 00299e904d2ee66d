// SPDX-License-Identifier: Apache-2.0
// What a store must do that several processes have open at a time. `openPair` opens the same, empty store twice, as two
// processes would.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { append, entriesAfter } from './store-contract.ts';

export const sharedStoreContract = (
  name: string,
  openPair: (t: { after: (work: () => unknown) => void }) => Promise<readonly [LedgerStore, LedgerStore]>,
): void => {
  describe(`the ${name} store, opened twice`, () => {
    it('L17: says that it is shared, and both go by one clock', async (t) => {
      const [one, other] = await openPair(t);
      assert.ok(one.shared === true && other.shared === true);
      const [first, second] = [(await one.now?.()) ?? Number.NaN, (await other.now?.()) ?? Number.NaN];
      assert.ok(second >= first && second - first < 10_000);
      await one.close();
      await other.close();
    });

    it('L17: a batch that waited for the lock sees all that the one before it committed', async (t) => {
      const [one, other] = await openPair(t);
      await append(one, 'main', ['a']);
      const key = { principal: 'p', route: 'r', key: 'k' };
      const kept = { bodyDigest: 'b', answer: { index: 1, refusal: null }, at: '2026-11-23T12:00:00.000Z' as Instant };
      const begun = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      let committed = false;
      const first = one
        .batch('main', async (tx) => {
          begun.resolve();
          const before = await tx.head();
          const { entries, after } = entriesAfter(before, ['b']);
          await tx.insert(entries, before, after);
          await tx.putBlob({ digest: digestOf('x'), bytes: Buffer.from('x') });
          await tx.putAnswer(key, kept);
          await goOn.promise;
        })
        .then(() => {
          committed = true;
        });
      await begun.promise;
      const second = other.batch('main', async (tx) => {
        const before = await tx.head();
        assert.equal(before.size, 2);
        assert.deepEqual(
          (await tx.entries(0, 9)).map(({ bytes }) => Buffer.from(bytes).toString()),
          ['a', 'b'],
        );
        assert.equal(Buffer.from((await tx.blob(digestOf('x'))) ?? []).toString(), 'x');
        assert.deepEqual(await tx.answers([key]), [kept]);
        const { entries, after } = entriesAfter(before, ['c']);
        await tx.insert(entries, before, after);
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal((await other.head('main')).size, 1, 'nobody sees what is not committed');
      assert.ok(!committed);
      goOn.resolve();
      await Promise.all([first, second]);
      assert.equal((await one.head('main')).size, 3);
      await one.close();
      await other.close();
    });

    it('L17: what one has committed the other reads at once, rows and cursors too', async (t) => {
      const [one, other] = await openPair(t);
      for (let at = 0; at < 5; at += 1) {
        const head = await append(at % 2 === 0 ? one : other, 'main', [`entry ${at}`]);
        const reader = at % 2 === 0 ? other : one;
        assert.deepEqual(await reader.head('main'), head);
        assert.equal((await reader.entries('main', at, at + 1)).length, 1);
      }
      await one.writeViews('main', [{ view: 'v', key: 'k', value: 1 }], { follower: 'f', from: null, next: 3 });
      assert.equal(await other.viewRow('main', 'v', 'k'), 1);
      assert.equal(await other.cursor('main', 'f'), 3);
      assert.equal(await other.writeViews('main', [], { follower: 'f', from: null, next: 2 }), false);
      assert.equal(await other.claimRow('main', 'v', 'k', { by: 'other', forMs: 60_000 }), 'claimed');
      assert.equal(await one.claimRow('main', 'v', 'k', { by: 'one', forMs: 60_000 }), 'held');
      await one.close();
      assert.equal((await other.head('main')).size, 5, 'one that closes leaves the other open');
      await other.close();
    });

    it('L17: many batches of both leave one sequence without a gap', async (t) => {
      const [one, other] = await openPair(t);
      await Promise.all(
        Array.from({ length: 40 }, (_, at) => append(at % 2 === 0 ? one : other, 'main', [`entry ${at}`])),
      );
      const entries = await one.entries('main', 0, 99);
      assert.deepEqual(
        entries.map(({ index }) => index),
        entries.map((_, at) => at),
      );
      assert.equal(new Set(entries.map(({ leafHash }) => leafHash)).size, 40);
      await one.close();
      await other.close();
    });
  });
};
