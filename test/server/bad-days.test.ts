// SPDX-License-Identifier: Apache-2.0
// Bad days that no other test has (docs/bad-days.md): each is named, says what to do, and opens no door.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test, type TestContext } from 'node:test';
import { runCli } from '../cli/run-cli.ts';
import { openLedger } from '../../src/server/ledger-folder.ts';
import { found, serveFolder, stopAll } from './running.ts';

after(stopAll);

const folder = async (t: TestContext) => {
  const made = await found();
  t.after(() => rmSync(join(made.dir, '..'), { recursive: true, force: true }));
  return { ...made, file: (name: string): string => join(made.dir, 'ledger', name) };
};

test('INV4, SPEC L11: a database that SQLite cannot open starts in quarantine, and tells what it can', async (t) => {
  const { dir, token, pin, file } = await folder(t);
  const first = await serveFolder(dir, token, pin);
  const asked = await first.ask();
  await first.server.stop();
  const database = file('ledger-main.sqlite');
  copyFileSync(database, `${database}.copy`);
  for (const bytes of ['SQLite format 4', 'x'.repeat(100_000)]) {
    writeFileSync(database, bytes);
    const alerts: { index: number; what: string }[] = [];
    const hurt = await serveFolder(dir, token, pin, { onAlert: (one) => alerts.push(one) });
    assert.equal(alerts.length, 1);
    assert.match(alerts[0]?.what ?? '', /its database `ledger-main.sqlite` cannot be opened: /);
    for (const answer of [
      await hurt.get('/v1/ledger'),
      await hurt.get('/v1/requests'),
      await hurt.post('/v1/requests', hurt.requestBody()),
      await hurt.post(`/v1/requests/${asked.request}/permit`, {}),
    ]) {
      assert.deepEqual([answer.status, answer.body.code], [503, 'ledger-quarantined']);
      assert.ok(!JSON.stringify(answer.body).includes(dir), 'nobody is told where it lies');
    }
    const kept = await hurt.get<{ text: string }>('/ledger/checkpoint');
    assert.equal(kept.status, 200);
    assert.match(kept.body.text, /^countersign-trial\/[0-9a-f]{32}\n2\n/, 'the last checkpoint is there to compare');
    assert.equal((await hurt.get('/readyz')).status, 503);
    assert.match((await hurt.get<{ text: string }>('/metrics')).body.text, /countersign_ledger_quarantined 1/);
    const held = await runCli(['ledger', 'hold', 'add', '*', '--why', 'x', '--dir', dir]);
    assert.match(held.stderr, /store-corrupt/, 'nothing is promised that is kept nowhere');
    await hurt.server.stop();
    assert.equal(readFileSync(database, 'utf8'), bytes, 'what is left of it is left alone');
    for (const verb of ['fsck', 'export', 'erase'] as const) {
      const args = { fsck: [], export: [join(dir, '..', 'out')], erase: [asked.request, '--why', 'x', '--yes'] }[verb];
      const told = await runCli(['ledger', verb, ...args, '--dir', dir]);
      assert.equal(told.code, 6, told.stderr);
      assert.match(
        told.stderr,
        /error\[store-corrupt\]: .*ledger-main\.sqlite` cannot be opened.*\n {2}help: keep the file/,
      );
    }
    const doctor = await runCli(['doctor', '--dir', dir]);
    assert.match(doctor.stdout, /BAD +ledger +the database `.*ledger-main\.sqlite` cannot be opened/);
    assert.match(doctor.stdout, /mark +at size 2/, 'and goes on looking');
  }
  copyFileSync(`${database}.copy`, database);
  const well = await serveFolder(dir, token, pin);
  assert.equal((await well.info()).quarantine, null);
  assert.equal((await well.vote(asked.request, 'linus')).status, 201);
  await well.server.stop();
});

test('SPEC L8: no mark either, damaged views, tables of a newer program: refused, each with its own way out', async (t) => {
  const { dir, file } = await folder(t);
  const refused = async (words: RegExp, help: RegExp): Promise<void> => {
    const opened = await openLedger(dir, { onAlert: () => undefined });
    assert.ok(!opened.ok);
    assert.match(opened.refusal.message, words);
    assert.match(opened.refusal.help ?? '', help);
  };
  copyFileSync(file('ledger-main.sqlite'), file('copy'));
  writeFileSync(file('views-main.sqlite'), 'no views');
  await refused(/the views `.*views-main\.sqlite` cannot be opened/, /holds nothing that can be lost: move that file/);
  rmSync(file('views-main.sqlite'));
  const opened = await openLedger(dir);
  assert.ok(opened.ok, 'views are built anew');
  await opened.value.close();

  writeFileSync(file('ledger-main.sqlite'), 'no database');
  renameSync(join(dir, 'mark'), join(dir, 'mark-away'));
  await refused(/the database `.*ledger-main\.sqlite` cannot be opened/, /put it back from a copy or a mirror/);
  renameSync(join(dir, 'mark-away'), join(dir, 'mark'));

  copyFileSync(file('copy'), file('ledger-main.sqlite'));
  const db = new DatabaseSync(file('ledger-main.sqlite'));
  db.exec('PRAGMA user_version = 99');
  db.close();
  await refused(
    /ledger-main\.sqlite` are of version 99; this program knows 2/,
    /use the version of countersign that wrote/,
  );
});

const canMount = (): boolean => spawnSync('unshare', ['-rm', 'true']).status === 0;

test('SPEC L8: a disk that cannot be written is named, at the start and for whoever only looks', async (t) => {
  // It mounts a folder for reading only, which not every user may do.
  if (!canMount()) return t.skip('this machine lets nobody mount anything');
  const { dir } = await folder(t);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  /** Runs a verb where one folder can only be read; nothing outside that process sees it. */
  const readOnly = (place: string, verb: readonly string[]) => {
    const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
    const args = ['-rm', 'sh', '-c', mount, place, process.execPath, main, ...verb];
    return spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000, env: { ...process.env, NO_COLOR: '1' } });
  };
  const serve = ['serve', '--dir', dir, '--listen', '127.0.0.1:0'];
  for (const verb of [serve, ['ledger', 'fsck', '--dir', dir]]) {
    const { status, stderr } = readOnly(dir, verb);
    assert.equal(status, 6, stderr);
    assert.match(stderr, /error\[store-io\]: the disk of `.*` cannot be written: .*\n {2}help: mount it for writing/);
  }
  const { status, stderr } = readOnly(join(dir, 'mark'), serve);
  assert.equal(status, 6, stderr);
  assert.match(stderr, /the mark `.*` cannot be written: .*read-only.*\n {2}help: look at its disk/);
  const copy = join(dir, '..', 'copy');
  execFileSync('cp', ['-r', dir, copy]);
  assert.equal((await runCli(['ledger', 'fsck', '--dir', copy])).code, 0, 'a copy elsewhere can be looked at');
});

test('SPEC Y1: a file that is something else altogether is told so', async () => {
  const root = join(import.meta.dirname, '../..');
  const pin = `sha256:${'0'.repeat(64)}`;
  for (const [file, words] of [
    ['README.md', /this is no permit file and no evidence file: a value was expected/],
    ['package.json', /this is no permit file and no evidence file: its type is `module`/],
  ] as const) {
    const { code, stdout } = await runCli(['verify', join(root, file), '--pin', pin]);
    assert.equal(code, 7);
    assert.match(stdout, words);
    assert.match(stdout, /a ledger is verified as the folder of its export/);
  }
});
