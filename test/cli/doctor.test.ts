// SPDX-License-Identifier: Apache-2.0
// `doctor` says what is wrong, and what it could not look at (SPEC M1, L11).
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { runCli } from './run-cli.ts';
import { serveFolder, serveTrial, type ServedTrial } from './served-trial.ts';

let trial: ServedTrial;
before(async () => {
  trial = await serveTrial();
});
after(() => trial.org.remove());

const doctor = (...more: readonly string[]) => runCli(['doctor', '--dir', trial.dir, ...more]);
const configure = (text: string): void => writeFileSync(join(trial.dir, 'countersign.yaml'), text);

test('a folder that a server runs on was not looked at in whole, and its server is asked where it is known', async () => {
  const blind = await doctor();
  assert.match(blind.stdout, /look +ledger +a server is running on it, so entries and alerts were not looked at/);
  assert.doesNotMatch(blind.stderr, /Nothing is broken/);
  assert.match(blind.stderr, /Nothing that was looked at is broken/);
  const port = new URL(trial.url).port;
  configure(`listen: {host: 127.0.0.1, port: ${port}}\n`);
  assert.match((await doctor()).stdout, /ok +ready +it takes commands/);
});

test('L11: the running server is in quarantine, so that something is broken', async () => {
  assert.equal(await trial.halt(), 0);
  const mark = join(trial.dir, 'mark', 'main.json');
  const kept = readFileSync(mark, 'utf8');
  rmSync(mark);
  const server = await serveFolder(trial.dir);
  try {
    configure(`listen: {host: 127.0.0.1, port: ${new URL(server.url).port}}\n`);
    const seen = await doctor();
    assert.equal(seen.code, 1, seen.stdout);
    assert.match(seen.stdout, /BAD +ready +it takes no commands/);
  } finally {
    await server.stop();
    writeFileSync(mark, kept);
  }
});

test('M1: an alert that no channel has taken shows, in a folder and at a server', async () => {
  const store = openSqliteStore(join(trial.dir, 'ledger'));
  assert.ok(store.ok);
  const notice = { kind: 'emergency.invoked', index: 1, n: 0, request: `req_${'0'.repeat(26)}`, to: [], detail: null };
  const value = { ...notice, time: new Date().toISOString() };
  await store.value.writeViews('main', [{ view: 'notices-undelivered', key: '0000000000000001.0000', value }]);
  await store.value.close();
  // Nobody listens at that port, so that the alert stays untaken.
  configure('notices: {webhooks: [{url: "http://127.0.0.1:9/hook", secret-file: hook.secret}]}\n');
  writeFileSync(join(trial.dir, 'hook.secret'), `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  const offline = await doctor();
  assert.equal(offline.code, 1, offline.stdout);
  assert.match(offline.stdout, /BAD +notices +1 alert that no channel has taken/);
  const server = await serveFolder(trial.dir);
  try {
    const options = ['--server', server.url, '--pin', trial.pin, '--key', trial.org.key('ada')];
    const online = await runCli(['doctor', ...options], {
      env: { COUNTERSIGN_HOME: join(trial.org.folder, 'homes', 'ada') },
    });
    assert.equal(online.code, 1, online.stdout);
    assert.match(online.stdout, /BAD +notices +1 alert that no channel has taken/);
  } finally {
    await server.stop();
  }
});
