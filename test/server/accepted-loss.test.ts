// SPDX-License-Identifier: Apache-2.0
// SPEC L28: a ledger without its mark starts on somebody's word alone, and that word stays to be seen.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openLedger } from '../../src/server/ledger-folder.ts';
import { until, webhookTo } from '../adapters/notices-office.ts';
import { receiver, secretText } from '../adapters/notices-receivers.ts';
import { runCli } from '../cli/run-cli.ts';
import { serveFolder as serveByCli } from '../cli/served-trial.ts';
import { found, serveFolder, stopAll } from './running.ts';

after(stopAll);

const ready = async (url: string): Promise<number> => (await fetch(`${url}/readyz`)).status;

test('L28: without its mark a ledger waits; with its size said it starts, and log, file, channel and doctor tell', async (t) => {
  const heard = await receiver();
  t.after(() => heard.close());
  const { dir, token, pin } = await found();
  t.after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const first = await serveFolder(dir, token, pin);
  await first.ask();
  await first.server.stop();
  rmSync(join(dir, 'mark'), { recursive: true });
  writeFileSync(join(dir, 'hook.secret'), `${secretText}\n`, { mode: 0o600 });
  const hook = webhookTo(heard.url, { 'secret-file': 'hook.secret' });
  writeFileSync(join(dir, 'countersign.yaml'), JSON.stringify({ notices: { webhooks: [hook] } }));

  const waits = await serveFolder(dir, token, pin);
  assert.equal(await ready(waits.url), 503);
  await waits.server.stop();
  assert.ok(!existsSync(join(dir, 'losses.jsonl')), 'nobody has said anything yet');
  for (const size of ['1', '3', '999']) {
    const wrong = await runCli(['serve', '--dir', dir, '--listen', '127.0.0.1:0', '--accept-loss', size]);
    assert.equal(wrong.code, 6);
    assert.match(wrong.stderr, new RegExp(`the ledger ends at size 2, and \`--accept-loss\` says ${size}`));
  }
  assert.equal((await runCli(['serve', '--dir', dir, '--accept-loss', 'all'])).code, 2);

  const said = await serveByCli(dir, '--accept-loss', '2');
  assert.equal(await ready(said.url), 200);
  await until(() => heard.messages.some(({ body }) => body.includes('"ledger.loss-accepted"')));
  await until(() => /"level":"error","event":"loss-accepted","size":2/.test(said.told()));
  assert.equal(await said.stop(), 0);
  const [line = ''] = readFileSync(join(dir, 'losses.jsonl'), 'utf8').split('\n');
  assert.match(line, /^\{"accepted_at":"[^"]+","root":"[0-9a-f]{64}","size":2\}$/);
  assert.equal(statSync(join(dir, 'losses.jsonl')).mode & 0o777, 0o600);
  const doctor = await runCli(['doctor', '--dir', dir]);
  assert.match(doctor.stdout, /look +losses +at .* the ledger was started without its mark, and said to end at size 2/);

  const later = await serveFolder(dir, token, pin);
  assert.equal(await ready(later.url), 200);
  await later.server.stop();
  assert.equal(readFileSync(join(dir, 'losses.jsonl'), 'utf8'), `${line}\n`, 'said once');
});

test('L28: no word helps against a mark that is ahead, and the older flag leaves the same trace', async (t) => {
  const { dir, token, pin } = await found();
  t.after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const old = join(dir, '..', 'old');
  cpSync(dir, old, { recursive: true });
  const first = await serveFolder(dir, token, pin);
  await first.ask();
  await first.server.stop();
  cpSync(join(dir, 'mark'), join(old, 'mark'), { recursive: true });
  for (const flag of [{ acceptLoss: 1 }, { acceptMissingMark: true }]) {
    const opened = await openLedger(old, { ...flag, onAlert: () => undefined });
    assert.ok(opened.ok);
    assert.match(opened.value.sequencer.quarantine()?.what ?? '', /it ends before its mark, which is at size 2/);
    await opened.value.close();
  }
  assert.ok(!existsSync(join(old, 'losses.jsonl')));
  rmSync(join(old, 'mark'), { recursive: true });
  const told: number[] = [];
  const opened = await openLedger(old, { acceptMissingMark: true, onLoss: ({ size }) => told.push(size) });
  assert.ok(opened.ok && opened.value.sequencer.quarantine() === undefined);
  await opened.value.close();
  assert.deepEqual([told, readFileSync(join(old, 'losses.jsonl'), 'utf8').split('\n').length], [[1], 2]);
});

test('L28: a process that ends while it takes a ledger without its mark leaves the word, or no mark', async (t) => {
  const { dir } = await found();
  t.after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  rmSync(join(dir, 'mark'), { recursive: true });
  // The word cannot be kept: as if the process had been killed before it was.
  mkdirSync(join(dir, 'losses.jsonl'));
  const told: number[] = [];
  const failed = await openLedger(dir, { acceptLoss: 1, onLoss: ({ size }) => told.push(size) });
  assert.ok(!failed.ok && failed.refusal.code === 'store-io', 'and its folder is let go of');
  assert.match(failed.refusal.message, /losses\.jsonl/);
  assert.deepEqual([told, existsSync(join(dir, 'mark', 'main.json'))], [[], false]);
  rmdirSync(join(dir, 'losses.jsonl'));
  const opened = await openLedger(dir, { acceptLoss: 1, onLoss: ({ size }) => told.push(size) });
  assert.ok(opened.ok && opened.value.sequencer.quarantine() === undefined);
  await opened.value.close();
  assert.deepEqual(told, [1]);
  assert.match(readFileSync(join(dir, 'losses.jsonl'), 'utf8'), /^\{[^}]*"size":1\}\n$/);
});
