// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { openPostgresStore } from '../../src/adapters/postgres/postgres-store.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { addressOf, askPostgres, newSchema, openPostgres, postgresUrl, skip } from '../support/postgres.ts';
import { PostgresProxy } from '../support/postgres-proxy.ts';
import { append, storeContract } from './store-contract.ts';

if (skip === false) storeContract('PostgreSQL', (t) => openPostgres(t, { schema: newSchema() }));

const isFailure =
  (code: string, outcome: StoreFailure['outcome'] = 'nothing-written') =>
  (error: unknown): boolean =>
    error instanceof StoreFailure && error.refusal.code === code && error.outcome === outcome;

describe('the PostgreSQL store', { skip }, () => {
  it('keeps what it was given over a restart', async (t) => {
    const schema = newSchema();
    const first = await openPostgres(t, { schema });
    const head = await append(first, 'main', ['a', 'b']);
    await first.close();
    const second = await openPostgres(t, { schema });
    assert.deepEqual(await second.head('main'), head);
    await assert.rejects(first.head('main'), isFailure('store-closed'));
    await assert.rejects(append(first, 'main', ['c']), isFailure('store-closed'));
  });

  it('makes its tables once, however many start at the same moment', async (t) => {
    const schema = newSchema();
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgres(t, { schema })));
    for (const store of stores) await append(store, 'main', ['x']);
    assert.equal((await stores[0]?.head('main'))?.size, stores.length);
  });

  it('L15: several at once append one after another, each after what the others did', async (t) => {
    const schema = newSchema();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgres(t, { schema })));
    const work = async (store: LedgerStore, who: number): Promise<void> => {
      for (let at = 0; at < 20; at += 1) await append(store, 'main', [`${who}-${at}`]);
    };
    await Promise.all(stores.map(work));
    const entries = (await stores[0]?.entries('main', 0, 100)) ?? [];
    assert.deepEqual(
      entries.map(({ index }) => index),
      Array.from({ length: 60 }, (_, at) => at),
    );
    const texts = entries.map(({ bytes }) => Buffer.from(bytes).toString());
    for (const who of [0, 1, 2])
      assert.deepEqual(
        texts.filter((text) => text.startsWith(`${who}-`)),
        Array.from({ length: 20 }, (_, at) => `${who}-${at}`),
      );
  });

  it('keeps large entries, blobs and pages of many rows as they were', async (t) => {
    const store = await openPostgres(t, { schema: newSchema() });
    const texts = Array.from({ length: 300 }, (_, at) => randomBytes(at * 40).toString('base64'));
    await append(store, 'main', texts);
    const entries = await store.entries('main', 0, 300);
    assert.deepEqual(
      entries.map(({ bytes }) => Buffer.from(bytes).toString()),
      texts,
    );
    const blob = randomBytes(5_000_000);
    await store.batch('main', (tx) => tx.putBlob({ digest: 'sha256:x', bytes: blob.subarray(1, 4_000_000) }));
    assert.ok(blob.subarray(1, 4_000_000).equals((await store.blob('main', 'sha256:x')) ?? new Uint8Array()));
  });

  it('keeps whatever text people write, U+0000 too', async (t) => {
    const store = await openPostgres(t, { schema: newSchema() });
    const text = 'a\u0000b "\\x" {,} ünï \u{1f600}';
    await store.putOpening('main', 'sha256:a', { salt: 's', text });
    assert.deepEqual(await store.opening('main', 'sha256:a'), { salt: 's', text });
    await store.batch('main', (tx) => tx.putOpening('sha256:b', { salt: 's', text }));
    assert.deepEqual(await store.opening('main', 'sha256:b'), { salt: 's', text });
    await store.writeViews('main', [{ view: 'v', key: text, value: { text } }]);
    assert.deepEqual(await store.viewRows('main', 'v', '', 9), [{ key: text, value: { text } }]);
    const key = { principal: 'p', route: 'r', key: '{"\\,}' };
    const kept = { bodyDigest: 'b', answer: { text }, at: '2026-11-23T12:00:00.000Z' as Instant };
    await store.batch('main', (tx) => tx.putAnswer(key, kept));
    await store.batch('main', async (tx) => assert.deepEqual(await tx.answers([key]), [kept]));
  });

  it('takes the last of several values for one row of a view', async (t) => {
    const store = await openPostgres(t, { schema: newSchema() });
    const row = { view: 'v', key: 'k' };
    await store.writeViews('main', [
      { ...row, value: 1 },
      { ...row, value: null },
      { ...row, value: 2 },
    ]);
    assert.equal(await store.viewRow('main', 'v', 'k'), 2);
    await store.writeViews('main', [
      { ...row, value: 3 },
      { ...row, value: null },
    ]);
    assert.equal(await store.viewRow('main', 'v', 'k'), undefined);
  });

  it('L18: of several that step or claim at the same moment one does, whatever line it comes by', async (t) => {
    const schema = newSchema();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgres(t, { schema })));
    const all = <T>(work: (store: LedgerStore, who: number) => Promise<T>): Promise<readonly T[]> =>
      Promise.all(stores.map(work));
    const [store] = stores;
    await store?.writeViews('main', [{ view: 'v', key: 'old', value: 'x' }]);
    for (let at = 0; at < 20; at += 1) {
      // Rows of a step that was not made neither come, nor change, nor go.
      const stepped = await all((one, who) =>
        one.writeViews(
          'main',
          [
            { view: 'v', key: `row ${at} ${who}`, value: who },
            { view: 'v', key: 'last', value: who },
            { view: 'v', key: `row ${at - 1} ${(who + 1) % 3}`, value: null },
          ],
          { follower: 'f', from: at === 0 ? null : at, next: at + 1 },
        ),
      );
      const won = stepped.indexOf(true);
      assert.deepEqual(
        stepped,
        [0, 1, 2].map((who) => who === won),
      );
      assert.equal(await store?.viewRow('main', 'v', 'last'), won);
      const made = (await store?.viewRows('main', 'v', `row ${at} `, 3))?.filter(({ key }) => key.startsWith('row '));
      assert.deepEqual(
        made?.filter(({ key }) => key.startsWith(`row ${at} `)),
        [{ key: `row ${at} ${won}`, value: won }],
      );
      const claimed = await all((one, who) =>
        one.claimRow('main', 'v', `row ${at} ${won}`, { by: `${who}`, forMs: 9e5 }),
      );
      assert.deepEqual(claimed.toSorted(), ['claimed', 'held', 'held']);
      // A row that goes while somebody waits for it is gone for both.
      const [gone, late] = await Promise.all([
        store?.writeViews('main', [{ view: 'v', key: `row ${at} ${won}`, value: null }]),
        stores[1]?.claimRow('main', 'v', `row ${at} ${won}`, { by: 'late', forMs: 9e5 }),
      ]);
      assert.ok(gone === true && (late === 'held' || late === 'missing'), String(late));
    }
    assert.equal(await store?.cursor('main', 'f'), 20);
  });

  it('L17: confirms only what the very server showed that confirms it', async (t) => {
    const [target] = addressOf((await postgresUrl()) ?? '').servers;
    assert.ok(target !== undefined);
    const proxy = await PostgresProxy.start(target);
    t.after(() => proxy.stop());
    const address = { ...addressOf((await postgresUrl()) ?? ''), servers: [proxy.server], tls: false };
    const store = await openPostgres(t, { address, schema: newSchema() });
    // Until the store has noticed, too.
    const loseLine = async (): Promise<void> => {
      proxy.cutAll();
      await new Promise((resolve) => setTimeout(resolve, 50));
      proxy.restore();
    };
    await append(store, 'main', ['a']);
    await store.head('main');
    await store.confirm?.('main');
    // Between reading and confirming the line is lost: what follows may be another server.
    await store.head('main');
    await loseLine();
    await assert.rejects(async () => store.confirm?.('main'), isFailure('store-unreachable'));
    assert.equal((await store.head('main')).size, 1);
    await store.confirm?.('main');
    // In the middle of reading, too.
    await loseLine();
    await store.head('main');
    await store.confirm?.('main');
    await store.head('main');
    await loseLine();
    await store.entries('main', 0, 1);
    await assert.rejects(async () => store.confirm?.('main'), isFailure('store-unreachable'));
    await store.close();
  });

  it('L8: goes on after a batch that failed in the database', async (t) => {
    const schema = newSchema();
    const store = await openPostgres(t, { schema });
    await append(store, 'main', ['a']);
    await askPostgres(`insert into ${schema}.entries select tenant, 1, bytes, leaf from ${schema}.entries`);
    await assert.rejects(append(store, 'main', ['b']), isFailure('store-corrupt'));
    await askPostgres(`delete from ${schema}.entries where idx = 1`);
    assert.equal((await append(store, 'main', ['b'])).size, 2);
  });

  it('names what was changed behind its back', async (t) => {
    const schema = newSchema();
    const store = await openPostgres(t, { schema });
    await append(store, 'main', ['a', 'b', 'c']);
    await askPostgres(`delete from ${schema}.entries where idx = 1`);
    await assert.rejects(store.leafHashes('main', 0, 3), isFailure('store-corrupt'));
    await askPostgres(`update ${schema}.heads set edge = 'nonsense'`);
    await assert.rejects(store.head('main'), isFailure('store-corrupt'));
    const occasion = { at: '2026-11-23T12:00:00.000Z' as Instant, why: 'case 7' };
    await askPostgres(`update ${schema}.heads set edge = '[]'`);
    for (const commitment of ['sha256:a', 'sha256:b'])
      await store.putOpening('main', commitment, { salt: 's', text: 'words' });
    await store.eraseOpening('main', { commitment: 'sha256:a', ...occasion }, []);
    await store.putHold('main', '*', occasion);
    await store.writeViews('main', [{ view: 'v', key: 'k', value: 1 }]);
    await askPostgres(
      `update ${schema}.openings set words = '7 7'; update ${schema}.erasures set why = 'x'; update ${schema}.holds set why = '{';
      update ${schema}.view_rows set value = ''`,
    );
    for (const read of [
      () => store.opening('main', 'sha256:b'),
      () => store.openings('main', '', 9),
      () => store.erasure('main', 'sha256:a'),
      () => store.erasures('main', '', 9),
      () => store.holds('main'),
      () => store.eraseOpening('main', { commitment: 'sha256:b', ...occasion }, []),
      () => store.viewRow('main', 'v', 'k'),
      () => store.viewRows('main', 'v', '', 9),
    ])
      await assert.rejects(read, isFailure('store-corrupt'), String(read));
    await askPostgres(`drop table ${schema}.blobs`);
    await assert.rejects(store.blob('main', 'sha256:x'), isFailure('store-corrupt'));
  });

  it('L8: says what it waits for when somebody else holds the head, and that nothing was written', async (t) => {
    const schema = newSchema();
    const [one, other] = [await openPostgres(t, { schema }), await openPostgres(t, { schema, lockMs: 300 })];
    await append(one, 'main', ['a']);
    await one.batch('main', async () => {
      await assert.rejects(append(other, 'main', ['b']), isFailure('store-busy'));
    });
    assert.equal((await append(other, 'main', ['b'])).size, 2);
  });

  it('refuses tables of another version', async (t) => {
    const schema = newSchema();
    await (await openPostgres(t, { schema })).close();
    await askPostgres(`update ${schema}.meta set version = 99`);
    const refused = await openPostgresStore({ address: addressOf((await postgresUrl()) ?? ''), single: true, schema });
    assert.ok(!refused.ok && refused.refusal.code === 'store-unfit' && /version 99/.test(refused.refusal.message));
  });

  it('L15: refuses a server without a synchronous standby, unless it is told that there is one machine', async () => {
    const refused = await openPostgresStore({
      address: addressOf((await postgresUrl()) ?? ''),
      schema: newSchema(),
      patienceMs: 0,
    });
    assert.ok(!refused.ok && refused.refusal.code === 'store-not-synchronous', JSON.stringify(refused));
  });

  it('needs no more than the rights to its rows once the tables are made', async (t) => {
    const schema = newSchema();
    await (await openPostgres(t, { schema })).close();
    const role = `role_${schema}`;
    await askPostgres(
      `create role ${role} login password 'secret-word-42'; grant usage on schema ${schema} to ${role};
      grant select, insert, update, delete on all tables in schema ${schema} to ${role}`,
    );
    t.after(() => askPostgres(`drop owned by ${role}; drop role ${role}`));
    const address = { ...addressOf((await postgresUrl()) ?? ''), user: role, password: 'secret-word-42' };
    const store = await openPostgres(t, { address, schema });
    assert.equal((await append(store, 'main', ['a'])).size, 1);
    const other = await openPostgresStore({ address, single: true, schema: newSchema() });
    assert.ok(!other.ok && other.refusal.code === 'store-unfit', JSON.stringify(other));
    assert.doesNotMatch(inspect([store, other], { depth: 9 }), /secret-word-42/);
  });

  it('reads what was written whatever user and database are set to, and is refused what a policy hides', async (t) => {
    const schema = newSchema();
    await (await openPostgres(t, { schema })).close();
    const role = `role_${schema}`;
    await askPostgres(
      `create role ${role} login password 'secret-word-42'; grant usage on schema ${schema} to ${role};
      grant select, insert, update, delete on all tables in schema ${schema} to ${role};
      alter role ${role} set bytea_output = escape; alter role ${role} set client_min_messages = error`,
    );
    t.after(() => askPostgres(`drop owned by ${role}; drop role ${role}`));
    const address = { ...addressOf((await postgresUrl()) ?? ''), user: role, password: 'secret-word-42' };
    const store = await openPostgres(t, { address, schema });
    await append(store, 'main', ['a']);
    assert.equal(Buffer.from((await store.entries('main', 0, 1))[0]?.bytes ?? []).toString(), 'a');
    const occasion = { at: '2026-11-23T12:00:00.000Z' as Instant, why: 'case 7' };
    await store.putHold('main', '*', occasion);
    await store.putOpening('main', 'sha256:a', { salt: 's', text: 'words' });
    await askPostgres(`alter table ${schema}.holds enable row level security`);
    await assert.rejects(store.holds('main'), isFailure('store-unfit'));
    await assert.rejects(
      store.eraseOpening('main', { commitment: 'sha256:a', ...occasion }, []),
      isFailure('store-unfit'),
    );
    assert.equal((await store.opening('main', 'sha256:a'))?.text, 'words');
  });

  it('L15: says which servers it tried, and no password', async () => {
    const address = addressOf('postgres://ada:secret-word-42@127.0.0.1:1,localhost:2/gate');
    const refused = await openPostgresStore({ address, single: true, patienceMs: 0 });
    assert.ok(!refused.ok && refused.refusal.code === 'store-unreachable');
    assert.match(refused.refusal.message, /127\.0\.0\.1:1.*localhost:2/);
    assert.doesNotMatch(JSON.stringify(refused), /secret-word-42/);
  });
});
