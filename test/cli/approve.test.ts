// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startRunning, type Running } from '../server/running.ts';
import { Desks } from './desk.ts';

let running: Running;
let desks: Desks;
before(async () => {
  running = await startRunning();
  desks = new Desks(running);
});
after(async () => {
  desks.close();
  await running.close();
});

test('approve shows every value, signs the digest that was named, and checks its receipt', async () => {
  const { request, change } = await running.ask();
  const done = await desks.run('linus', ['approve', request, '--yes', '--digest', change]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual([done.data['decision'], done.data['status'], done.data['change']], ['approve', 'met', change]);
  const view = await running.show(request);
  const paths = [
    'facts.service.value',
    'facts.risk.vouched',
    'executor.key',
    'gate.seats[0].group',
    'nonce',
    'permit_valid_ms',
  ];
  for (const path of paths) assert.ok(done.stderr.includes(path), path);
  assert.ok(done.stderr.includes(view.words.join(' ')));
});

test('a script must name the digest; another digest signs nothing (SPEC W3)', async () => {
  const { request } = await running.ask();
  for (const [args, code, exit] of [
    [['--yes'], 'digest-not-named', 2],
    [['--no-input'], 'digest-not-named', 2],
    [['--yes', '--digest', `sha256:${'0'.repeat(64)}`], 'vote-not-confirmed', 3],
  ] as const) {
    const no = await desks.run('linus', ['approve', request, ...args]);
    assert.deepEqual([no.refusal['code'], no.code], [code, exit], no.stderr);
  }
  assert.deepEqual((await running.show(request)).votes, []);
});

test('whoever asked, or is in no group, is told so before anything is signed (SPEC V3)', async () => {
  const { request, change } = await running.ask({}, 'ada');
  for (const [name, code] of [
    ['ada', 'vote-by-producer'],
    ['vint', 'vote-not-entitled'],
    ['ci', 'vote-by-machine'],
  ] as const) {
    const no = await desks.run(name, ['approve', request, '--yes', '--digest', change]);
    assert.deepEqual([no.refusal['code'], no.code], [code, 3], no.stderr);
  }
});

test('reject ends it, and a comment stays beside the ledger', async () => {
  const { request, change } = await running.ask();
  const done = await desks.run('linus', [
    'reject',
    request,
    '--yes',
    '--digest',
    change,
    '--comment',
    'too late in the day',
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal((await running.show(request)).status, 'refused');
});

test('without a pin nothing is signed, and a trial must be allowed', async () => {
  const { request, change } = await running.ask();
  const args = ['approve', request, '--yes', '--digest', change];
  const noPin = await desks.run('radia', args, { COUNTERSIGN_PIN: '' });
  assert.equal(noPin.refusal['code'], 'pin-missing', noPin.stderr);
  const other = await desks.run('radia', args, { COUNTERSIGN_PIN: `sha256:${'1'.repeat(64)}` });
  assert.deepEqual([other.refusal['code'], other.code], ['ledger-elsewhere', 7], other.stderr);
});

const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

test('at a terminal the first word is asked for; another one signs nothing (SPEC W3)', {
  skip: hasTerminal ? false : 'no `script` (util-linux) to make a terminal with',
}, async () => {
  const typing = async (
    id: string,
    answer: (words: readonly string[]) => string,
  ): Promise<{ code: number | null; text: string }> => {
    const { words } = await running.show(id);
    const command = `${process.execPath} ${join(import.meta.dirname, '../../src/cli/main.ts')} approve ${id} --allow-trial`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', ...desks.env('linus') },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('Type the first word') && child.stdin.writable && !child.stdin.writableEnded)
        child.stdin.end(answer(words));
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, text };
  };
  const { request } = await running.ask();
  const wrong = await typing(request, (words) => `${words[1]}\n`);
  assert.equal(wrong.code, 3, wrong.text);
  assert.match(wrong.text, /vote-not-confirmed/);
  const ctrlC = await typing(request, () => '\u0003');
  assert.equal(ctrlC.code, 130, ctrlC.text);
  assert.match(ctrlC.text, /Stopped\. Nothing was signed\./);
  assert.deepEqual((await running.show(request)).votes, []);
  const right = await typing(request, (words) => `${words[0]}\n`);
  assert.equal(right.code, 0, right.text);
  assert.equal((await running.show(request)).status, 'met');
});
