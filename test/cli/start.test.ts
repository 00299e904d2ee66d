// SPDX-License-Identifier: Apache-2.0
// `npm start` for a newcomer: one command, and the commands it prints are true, word for word.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runCli, startCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-start-'));
after(() => rmSync(folder, { recursive: true, force: true }));

type Started = {
  readonly child: ChildProcessWithoutNullStreams;
  readonly told: () => string;
  readonly stop: () => Promise<number | null>;
};

const start = async (...args: readonly string[]): Promise<Started> => {
  const bare = args.includes('bare') ? { env: { PATH: '/nowhere' } } : {};
  const child = startCli(['start', ...args], { cwd: folder, ...bare });
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (told += chunk.toString('utf8')));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', () => told.includes('Ctrl-C stops') && resolve());
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${told}`)));
  });
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { child, told: () => told, stop };
};

/** The lines between "Try it" and what explains them. */
const printed = (told: string): readonly string[] =>
  (told.split(/Try it .*\n\n/)[1] ?? '').split('\n\n')[0]?.split('\n') ?? [];

const env = { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', HOME: folder };
const shell = (script: string) => spawnSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8', env });

// `approve` asks a person at a terminal, so the test is one: it reads the words it is shown, and types the first.
const atTerminal = (script: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('script', ['-qec', script, '/dev/null'], { cwd: folder, env });
    let [seen, typed] = ['', false];
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString('utf8');
      const word = /Words: +([a-z]+)/.exec(seen)?.[1];
      if (typed || word === undefined || !seen.includes('Type the first word')) return;
      typed = true;
      child.stdin.write(`${word}\n`);
    });
    child.on('error', reject);
    child.on('close', () => resolve(seen));
  });

const haveScript = process.platform === 'linux' && spawnSync('script', ['--version']).error === undefined;

test('a first start makes everything within seconds, and its commands run as printed', async (t) => {
  // The tests' own Node stands in for the one of a newcomer.
  symlinkSync(process.execPath, join(folder, 'node'));
  env.PATH = `${folder}:${env.PATH}`;
  const began = performance.now();
  const server = await start('--listen', '127.0.0.1:0');
  try {
    assert.ok(performance.now() - began < 20_000);
    const told = server.told();
    assert.match(told, /Listening on {2}http:\/\/127\.0\.0\.1:\d+/);
    assert.match(told, /Pin {11}sha256:[0-9a-f]{64} {2}\(trial\)/);
    assert.match(told, /grace +Grace.* developers, founders, platform, security/);
    for (const name of readdirSync(join(folder, 'trial', 'keys')).filter((one) => !one.endsWith('.pub')))
      assert.equal(statSync(join(folder, 'trial', 'keys', name)).mode & 0o777, 0o600, `${name} is for its owner alone`);
    assert.equal(statSync(join(folder, 'trial', 'read.token')).mode & 0o777, 0o600);

    const [source = '', request = '', approve = '', run = '', ...rest] = printed(told);
    assert.deepEqual(rest, []);
    const asked = shell(`${source}\n${request}\necho "$REQUEST"`);
    const id = asked.stdout.trim();
    assert.match(id, /^req_[a-z0-9]{26}$/, asked.stderr);
    const own = shell(`${source}\nREQUEST=${id}\n${approve.replace('/grace', '/ada')}`);
    assert.notEqual(own.status, 0);
    assert.match(own.stderr, /error\[vote-/, 'ada does not approve what she asked for');
    if (!haveScript) {
      assert.notEqual(process.env['CI'], 'true', '`script` of util-linux is missing');
      return t.diagnostic('`script` of util-linux is missing: nobody could type at a terminal');
    }
    const approved = await atTerminal(`${source}\nREQUEST=${id}\n${approve}`);
    assert.match(approved, /approved req_/, approved);
    assert.match(approved, /argv\[1\] +"hello"/, 'every byte was shown');
    const ran = shell(`${source}\nREQUEST=${id}\n${run}`);
    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stdout, /^hello$/m);
    assert.match(ran.stderr, /verified here/);
    const again = shell(`${source}\nREQUEST=${id}\n${run}`);
    assert.notEqual(again.status, 0, 'an approval lets one run through');
    const shown = shell(`${source}\ncountersign show ${id} --verify --allow-trial`);
    assert.match(shown.stdout, /Finished; 1 of 1 seats filled[^]*Verified here, from your own pin/, shown.stderr);
    const [signIn = '', deploy = ''] = told.split('\n').filter((line) => /^countersign (login|request)/.test(line));
    const token = shell(`${source}\n${signIn}`);
    assert.match(token.stdout, /^css_\S+\n$/, token.stderr);
    const deployment = shell(`${source}\n${deploy}`);
    assert.equal(deployment.status, 0, deployment.stderr);
    assert.match(deployment.stderr, /Could approve: (?=.*Linus)(?=.*Radia)/);
    const staging = shell(`${source}\n${deploy.replace('production', 'staging').replace(' --fact migrations=0', '')}`);
    assert.equal(staging.status, 0, staging.stderr);
    const healthy = shell(`${source}\ncountersign doctor --dir trial/data --key trial/keys/ada --json`);
    assert.equal((JSON.parse(healthy.stdout) as { healthy: boolean }).healthy, true, healthy.stdout);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

test('a second start carries on with the same ledger, keys and token', async () => {
  const before = readFileSync(join(folder, 'trial', 'env'), 'utf8');
  const token = readFileSync(join(folder, 'trial', 'read.token'), 'utf8');
  const server = await start('--listen', '127.0.0.1:0');
  try {
    assert.match(server.told(), /Carrying on with the trial organisation/);
    assert.match(server.told(), /Ledger {8}[3-9] entries/);
    const pin = /COUNTERSIGN_PIN=(\S+)/.exec(before)?.[1] ?? 'none';
    assert.ok(server.told().includes(pin));
    assert.equal(readFileSync(join(folder, 'trial', 'read.token'), 'utf8'), token);
    const second = await runCli(['start', '--listen', '127.0.0.1:0'], { cwd: folder });
    assert.equal(second.code, 6);
    assert.match(second.stderr, /error\[store-locked\]: .* in use by process \d+\n {2}help: stop that process/);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

test('a first start needs no OpenSSH: keys are written by itself, in the same format', async () => {
  const server = await start('--listen', '127.0.0.1:0', '--dir', 'bare');
  assert.match(server.told(), /git or ssh-keygen is not there: run\.command and changes of governance can be tried/);
  assert.equal(await server.stop(), 0);
  const key = join(folder, 'bare', 'keys', 'ada');
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const derived = spawnSync('ssh-keygen', ['-y', '-f', key], { encoding: 'utf8' });
  assert.equal(derived.status, 0, derived.stderr);
  assert.ok(readFileSync(`${key}.pub`, 'utf8').startsWith(derived.stdout.split(' ').slice(0, 2).join(' ')));
  assert.match(readFileSync(`${key}.pub`, 'utf8'), /ada of the trial/);
});

test('a port in use is said so; without --listen the next free one is taken', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    const taken = await runCli(['serve', '--dir', join(folder, 'trial', 'data'), '--listen', `127.0.0.1:${port}`]);
    assert.equal(taken.code, 6);
    assert.match(taken.stderr, /error\[port-in-use\]/);
    assert.ok(taken.stderr.includes(String(port)), 'the port is named');
    const open = await runCli(['serve', '--dir', join(folder, 'trial', 'data'), '--listen', '0.0.0.0:0']);
    assert.match(open.stderr, /error\[listen-without-tls\]/);
    const missing = await runCli(['serve', '--dir', join(folder, 'none')]);
    assert.match(missing.stderr, /error\[ledger-missing\]/);
  } finally {
    holder.close();
  }
});

test('L4: a trial that lay about over a weekend starts again, and says what that takes for true', async () => {
  const dir = join(folder, 'weekend');
  // Made by a process whose clock is three days behind, so that its genesis is of then.
  const clock = join(folder, 'clock.mjs');
  writeFileSync(
    clock,
    'const Real = Date; const late = 3 * 86400000; const then = () => Real.now() - late;' +
      'globalThis.Date = class extends Real { constructor(...a) { super(...(a.length ? a : [then()])); } static now() { return then(); } };',
  );
  const options = { cwd: folder, env: { NODE_OPTIONS: `--import=${pathToFileURL(clock).href}` } };
  const made = startCli(['start', '--dir', dir, '--listen', '127.0.0.1:0'], options);
  await new Promise((resolve) => made.stdout.on('data', (chunk) => String(chunk).includes('Ctrl-C') && resolve(null)));
  made.kill('SIGTERM');
  await new Promise((resolve) => made.on('close', resolve));
  const server = await start('--listen', '127.0.0.1:0', '--dir', dir);
  try {
    assert.match(server.told(), /Its last entry is of \S+\. Starting it takes this machine's clock to be right/);
    const [source = '', request = ''] = printed(server.told());
    const asked = shell(`${source}\n${request}\necho "$REQUEST"`);
    assert.match(asked.stdout, /^req_/, asked.stderr);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});
