// SPDX-License-Identifier: Apache-2.0
// Founding: the whole ceremony with real keys, and everything that must not found a ledger.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeKey, sampleOrganisation, type Organisation } from './sample-organisation.ts';
import { runCli } from './run-cli.ts';

const made: Organisation[] = [];
const organisation = (): Organisation => {
  const one = sampleOrganisation();
  made.push(one);
  return one;
};
after(() => made.forEach((one) => one.remove()));

// A real terminal: types the answer when it is asked for, as a person would.
const atTerminal = (
  command: string,
  answer: string,
): Promise<{ readonly code: number | null; readonly seen: string }> =>
  new Promise((resolve) => {
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1' },
    });
    let [seen, typed] = ['', false];
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString('utf8');
      if (typed || !seen.includes('type them here to sign:')) return;
      typed = true;
      child.stdin.write(`${answer}\n`);
    });
    child.on('close', (code) => resolve({ code, seen }));
  });

const draft = async (org: Organisation, ...more: readonly string[]) => {
  for (const handle of ['grace', 'radia']) makeKey(join(org.folder, `${handle}-recovery`));
  const recovery = ['grace', 'radia'].flatMap((handle) => [
    '--recovery',
    `${handle}=${join(org.folder, `${handle}-recovery.pub`)}`,
  ]);
  return runCli(
    [
      'init',
      'draft',
      join(org.folder, 'draft'),
      '--roster',
      org.roster,
      '--policy',
      org.policy,
      '--keys',
      org.keys,
      '--log-key',
      join(org.folder, 'log.key'),
      ...recovery,
      ...more,
    ],
    { cwd: org.folder },
  );
};

test('N2, N7: three founders draft, compare, sign with real keys, and found a ledger', async () => {
  const org = organisation();
  const [folder, dir] = [join(org.folder, 'draft'), join(org.folder, 'data')];
  const drafted = await draft(org);
  assert.equal(drafted.code, 0, drafted.stderr);
  const pin = drafted.stdout.trim();
  assert.match(pin, /^sha256:[0-9a-f]{64}$/);
  assert.equal(statSync(join(org.folder, 'log.key')).mode & 0o777, 0o600);
  assert.ok(!readdirSync(folder).includes('log.key'), 'the log key stays with the operator');

  const early = await runCli(['init', 'finish', folder, '--dir', dir, '--log-key', join(org.folder, 'log.key')]);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /error\[genesis-unsigned\]: 3 keys have not signed: .*Ada Lovelace/);

  for (const handle of ['ada', 'grace', 'radia']) {
    const signed = await runCli(['init', 'sign', folder, '--key', org.key(handle), '--pin', pin]);
    assert.equal(signed.code, 0, signed.stderr);
    for (const shown of [
      'Ada Lovelace',
      'release.notes',
      'platform: 1 of group:platform',
      'Recovery 2 of 2 keys, after 7 days',
    ])
      assert.ok(signed.stderr.includes(shown), `${shown} is shown before signing`);
  }
  const done = await runCli(['init', 'finish', folder, '--dir', dir, '--log-key', join(org.folder, 'log.key')]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout.trim(), pin);
  assert.equal(statSync(join(dir, 'log.key')).mode & 0o777, 0o600);

  const checked = await runCli(['ledger', 'fsck', '--dir', dir, '--pin', pin, '--json']);
  assert.equal(checked.code, 0, checked.stderr);
  const report = JSON.parse(checked.stdout) as { sound: boolean; entries: number; trial: boolean; pinned: boolean };
  assert.deepEqual(
    { sound: report.sound, entries: report.entries, trial: report.trial, pinned: report.pinned },
    { sound: true, entries: 1, trial: false, pinned: true },
  );
});

test('N7: a founder who was told another digest does not sign', async () => {
  const org = organisation();
  await draft(org);
  const other = `sha256:${'0'.repeat(64)}`;
  const signed = await runCli(['init', 'sign', join(org.folder, 'draft'), '--key', org.key('ada'), '--pin', other]);
  assert.equal(signed.code, 7);
  assert.match(signed.stderr, /error\[draft-differs\]/);
  assert.deepEqual(readdirSync(join(org.folder, 'draft', 'signatures')), []);
  const alone = await runCli(['init', 'sign', join(org.folder, 'draft'), '--key', org.key('ada')]);
  assert.equal(alone.code, 2, 'without a terminal and without --pin nobody compares anything');
});

test('N7: at a terminal the words are not on the screen before they are typed, and wrong ones sign nothing', async (t) => {
  if (process.platform !== 'linux' || spawnSync('script', ['--version']).error !== undefined) {
    assert.notEqual(process.env['CI'], 'true', '`script` of util-linux is missing');
    return t.skip('`script` of util-linux is missing: nobody could type at a terminal');
  }
  const org = organisation();
  const drafted = await draft(org);
  const words = /by voice: ([a-z ]+)/.exec(drafted.stderr)?.[1] ?? '';
  assert.equal(words.split(' ').length, 6);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const command = `'${process.execPath}' '${main}' init sign '${join(org.folder, 'draft')}' --key '${org.key('ada')}'`;
  const wrong = await atTerminal(command, 'acorn acorn acorn acorn acorn acorn');
  assert.equal(wrong.code, 7, wrong.seen);
  assert.match(wrong.seen, /error\[draft-differs\]/);
  assert.ok(!wrong.seen.includes(words), 'the words are not given away');
  assert.match(wrong.seen, /Whoever drafted it reads out six words/);
  const right = await atTerminal(command, words.toUpperCase());
  assert.equal(right.code, 0, right.seen);
  assert.equal(readdirSync(join(org.folder, 'draft', 'signatures')).length, 1);
});

test('N7: a summary that says something else than the draft is signed by nobody; the words stand in no file', async () => {
  const org = organisation();
  const pin = (await draft(org)).stdout.trim();
  const file = join(org.folder, 'draft', 'SUMMARY.txt');
  const text = readFileSync(file, 'utf8');
  assert.doesNotMatch(text, /^Words /m);
  writeFileSync(file, text.replace('2 of 2 keys', '1 of 2 keys'));
  const sign = ['init', 'sign', join(org.folder, 'draft'), '--key', org.key('ada'), '--pin', pin];
  const refused = await runCli(sign);
  assert.equal(refused.code, 7);
  assert.match(refused.stderr, /error\[draft-differs\]: `SUMMARY.txt` is not what this draft says/);
  writeFileSync(file, text);
  assert.equal((await runCli(sign)).code, 0);
});

test('N2: a signature by another key, or over another draft, founds nothing', async () => {
  const org = organisation();
  const pin = (await draft(org)).stdout.trim();
  const folder = join(org.folder, 'draft');
  makeKey(join(org.folder, 'stranger'));
  const stranger = await runCli(['init', 'sign', folder, '--key', join(org.folder, 'stranger'), '--pin', pin]);
  assert.match(stranger.stderr, /error\[key-unknown\]/);
  for (const handle of ['ada', 'grace', 'radia'])
    await runCli(['init', 'sign', folder, '--key', org.key(handle), '--pin', pin]);
  const text = readFileSync(join(folder, 'genesis.json'), 'utf8');
  writeFileSync(join(folder, 'genesis.json'), text.replace('"threshold":2,"trial"', '"threshold":3,"trial"'));
  const changed = await runCli([
    'init',
    'finish',
    folder,
    '--dir',
    join(org.folder, 'x'),
    '--log-key',
    join(org.folder, 'log.key'),
  ]);
  assert.notEqual(changed.code, 0);
  writeFileSync(join(folder, 'genesis.json'), text.replace(/"nonce":"../, '"nonce":"00'));
  const moved = await runCli([
    'init',
    'finish',
    folder,
    '--dir',
    join(org.folder, 'x'),
    '--log-key',
    join(org.folder, 'log.key'),
  ]);
  assert.equal(moved.code, 3);
  assert.match(moved.stderr, /error\[signature-invalid\]/);
  rmSync(join(folder, 'policy.json'));
  const torn = await runCli(['init', 'sign', folder, '--key', org.key('ada'), '--pin', pin]);
  assert.match(torn.stderr, /error\[draft-incomplete\]: `.*` has no file `policy.json`/);
});

test('N2: two founders, a threshold of one, or recovery in one hand are too few, and the answer says what to do', async () => {
  const org = organisation();
  const two = await draft(org, '--founder', 'ada', '--founder', 'grace');
  assert.equal(two.code, 1);
  assert.match(two.stderr, /error\[genesis-founders\]: 2 founders with a threshold of 2 are too few/);
  assert.match(two.stderr, /help: name at least 3 founders/);
  rmSync(join(org.folder, 'grace-recovery'));
  rmSync(join(org.folder, 'radia-recovery'));
  const one = await draft(org, '--threshold', '1');
  assert.match(one.stderr, /error\[genesis-founders\]/);
  const everyday = await runCli([
    'init',
    'draft',
    join(org.folder, 'd2'),
    '--roster',
    org.roster,
    '--policy',
    org.policy,
    '--keys',
    org.keys,
    '--log-key',
    join(org.folder, 'log2.key'),
    '--recovery',
    `grace=${org.key('grace')}.pub`,
  ]);
  assert.equal(everyday.code, 2);
  assert.match(everyday.stderr, /everyday key/);
});

test('a trial is founded in one go, says so, and is founded once', async () => {
  const org = organisation();
  const dir = join(org.folder, 'trial');
  const args = ['init', '--trial', '--dir', dir, '--roster', org.roster, '--policy', org.policy, '--keys', org.keys];
  const founded = await runCli([...args, '--json']);
  assert.equal(founded.code, 0, founded.stderr);
  const { ledger, origin } = JSON.parse(founded.stdout) as { ledger: string; origin: string };
  assert.match(ledger, /^sha256:/);
  assert.match(origin, /^countersign-trial\//);
  const people = Object.values(JSON.parse(readFileSync(join(dir, 'people.json'), 'utf8')) as object);
  assert.deepEqual(people.map(String).sort(), ['Ada Lovelace', 'Grace Hopper', 'Radia Perlman']);
  const again = await runCli(args);
  assert.match(again.stderr, /error\[folder-exists\]/);
  rmSync(org.key('radia'));
  const missing = await runCli([...args.slice(0, 3), join(org.folder, 'other'), ...args.slice(4)]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /error\[genesis-unsigned\].*holds no private key/);
});

test('wrong policy is shown with file, line and help, and founds nothing', async () => {
  const org = organisation();
  const file = join(org.policy, 'release.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('1 of group:platform', '1 of group:platfrom'));
  const dir = join(org.folder, 'trial');
  const run = await runCli([
    'init',
    '--trial',
    '--dir',
    dir,
    '--roster',
    org.roster,
    '--policy',
    org.policy,
    '--keys',
    org.keys,
  ]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /release\.yaml:11:/);
  assert.match(run.stderr, /platfrom/);
});

test('what is missing is said before anything is made', async () => {
  const nothing = await runCli(['init']);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /init draft/);
  const half = await runCli(['init', '--trial', '--dir', '/nowhere/x']);
  assert.equal(half.code, 2);
  assert.match(half.stderr, /--roster is missing/);
});
