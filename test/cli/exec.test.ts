// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../src/crypto/digest.ts';
import { startRunning, type Running } from '../server/running.ts';
import { deployAction, policyOf } from '../support/world.ts';
import { Desks } from './desk.ts';

// `ada` asks and `margaret` runs: run.command has no attested fact, and one seat.
const runCommand = deployAction({
  name: 'run.command',
  target: 'host/{host}',
  enforced: 'advisory',
  facts: { host: { type: 'name', source: { kind: 'requester' }, max: null } },
  ask: ['group:developers', 'machine:ci'],
  run: ['machine:deployer', 'machine:ci', 'group:developers'],
  emergency: null,
});
const records = async () => {
  const { rosterRecords } = await import('../support/world.ts');
  return {
    ...rosterRecords(),
    'instance/shell': { status: 'active', actions: ['run.command'], operator: 'machine:ci' },
  };
};

let running: Running;
let desks: Desks;
before(async () => {
  running = await startRunning({ policy: policyOf(runCommand), records: await records() });
  desks = new Desks(running);
});
after(async () => {
  desks.close();
  await running.close();
});

const pending = async (known: ReadonlySet<string>): Promise<string> => {
  for (let tries = 0; tries < 400; tries += 1) {
    const { body } = await running.get<{ items: { request: string }[] }>('/v1/requests?action=run.command&limit=50');
    const fresh = body.items.find(({ request }) => !known.has(request));
    if (fresh !== undefined) return fresh.request;
    await sleep(50);
  }
  throw new Error('nothing was asked');
};
const asked = async (): Promise<ReadonlySet<string>> => {
  const { body } = await running.get<{ items: { request: string }[] }>('/v1/requests?action=run.command&limit=100');
  return new Set(body.items.map(({ request }) => request));
};

type Run = { readonly child: ReturnType<Desks['start']>; readonly id: string; readonly end: Promise<Ended> };
type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
const start = async (
  args: readonly string[],
  name = 'ada',
  env: Readonly<Record<string, string>> = {},
): Promise<Run> => {
  const before = await asked();
  const child = desks.start(name, ['exec', 'run.command', '--fact', 'host=db1', '--reason', 'tidy', ...args], env);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const end = new Promise<Ended>((resolve) =>
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    ),
  );
  const id = await Promise.race([pending(before), end.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { child, id, end };
};
const approve = async (id: string): Promise<void> => {
  const voted = await running.vote(id, 'linus');
  assert.equal(voted.status, 201, JSON.stringify(voted.body));
};

test('the command runs once, behind a permit, with its exit code, and what it printed is reported by digest', async () => {
  const script = desks.write('job.sh', '#!/bin/sh\necho "running $1 in $(pwd)"; cat; exit 7\n');
  const input = desks.write('input.txt', 'from stdin\n');
  const run = await start(['--artifact', script, '--stdin', input, '--', '/bin/sh', script, 'now']);
  const view = await running.show(run.id);
  const change = JSON.parse(view.change_text) as { content: string };
  const { body } = await running.get<{ text: string }>(`/v1/ledger/blobs/${change.content}`);
  const plan = JSON.parse(body.text) as { argv: string[]; stdin: string; artefacts: unknown; env: object };
  assert.deepEqual(plan.argv, ['/bin/sh', script, 'now']);
  assert.equal(plan.stdin, digestOf('from stdin\n'));
  assert.deepEqual(plan.artefacts, [{ path: script, digest: digestOf(readFileSync(script)) }]);
  assert.deepEqual(plan.env, {});
  // What lies at the artefact's own place now is of no account: the approved copy runs (C1).
  writeFileSync(script, '#!/bin/sh\necho hijacked; exit 0\n');
  writeFileSync(input, 'other stdin\n');
  await approve(run.id);
  const { code, stdout, stderr } = await run.end;
  assert.equal(code, 7, stderr);
  assert.match(stdout, /running now in /);
  assert.match(stdout, /from stdin/);
  assert.doesNotMatch(stdout, /hijacked|other stdin/);
  const after = await running.show(run.id);
  assert.deepEqual([after.status, after.outcome], ['finished', 'failed']);
  const { body: last } = await running.get<{ entry: string }>(`/v1/ledger/entries/${after.entries.at(-1)}`);
  const kept = readFileSync(join(desks.home('ada'), 'outputs', `${after.permit?.permit}.log`));
  assert.ok(last.entry.includes(digestOf(kept)), 'the result names the digest of the output that was kept');
  assert.deepEqual(readdirSync(join(desks.home('ada'), 'runs')), [], 'nothing is left of a run that is over');
});

test('a secret takes no place that people approved, nor one that steers what runs (W5)', async () => {
  const secret = desks.write('steer.secret', 's3cret');
  for (const [name, said] of [
    ['SHOWN', /to be passed on and to hold the secret/],
    ['LD_PRELOAD', /steers what a program runs or loads/],
    ['PATH', /steers what a program runs or loads/],
    ['NODE_OPTIONS', /steers what a program runs or loads/],
    ['not a name', /is no name of a variable/],
  ] as const) {
    const args = ['--env', 'SHOWN', '--credential-from', secret, '--credential-env', name, '--', '/usr/bin/env'];
    const no = await desks.run('ada', ['exec', 'run.command', '--reason', 'x', ...args], { SHOWN: 'yes' });
    assert.equal(no.refusal['code'], 'exec-plan-malformed', no.stderr);
    assert.match(no.stderr, said);
  }
});

test('the environment holds what was allow-listed and the credential, and nothing else', async () => {
  const secret = desks.write('secret', 's3cr3t-value\n');
  const run = await start(['--env', 'SHOWN', '--credential-from', secret, '--', '/usr/bin/env'], 'ada', {
    SHOWN: 'yes',
    HIDDEN: 'no',
  });
  const { change_text } = await running.show(run.id);
  assert.ok(!change_text.includes('s3cr3t'));
  await approve(run.id);
  const { code, stdout, stderr } = await run.end;
  assert.equal(code, 0, stderr);
  const lines = stdout.split('\n').filter((line) => /^[A-Z_]+=/.test(line));
  assert.deepEqual(lines.sort(), ['COUNTERSIGN_CREDENTIAL=s3cr3t-value', 'SHOWN=yes']);
  assert.match(stderr, /credential-held/);
});

test('a private copy that was swapped after the request is refused, and nothing runs', async () => {
  const script = desks.write('swap.sh', 'echo fine\n');
  const run = await start(['--artifact', script, '--', '/bin/sh', script]);
  const runs = join(desks.home('ada'), 'runs');
  const [folder = ''] = readdirSync(runs);
  const copy = join(runs, folder, '0', 'swap.sh');
  assert.ok(existsSync(copy));
  const { rmSync } = await import('node:fs');
  rmSync(copy);
  writeFileSync(copy, 'echo swapped\n');
  await approve(run.id);
  const { code, stdout, stderr } = await run.end;
  assert.equal(code, 7, stderr);
  assert.match(stderr, /artefact-differs/);
  assert.doesNotMatch(stdout, /swapped|fine/);
  assert.equal((await running.show(run.id)).status, 'met', 'no permit was used');
});

test('a request is taken up again for exactly the same command, and for no other (C1)', async () => {
  const script = desks.write('again.sh', 'echo one\n');
  const args = ['--artifact', script, '--timeout', '1s', '--', '/bin/sh', script];
  const first = await start(args);
  assert.equal((await first.end).code, 124);
  await approve(first.id);
  const take = (more: readonly string[]) =>
    desks.run('ada', ['exec', 'run.command', '--fact', 'host=db1', '--request', first.id, ...more]);
  writeFileSync(script, 'echo two\n');
  const changed = await take(args);
  assert.deepEqual([changed.refusal['code'], changed.code], ['resume-differs', 3], changed.stderr);
  const more = await take(['--', '/bin/sh', '-c', 'echo two']);
  assert.equal(more.refusal['code'], 'resume-differs');
  writeFileSync(script, 'echo one\n');
  const same = await take(args);
  assert.equal(same.code, 0, same.stderr);
  assert.match(same.stdout, /one/);
  const twice = await take(args);
  assert.notEqual(twice.code, 0);
  assert.doesNotMatch(twice.stdout, /one/, 'an approval lets one run through');
});

test('killed between use and end: the next start reports unknown, with a finding, and never runs it again', async () => {
  const marks = join(desks.folder, 'ran');
  const run = await start(['--', '/bin/sh', '-c', `echo x >> ${marks}; exec sleep 5`]);
  await approve(run.id);
  for (let tries = 0; !existsSync(marks) && tries < 200; tries += 1) await sleep(50);
  assert.ok(existsSync(marks));
  run.child.kill('SIGKILL');
  await run.end;
  assert.equal((await running.show(run.id)).status, 'consumed');
  const next = await start(['--', '/bin/true']);
  await approve(next.id);
  const { code, stderr } = await next.end;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /reported as unknown/);
  const view = await running.show(run.id);
  assert.deepEqual([view.status, view.outcome], ['finished', 'unknown']);
  const { body } = await running.get<{ entry: string }>(`/v1/ledger/entries/${view.entries.at(-1)}`);
  assert.match(body.entry, /outcome-unknown/);
  assert.equal(readFileSync(marks, 'utf8'), 'x\n');
});

test('copies of a process that was killed while it waited go after a day; those of one that waits stay', async () => {
  const left = await start(['--', '/bin/true'], 'bob');
  left.child.kill('SIGKILL');
  await left.end;
  const runs = join(desks.home('bob'), 'runs');
  const [dead = ''] = readdirSync(runs);
  const waits = await start(['--', '/bin/true'], 'bob');
  const [alive = ''] = readdirSync(runs).filter((one) => one !== dead);
  const days = new Date(Date.now() - 2 * 86_400_000);
  for (const name of [dead, alive]) utimesSync(join(runs, name), days, days);
  const next = await start(['--', '/bin/true'], 'bob');
  assert.ok(!existsSync(join(runs, dead)));
  assert.ok(existsSync(join(runs, alive)));
  for (const run of [waits, next]) {
    run.child.kill('SIGINT');
    await run.end;
  }
});

test('the key that runs it is told by its option, in exec', async () => {
  const args = ['--fact', 'host=db1', '--reason', 'x', '--run-key', desks.key('linus'), '--', '/bin/true'];
  const refused = await desks.run('ada', ['exec', 'run.command', ...args]);
  assert.equal(refused.refusal['code'], 'executor-not-allowed', refused.stderr);
  assert.match(String(refused.refusal['help']), /--run-key FILE/);
});

test('signals reach the command, and its end by a signal is told as shells tell it', async () => {
  const run = await start(['--', '/bin/sh', '-c', 'echo ready; trap "exit 9" TERM; while :; do sleep 0.1; done']);
  const ready = new Promise((resolve) =>
    run.child.stdout.on('data', (chunk) => String(chunk).includes('ready') && resolve(null)),
  );
  await approve(run.id);
  await ready;
  run.child.kill('SIGTERM');
  assert.equal((await run.end).code, 9);
});

test('a rejected run is a "no", and what cannot be pinned down is asked by nobody', async () => {
  const run = await start(['--', '/bin/true']);
  const { change } = await running.show(run.id);
  const no = await desks.run('linus', ['reject', run.id, '--yes', '--digest', change]);
  assert.equal(no.code, 0, no.stderr);
  assert.equal((await run.end).code, 3);
  const before = await asked();
  const ask = (more: readonly string[]) =>
    desks.run('ada', ['exec', 'run.command', '--fact', 'host=db1', '--reason', 'x', ...more]);
  const file = desks.write('unused', 'x');
  for (const [more, code] of [
    [['--artifact', file, '--', '/bin/true'], 'exec-plan-malformed'],
    [['--artifact', 'missing', '--', '/bin/cat', 'missing'], 'exec-plan-malformed'],
    [['--env', 'NOT_SET', '--', '/bin/true'], 'exec-plan-malformed'],
    [['--', 'no-such-program'], 'exec-plan-malformed'],
    [[], 'usage'],
  ] as const) {
    const refused = await ask(more);
    assert.deepEqual([refused.refusal['code'], refused.code], [code, 2], refused.stderr);
  }
  assert.deepEqual(await asked(), before);
});

test('a secret comes from a command or on a descriptor, only after use; one that fails uses the permit up and runs nothing', async () => {
  const marker = join(desks.folder, 'released');
  const run = await start([
    '--credential-from',
    `exec:touch ${marker}; echo from-vault`,
    '--credential-fd',
    '--',
    '/bin/sh',
    '-c',
    'echo "got $(cat <&3), env ${COUNTERSIGN_CREDENTIAL:-none}"',
  ]);
  assert.ok(!existsSync(marker), 'nothing is released before the permit is used');
  await approve(run.id);
  const { code, stdout, stderr } = await run.end;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /got from-vault, env none/);
  const broken = await start(['--credential-from', 'exec:exit 4', '--', '/bin/sh', '-c', `touch ${marker}-2`]);
  await approve(broken.id);
  const end = await broken.end;
  assert.equal(end.code, 6, end.stderr);
  assert.match(end.stderr, /credential-unavailable/);
  assert.ok(!existsSync(`${marker}-2`));
  assert.equal((await running.show(broken.id)).outcome, 'failed');
});
