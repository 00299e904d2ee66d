// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { writerOnThread } from '../../src/adapters/sqlite/writer.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { openIn as openWith } from '../app/kept-stores.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { sharedKinds } from '../app/shared-stores.ts';
import { sharedStoreContract } from './shared-store-contract.ts';
import { append, storeContract } from './store-contract.ts';

storeContract('memory', async () => memoryStore());
storeContract('SQLite', async (t) => openWith(temporaryFolder(t)));
storeContract('SQLite (own thread)', async (t) => openWith(temporaryFolder(t), { ownThread: true }));
for (const [name, share] of sharedKinds)
  sharedStoreContract(name, async (t) => {
    const open = share(t);
    return [await open(), { ...(await open()) }];
  });

const isFailure =
  (code: string, outcome: StoreFailure['outcome']) =>
  (error: unknown): boolean =>
    error instanceof StoreFailure && error.refusal.code === code && error.outcome === outcome;

const erasure = { commitment: 'sha256:a', at: '2026-11-23T12:00:00.000Z' as Instant, why: 'asked to' };

describe('the SQLite store on a disk that is full', () => {
  const openIn = (folder: string): LedgerStore => openWith(folder);
  it('L8: names a full disk, and goes on when there is space again', async (t) => {
    const folder = temporaryFolder(t);
    const store = openIn(folder);
    await append(store, 'main', ['a']);
    const limit = limitPages(30);
    await assert.rejects(
      append(store, 'main', ['x'.repeat(100_000)]),
      (error) => error instanceof StoreFailure && error.refusal.code === 'store-full',
    );
    limit();
    await append(store, 'main', ['x'.repeat(100_000)]);
    assert.equal((await store.head('main')).size, 2);
    await store.close();
  });
});

describe('the thread of a writer', () => {
  it('L8: leaves the outcome unknown when it is gone, and takes no more', async (t) => {
    const folder = temporaryFolder(t);
    const writer = await writerOnThread({ folder, file: join(folder, 'x.sqlite') });
    assert.equal((await writer.call('begin', [])).size, 0);
    await writer.call('rollback', []);
    await writer.close();
    await assert.rejects(writer.call('begin', []), isFailure('store-io', 'unknown'));
  });

  it('says what is wrong with a file that it cannot open', async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'x.sqlite'), 'no database'.repeat(100));
    await assert.rejects(
      writerOnThread({ folder, file: join(folder, 'x.sqlite') }),
      isFailure('store-corrupt', 'nothing-written'),
    );
  });
});

for (const ownThread of [false, true]) {
  const openIn = (folder: string): LedgerStore => openWith(folder, { ownThread });
  describe(`the SQLite store${ownThread ? ' on a thread of its own' : ''}`, () => {
    it('keeps what it was given over a restart', async (t) => {
      const folder = temporaryFolder(t);
      const first = openIn(folder);
      const head = await append(first, 'main', ['a', 'b']);
      await first.close();
      const second = openIn(folder);
      assert.deepEqual(await second.head('main'), head);
      await second.close();
    });

    it('L9: refuses a second opener and names folder and process', async (t) => {
      const folder = temporaryFolder(t);
      const store = openIn(folder);
      const again = openSqliteStore(folder);
      assert.ok(!again.ok);
      assert.equal(again.refusal.code, 'store-locked');
      assert.ok(again.refusal.message.includes(folder) && again.refusal.message.includes(String(process.pid)));
      await store.close();
      await openIn(folder).close();
    });

    it('L9: refuses a folder that another process holds, and takes it over when that process is killed', async (t) => {
      const folder = temporaryFolder(t);
      const module = JSON.stringify(new URL('../../src/adapters/sqlite/sqlite-store.ts', import.meta.url).href);
      const script = `import { openSqliteStore } from ${module}; globalThis.kept = openSqliteStore(${JSON.stringify(folder)}); console.log(kept.ok); setInterval(() => {}, 1000)`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => child.kill('SIGKILL'));
      assert.equal(String(await new Promise((resolve) => child.stdout.once('data', resolve))).trim(), 'true');
      const refused = openSqliteStore(folder);
      assert.ok(!refused.ok && refused.refusal.code === 'store-locked');
      assert.equal(refused.refusal.facts['pid'], String(child.pid));
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      await openIn(folder).close();
    });

    it('lets nobody else on the machine look into its folder', async (t) => {
      const folder = join(temporaryFolder(t), 'new');
      const store = openIn(folder);
      await append(store, 'main', ['a']);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      await store.close();
    });

    it('L8: names a file that is no database, and leaves it as it is', async (t) => {
      const folder = temporaryFolder(t);
      const first = openIn(folder);
      await append(first, 'main', ['a']);
      await first.close();
      writeFileSync(join(folder, 'ledger-main.sqlite'), 'this was a ledger once'.repeat(100));
      const second = openIn(folder);
      await assert.rejects(
        second.head('main'),
        (error) => error instanceof StoreFailure && error.refusal.code === 'store-corrupt',
      );
      await second.close();
    });

    it('L31: holds and erasures outlive the process, and tables of the version before get them', async (t) => {
      const folder = temporaryFolder(t);
      const store = openIn(folder);
      await store.putOpening('main', 'sha256:a', { salt: 'salt', text: 'words' });
      await store.close();
      const db = new DatabaseSync(join(folder, 'ledger-main.sqlite'));
      db.exec('DROP TABLE erasures; DROP TABLE holds; PRAGMA user_version = 1');
      db.close();
      const second = openIn(folder);
      assert.equal((await second.opening('main', 'sha256:a'))?.text, 'words');
      await second.putHold('main', '*', { at: erasure.at, why: 'a case' });
      await second.close();
      const third = openIn(folder);
      await assert.rejects(third.eraseOpening('main', erasure, []), isFailure('text-held', 'nothing-written'));
      await third.liftHold('main', '*', { at: erasure.at, why: 'settled' });
      await third.eraseOpening('main', erasure, []);
      await third.close();
      const fourth = openIn(folder);
      assert.deepEqual({ ...(await fourth.erasure('main', 'sha256:a')) }, erasure);
      assert.equal((await fourth.holds('main')).length, 1);
      await fourth.close();
    });

    it('refuses tables of a newer version', async (t) => {
      const folder = temporaryFolder(t);
      await openIn(folder).close();
      const db = new DatabaseSync(join(folder, 'ledger-main.sqlite'));
      db.exec('PRAGMA user_version = 99');
      db.close();
      const store = openIn(folder);
      await assert.rejects(store.head('main'), /version 99/);
      await store.close();
    });

    it('leaves no byte of an erased text in any of its files', async (t) => {
      const folder = temporaryFolder(t);
      const store = openIn(folder);
      await store.putOpening('main', 'sha256:a', { salt: 'salt', text: 'something-personal-42' });
      const holds = (): boolean =>
        readdirSync(folder).some((file) => readFileSync(join(folder, file)).includes('something-personal-42'));
      assert.ok(holds());
      await store.eraseOpening('main', erasure, []);
      assert.ok(!holds());
      await store.close();
      assert.ok(!holds());
    });

    it('L8: says so when a reader keeps a copy of an erased text in the log, and erases it at the next try', async (t) => {
      const folder = temporaryFolder(t);
      const store = openIn(folder);
      await store.putOpening('main', 'sha256:a', { salt: 'salt', text: 'something-personal-42' });
      const reader = new DatabaseSync(join(folder, 'ledger-main.sqlite'));
      reader.exec('BEGIN');
      reader.prepare('SELECT count(*) FROM openings').get();
      await assert.rejects(store.eraseOpening('main', erasure, []), isFailure('store-locked', 'unknown'));
      reader.exec('ROLLBACK');
      reader.close();
      assert.equal(await store.opening('main', 'sha256:a'), undefined);
      await store.eraseOpening('main', erasure, []);
      assert.ok(
        !readdirSync(folder).some((file) => readFileSync(join(folder, file)).includes('something-personal-42')),
      );
      await store.close();
    });
  });
}

/** Lets no database of this process grow beyond so many pages, as a full disk would, until called. */
const limitPages = (pages: number): (() => void) => {
  // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
  const { exec } = DatabaseSync.prototype;
  const limited = new Set<DatabaseSync>();
  DatabaseSync.prototype.exec = function execLimited(this: DatabaseSync, sql: string) {
    if (!limited.has(this)) exec.call(limited.add(this) && this, `PRAGMA max_page_count = ${pages}`);
    exec.call(this, sql);
  };
  return () => {
    DatabaseSync.prototype.exec = exec;
    for (const db of limited) exec.call(db, 'PRAGMA max_page_count = 1073741823');
  };
};
