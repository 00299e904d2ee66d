// SPDX-License-Identifier: Apache-2.0
// What every store must do. Each one, also a third party's, runs these.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Instant } from '../../src/kernel/instant.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { appendLeaf, emptyEdge, emptyRoot, leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { StoreFailure, type LedgerHead, type LedgerStore, type StoredEntry } from '../../src/ledger/store.ts';

const time = (second: number): Instant => new Date(Date.UTC(2026, 10, 23, 12, 0, second)).toISOString() as Instant;

export const entriesAfter = (
  head: LedgerHead,
  texts: readonly string[],
): { readonly entries: readonly StoredEntry[]; readonly after: LedgerHead } => {
  let { edge } = head;
  const entries = texts.map((text, at) => {
    const bytes = Buffer.from(text);
    edge = appendLeaf(edge, leafHash(bytes));
    return { index: head.size + at, bytes, leafHash: leafHash(bytes) };
  });
  return { entries, after: { size: edge.size, root: rootOf(edge), edge, time: time(edge.size) } };
};

export const append = (store: LedgerStore, tenant: string, texts: readonly string[]): Promise<LedgerHead> =>
  store.batch(tenant, async (tx) => {
    const before = await tx.head();
    const { entries, after } = entriesAfter(before, texts);
    await tx.insert(entries, before, after);
    return after;
  });

const isFailure =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof StoreFailure && error.refusal.code === code;

export const storeContract = (
  name: string,
  open: (t: { after: (work: () => void) => void }) => Promise<LedgerStore>,
): void => {
  describe(`the ${name} store`, () => {
    it('begins with an empty ledger', async (t) => {
      const store = await open(t);
      assert.deepEqual(await store.head('main'), { size: 0, root: emptyRoot, edge: emptyEdge, time: null });
      assert.deepEqual(await store.entries('main', 0, 10), []);
      assert.equal(await store.checkpoint('main'), undefined);
      await store.close();
    });

    it('gives back entries and head as they were appended', async (t) => {
      const store = await open(t);
      const head = await append(
        store,
        'main',
        Array.from({ length: 40 }, (_, at) => `entry ${at} ü`),
      );
      const later = await append(store, 'main', ['one more']);
      assert.deepEqual(await store.head('main'), later);
      assert.equal(head.size, 40);
      const entries = await store.entries('main', 38, 100);
      assert.deepEqual(
        entries.map(({ index, bytes, leafHash }) => [index, Buffer.from(bytes).toString(), leafHash]),
        [
          [38, 'entry 38 ü', leafHash('entry 38 ü')],
          [39, 'entry 39 ü', leafHash('entry 39 ü')],
          [40, 'one more', leafHash('one more')],
        ],
      );
      assert.deepEqual(await store.leafHashes('main', 40, 41), [leafHash('one more')]);
      await store.close();
    });

    it('writes nothing of a batch that throws', async (t) => {
      const store = await open(t);
      const attempt = store.batch('main', async (tx) => {
        const before = await tx.head();
        const { entries, after } = entriesAfter(before, ['a', 'b']);
        await tx.insert(entries, before, after);
        await tx.putBlob({ digest: digestOf('x'), bytes: Buffer.from('x') });
        await tx.putCheckpoint('note');
        throw new Error('on purpose');
      });
      await assert.rejects(attempt, /on purpose/);
      assert.equal((await store.head('main')).size, 0);
      assert.deepEqual(await store.entries('main', 0, 9), []);
      assert.equal(await store.blob('main', digestOf('x')), undefined);
      assert.equal(await store.checkpoint('main'), undefined);
      await store.close();
    });

    it('shows nobody what is not committed, and the batch its own writes', async (t) => {
      const store = await open(t);
      await store.batch('main', async (tx) => {
        const before = await tx.head();
        const { entries, after } = entriesAfter(before, ['a']);
        await tx.insert(entries, before, after);
        assert.equal((await tx.head()).size, 1);
        assert.equal((await tx.entries(0, 1)).length, 1);
        assert.equal((await store.head('main')).size, 0);
        assert.deepEqual(await store.entries('main', 0, 1), []);
      });
      assert.equal((await store.head('main')).size, 1);
      await store.close();
    });

    it('lets one batch of a tenant run at a time, in order', async (t) => {
      const store = await open(t);
      let running = 0;
      const work = (text: string): Promise<void> =>
        store.batch('main', async (tx) => {
          running += 1;
          assert.equal(running, 1);
          const before = await tx.head();
          await new Promise((resolve) => setImmediate(resolve));
          const { entries, after } = entriesAfter(before, [text]);
          await tx.insert(entries, before, after);
          running -= 1;
        });
      await Promise.all(['0', '1', '2', '3', '4'].map(work));
      assert.deepEqual(
        (await store.entries('main', 0, 9)).map(({ bytes }) => Buffer.from(bytes).toString()),
        ['0', '1', '2', '3', '4'],
      );
      await store.close();
    });

    it('L6: appends only after the head it was told of', async (t) => {
      const store = await open(t);
      const old = await store.head('main');
      await append(store, 'main', ['a']);
      const stale = store.batch('main', async (tx) => {
        const { entries, after } = entriesAfter(old, ['b']);
        await tx.insert(entries, old, after);
      });
      await assert.rejects(stale, isFailure('store-conflict'));
      assert.equal((await store.head('main')).size, 1);
      await store.close();
    });

    it('keeps tenants apart', async (t) => {
      const store = await open(t);
      await append(store, 'one', ['a']);
      await store.putOpening('one', 'sha256:c', { salt: 's', text: 't' });
      await store.writeViews('one', [{ view: 'v', key: 'k', value: 1 }], { follower: 'f', from: null, next: 5 });
      assert.equal((await store.head('two')).size, 0);
      assert.equal(await store.opening('two', 'sha256:c'), undefined);
      assert.equal(await store.viewRow('two', 'v', 'k'), undefined);
      assert.equal(await store.cursor('two', 'f'), undefined);
      for (const name of ['', '../one', 'One', 'a/b', 'x'.repeat(64)])
        await assert.rejects(store.head(name), StoreFailure, name);
      await store.close();
    });

    it('keeps blobs once and lists them in order', async (t) => {
      const store = await open(t);
      const blobs = ['x', 'y', 'z'].map((text) => ({ digest: digestOf(text), bytes: Buffer.from(text) }));
      await store.batch('main', async (tx) => {
        for (const blob of [...blobs, ...blobs]) await tx.putBlob(blob);
        assert.deepEqual(Buffer.from((await tx.blob(digestOf('y'))) ?? []).toString(), 'y');
      });
      const sorted = blobs.map(({ digest }) => digest).sort();
      assert.deepEqual(
        (await store.blobs('main', '', 2)).map(({ digest }) => digest),
        sorted.slice(0, 2),
      );
      assert.deepEqual(
        (await store.blobs('main', sorted[1] ?? '', 2)).map(({ digest }) => digest),
        sorted.slice(2),
      );
      assert.equal(Buffer.from((await store.blob('main', digestOf('z'))) ?? []).toString(), 'z');
      await store.close();
    });

    it('L12: keeps an answer under tenant, principal, route and key, and forgets it when told', async (t) => {
      const store = await open(t);
      const key = { principal: 'person:p_1', route: 'POST /v1/requests', key: 'k' };
      const kept = { bodyDigest: digestOf('body'), answer: { index: 3, refusal: null }, at: time(1) };
      await store.batch('main', (tx) => tx.putAnswer(key, kept));
      await store.batch('main', async (tx) => {
        const others = [
          { ...key, principal: 'person:p_2' },
          { ...key, route: 'POST /v1/votes' },
        ];
        assert.deepEqual(await tx.answers([others[0] ?? key, key, others[1] ?? key]), [undefined, kept, undefined]);
        assert.deepEqual(await tx.answers([]), []);
        await tx.pruneAnswers(time(1));
        assert.deepEqual(await tx.answers([key]), [kept]);
        await tx.pruneAnswers(time(2));
        assert.deepEqual(await tx.answers([key]), [undefined]);
      });
      await store.close();
    });

    it('L31: erases texts for good, and keeps when and why', async (t) => {
      const store = await open(t);
      const erasure = { commitment: 'sha256:a', at: time(1), why: 'asked to' };
      await store.putOpening('main', 'sha256:a', { salt: 'salt', text: 'words' });
      await store.putOpening('main', 'sha256:b', { salt: 'salt', text: 'others' });
      assert.deepEqual(await store.opening('main', 'sha256:a'), { salt: 'salt', text: 'words' });
      assert.equal(await store.erasure('main', 'sha256:a'), undefined);
      assert.equal(await store.eraseOpening('main', erasure, []), true);
      assert.equal(await store.eraseOpening('main', { ...erasure, why: 'again' }, []), false);
      assert.equal(await store.opening('main', 'sha256:a'), undefined);
      assert.deepEqual({ ...(await store.erasure('main', 'sha256:a')) }, erasure, 'the first reason stays');
      assert.equal(await store.eraseOpening('main', { ...erasure, commitment: 'sha256:never' }, []), false);
      assert.equal(await store.erasure('main', 'sha256:never'), undefined, 'nothing was erased, so nothing says so');
      assert.deepEqual(
        (await store.openings('main', '', 9)).map(({ commitment }) => commitment),
        ['sha256:b'],
      );
      assert.deepEqual(await store.openings('main', 'sha256:b', 9), []);
      assert.deepEqual(
        (await store.erasures('main', '', 9)).map(({ commitment }) => commitment),
        ['sha256:a'],
      );
      assert.deepEqual(await store.erasures('other', '', 9), []);
      await store.close();
    });

    it('L31: keeps that a text was erased elsewhere, and never against one that is kept, whatever that says', async (t) => {
      const store = await open(t);
      const erasure = { commitment: 'sha256:a', at: time(1), why: 'asked to, there' };
      await store.putOpening('main', 'sha256:b', { salt: '', text: '' });
      assert.equal(await store.putErasure('main', erasure), true);
      assert.equal(await store.putErasure('main', { ...erasure, commitment: 'sha256:b' }), false);
      assert.deepEqual(
        (await store.erasures('main', '', 9)).map((one) => ({ ...one })),
        [erasure],
      );
      await store.putOpening('main', 'sha256:a', { salt: 's', text: 'late' });
      assert.equal(await store.opening('main', 'sha256:a'), undefined);
      assert.deepEqual({ ...(await store.opening('main', 'sha256:b')) }, { salt: '', text: '' });
      await store.close();
    });

    it('L31: a text that was erased does not come back, whoever sends it again', async (t) => {
      const store = await open(t);
      const opening = { salt: 'salt', text: 'words' };
      await store.putOpening('main', 'sha256:a', opening);
      await store.eraseOpening('main', { commitment: 'sha256:a', at: time(1), why: 'asked to' }, []);
      await store.putOpening('main', 'sha256:a', opening);
      await store.batch('main', (tx) => tx.putOpening('sha256:a', opening));
      assert.equal(await store.opening('main', 'sha256:a'), undefined);
      await store.close();
    });

    it('L31: erases nothing that is held, by any of its names, until the hold is lifted; both stay to be seen', async (t) => {
      const store = await open(t);
      const erasure = { commitment: 'sha256:a', at: time(9), why: 'asked to' };
      await store.putOpening('main', 'sha256:a', { salt: 'salt', text: 'words' });
      for (const name of ['sha256:a', 'req_a', '*']) {
        assert.equal(await store.liftHold('main', name, { at: time(1), why: 'none' }), false);
        assert.equal(await store.putHold('main', name, { at: time(1), why: 'a case' }), true);
        assert.equal(await store.putHold('main', name, { at: time(2), why: 'again' }), false);
        await assert.rejects(store.eraseOpening('main', erasure, ['req_b', 'req_a']), isFailure('text-held'));
        assert.equal((await store.opening('main', 'sha256:a'))?.text, 'words');
        assert.equal(await store.erasure('main', 'sha256:a'), undefined);
        assert.equal(await store.liftHold('main', name, { at: time(3), why: 'settled' }), true);
      }
      assert.equal(await store.putHold('other', '*', { at: time(1), why: 'another tenant' }), true);
      assert.equal(await store.putHold('main', 'req_z', { at: time(4), why: 'another request' }), true);
      assert.equal(await store.eraseOpening('main', erasure, ['req_a']), true);
      const lifted = { at: time(3), why: 'settled' };
      assert.deepEqual(await store.holds('main'), [
        ...['sha256:a', 'req_a', '*'].map((name) => ({ name, at: time(1), why: 'a case', lifted })),
        { name: 'req_z', at: time(4), why: 'another request', lifted: null },
      ]);
      await store.close();
    });

    it('keeps the latest checkpoint', async (t) => {
      const store = await open(t);
      await store.putCheckpoint('main', 'first\n');
      await store.batch('main', (tx) => tx.putCheckpoint('second\n'));
      assert.equal(await store.checkpoint('main'), 'second\n');
      await store.close();
    });

    it('writes view rows with their cursor, pages them by key, removes and clears them', async (t) => {
      const store = await open(t);
      const rows = ['a', 'b', 'c'].map((key, at) => ({ view: 'requests', key, value: { at } }));
      await store.writeViews('main', [...rows, { view: 'requests-old', key: 'a', value: true }], {
        follower: 'f',
        from: null,
        next: 3,
      });
      assert.deepEqual(await store.viewRow('main', 'requests', 'b'), { at: 1 });
      assert.deepEqual(await store.viewRows('main', 'requests', '', 2), [
        { key: 'a', value: { at: 0 } },
        { key: 'b', value: { at: 1 } },
      ]);
      assert.deepEqual(await store.viewRows('main', 'requests', 'b', 9), [{ key: 'c', value: { at: 2 } }]);
      assert.equal(await store.cursor('main', 'f'), 3);
      await store.writeViews('main', [{ view: 'requests', key: 'b', value: null }]);
      assert.equal(await store.viewRow('main', 'requests', 'b'), undefined);
      assert.equal(await store.cursor('main', 'f'), 3);
      await store.clearView('main', 'requests');
      assert.deepEqual(await store.viewRows('main', 'requests', '', 9), []);
      assert.equal(await store.viewRow('main', 'requests-old', 'a'), true);
      await store.close();
    });

    it('L18: a follower steps on from where its cursor stands, and from nowhere else', async (t) => {
      const store = await open(t);
      const step = (from: number | null, next: number, value: string): Promise<boolean> =>
        store.writeViews('main', [{ view: 'v', key: 'k', value }], { follower: 'f', from, next });
      assert.equal(await step(0, 1, 'there is no cursor yet'), false);
      assert.equal(await store.viewRow('main', 'v', 'k'), undefined);
      assert.equal(await step(null, 5, 'first'), true);
      for (const from of [null, 0, 4, 6]) assert.equal(await step(from, 9, 'too late'), false, String(from));
      assert.equal(await store.viewRow('main', 'v', 'k'), 'first');
      assert.equal(await store.cursor('main', 'f'), 5);
      const both = await Promise.all([step(5, 7, 'one'), step(5, 8, 'other')]);
      assert.deepEqual(both.toSorted(), [false, true], 'one of two that step at once');
      assert.equal(await store.viewRow('main', 'v', 'k'), both[0] ? 'one' : 'other');
      assert.equal(await step(both[0] ? 7 : 8, 3, 'built again'), true, 'a view is built again from an earlier index');
      assert.equal(await store.cursor('main', 'f'), 3);
      assert.equal(
        await store.writeViews('main', [], { follower: 'g', from: null, next: 1 }),
        true,
        'others have cursors of their own',
      );
      assert.equal(await store.writeViews('main', [{ view: 'v', key: 'k', value: 'x' }]), true);
      await store.close();
    });

    it('L18: gives a row to one asker at a time, until its claim runs out, is given back, or the row goes', async (t) => {
      const store = await open(t);
      const claim = (by: string, forMs = 60_000, key = 'k') => store.claimRow('main', 'v', key, { by, forMs });
      assert.equal(await claim('a'), 'missing');
      const put = (value: string | null): Promise<boolean> =>
        store.writeViews('main', [
          { view: 'v', key: 'k', value },
          { view: 'v', key: 'other', value: 1 },
        ]);
      await put('x');
      const asked = await Promise.all(['a', 'b', 'c'].map((by) => claim(by)));
      assert.deepEqual(asked.toSorted(), ['claimed', 'held', 'held']);
      const holder = ['a', 'b', 'c'][asked.indexOf('claimed')] ?? '';
      assert.equal(await claim(holder), 'claimed', 'its own again');
      assert.equal(await claim('d', 60_000, 'other'), 'claimed', 'another row');
      await put('y');
      assert.equal(await claim('d'), 'held', 'a row that is written anew keeps its claim');
      assert.equal(await claim(holder, 0), 'claimed');
      assert.equal(await claim('d', 20), 'claimed', 'it was given back');
      assert.equal(await claim('e'), 'held');
      await new Promise((resolve) => setTimeout(resolve, 60));
      assert.equal(await claim('e'), 'claimed', 'the claim ran out');
      assert.equal(await claim('d'), 'held', 'who was late holds nothing');
      await put(null);
      assert.equal(await claim('e'), 'missing');
      await put('z');
      assert.equal(await claim('d'), 'claimed', 'a row that went takes its claim along');
      await store.clearView('main', 'v');
      await put('z');
      assert.equal(await claim('e'), 'claimed');
      await store.close();
    });

    it('L17: a store that others share has a clock for all of them, also under the lock', async (t) => {
      const store = await open(t);
      if (store.shared === true) assert.ok(store.now !== undefined, 'a shared store needs a clock');
      if (store.now === undefined) return store.close();
      const outside = await store.now();
      const inside = await store.batch('main', async (tx) => {
        assert.ok(tx.now !== undefined);
        const first = await tx.now();
        await new Promise((resolve) => setTimeout(resolve, 20));
        const second = await tx.now();
        assert.ok(second - first >= 15, 'it goes on while the batch runs');
        return second;
      });
      assert.ok(Number.isSafeInteger(outside) && Number.isSafeInteger(inside));
      assert.ok(inside >= outside && (await store.now()) >= inside);
      await store.close();
    });
  });
};
