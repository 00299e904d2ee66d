// SPDX-License-Identifier: Apache-2.0
// The commands of "Backup and restore" in docs/operations.md, word for word, with this machine's places for theirs.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { found, serveFolder, type Running } from '../server/running.ts';
import { Desks } from './desk.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('## Backup and restore'), page.indexOf('## PostgreSQL'));
const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

let [running, desks]: [Running | undefined, Desks | undefined] = [undefined, undefined];
let [dir, token, pin] = ['', '', ''];
const at = (name: string): string => join(dir, '..', name);

before(async () => {
  ({ dir, token, pin } = await found());
  writeFileSync(join(dir, 'countersign.yaml'), 'mirror: ../mirror\n');
  running = await serveFolder(dir, token, pin);
  await running.ask();
  desks = new Desks(running);
  mkdirSync(at('bin'));
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  writeFileSync(at('bin/countersign'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
});
after(async () => {
  await running?.server.stop();
  desks?.close();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

const places = (text: string): string =>
  text
    .replaceAll(
      'https://gate.example.org --key ~/.ssh/id_ed25519',
      `${running?.url} --allow-trial --key ${desks?.key('radia')}`,
    )
    .replaceAll('https://gate.example.org', running?.url ?? '')
    .replaceAll('/backup/', `${at('backup')}/`)
    .replaceAll('/srv/countersign', dir)
    .replaceAll('/srv/restored', at('restored'))
    .replaceAll('/safe/log.key', at('safe.key'))
    .replaceAll('/mnt/mirror', at('mirror'))
    .replaceAll('sha256:…', pin)
    .replaceAll('--accept-v0', '--allow-trial');

const run = async (block: string | undefined) => {
  const child = spawn('sh', ['-ec', places(block ?? 'false')], {
    env: {
      PATH: `${at('bin')}:${process.env['PATH'] ?? ''}`,
      NO_COLOR: '1',
      COUNTERSIGN_HOME: at('home'),
      COUNTERSIGN_PIN: pin,
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, said };
};

const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'the page uses curl';

test('backing up, asking what is missing, putting it back and making a new folder go as the page says', {
  skip: noCurl,
}, async () => {
  const [backUp, keep, ask, putBack, anew] = blocks;
  assert.equal(blocks.length, 5);
  mkdirSync(at('backup'));
  cpSync(join(dir, 'log.key'), at('safe.key'));
  await running?.server.stop();
  cpSync(join(dir, 'ledger'), at('old-ledger'), { recursive: true });
  running = await serveFolder(dir, token, pin);
  await running.permitted();
  for (const block of [backUp, keep]) {
    const { code, said } = await run(block);
    assert.equal(code, 0, said);
  }
  assert.match(readFileSync(at('backup/checkpoint'), 'utf8'), /^countersign-trial\//);
  await running.server.stop();

  rmSync(join(dir, 'ledger'), { recursive: true });
  cpSync(at('old-ledger'), join(dir, 'ledger'), { recursive: true });
  const behind = await serveFolder(dir, token, pin);
  assert.equal((await behind.get('/readyz')).status, 503);
  await behind.server.stop();
  const missing = await run(ask);
  assert.equal(missing.code, 7, missing.said);
  assert.match(missing.said, /incomplete: 2 entries in [\s\S]*the mark {2}size 5: 3 entries are missing/);
  const whole = await run(putBack);
  assert.equal(whole.code, 0, whole.said);
  assert.match(whole.said, /complete: 5 entries in .*, 3 of them put back from [\s\S]*sound: 5 entries/);

  const made = await run(anew);
  assert.equal(made.code, 0, made.said);
  assert.match(made.said, /imported: 5 entries in /);
  running = await serveFolder(at('restored'), token, pin);
  assert.equal((await running.get('/readyz')).status, 200);
});

test('the page tells every field and file of it', () => {
  for (const name of ['countersign_mirror_failing', 'countersign_mirror_behind', 'losses.jsonl', '--accept-loss'])
    assert.ok(section.includes(name), name);
});
