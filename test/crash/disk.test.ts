// SPDX-License-Identifier: Apache-2.0
// SPEC L8: a disk that is full, or takes no more: named, nothing half written, nothing acknowledged that is not there.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { markFile } from '../../src/app/mark.ts';
import { openIn } from '../app/kept-stores.ts';
import { add, startTally, temporaryFolder } from '../ledger/tally.ts';
import { startChild } from './killed-child.ts';
import { formatPlace } from './tally-place.ts';
import { assertWhole } from './tally-witness.ts';

/** Lets no database of this process grow beyond so many pages, as a full disk would. Gives back what lifts it. */
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

test('a full disk refuses by name, keeps everything that was answered, and goes on when there is room', async (t) => {
  const folder = temporaryFolder(t);
  const store = openIn(join(folder, 'ledger'));
  const mark = markFile(join(folder, 'mark', 'main.json'));
  const { sequencer, fatal, alerts } = await startTally(store, mark);
  const lift = limitPages(120);
  const codes: string[] = [];
  const indexes: number[] = [];
  for (let round = 0; round < 40; round += 1)
    for (const { decision, index } of await Promise.all(
      Array.from({ length: 20 }, (_, at) => sequencer.submit({ ...add(at), padding: 'x'.repeat(2000) })),
    )) {
      codes.push(decision.kind === 'refused' ? decision.refusal.code : 'accepted');
      if (index !== null) indexes.push(index);
    }
  lift();
  assert.deepEqual([...new Set(codes)], ['accepted', 'store-full']);
  assert.deepEqual(fatal, []);
  assert.deepEqual(alerts, []);
  const { size } = await store.head('main');
  assert.deepEqual(
    indexes,
    Array.from({ length: size }, (_, at) => at),
    'answered and recorded are the same',
  );
  assert.equal((await sequencer.submit(add(1))).index, size);
  await sequencer.close();
  await store.close();
});

test('a disk that fails in the middle of writing ends the process or refuses, and a start on a good disk finds all', async (t) => {
  const folder = temporaryFolder(t);
  const writer = join(import.meta.dirname, 'tally-writer.ts');
  // No file may grow beyond 3 MB (in blocks of 512 bytes): the write fails at whatever moment that is.
  const limited = 'trap "" XFSZ; ulimit -f 6000; exec "$@"';
  const child = startChild('sh', ['-c', limited, 'sh', process.execPath, writer, formatPlace({ folder }), '0']);
  t.after(() => child.kill());
  const failed = await Promise.race([
    child.line('no store-'),
    child.line('fatal'),
    child.ended.then(() => 'ended'),
  ]).catch(() => 'ended');
  await child.kill();
  const { lines } = await child.ended;
  assert.match(failed, /^(no store-(io|full)|fatal .*(disk|I\/O|full)|ended$)/);
  assert.ok(
    lines.some((line) => /^(no store-(io|full)|fatal)/.test(line)),
    lines.slice(-3).join(' | '),
  );
  const acknowledged = new Map<string, number>();
  for (const line of lines) {
    const [, index, key] = /^yes (\d+) (\S+)$/.exec(line) ?? [];
    if (key !== undefined) acknowledged.set(key, Number(index));
  }
  assert.ok(acknowledged.size > 100);
  await assertWhole({ folder }, acknowledged);
});
