// SPDX-License-Identifier: Apache-2.0
// Power lost under load, on the embedded store: only what has reached the disk by then is there afterwards (SPEC L6, L8).
// The disk is a file with a file system of its own; the copy that is taken of it holds what the kernel has written to it
// so far and nothing of what it still keeps in memory. Needs root for the mount, so it is of the long run alone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync } from 'node:fs';
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { askPostgres } from '../support/postgres.ts';
import { long, pause, startChild, type Child } from './killed-child.ts';
import { formatPlace } from './tally-place.ts';
import { assertWhole, readAcknowledged } from './tally-witness.ts';

const rounds = 20;
const megabytes = 192;
const writer = join(import.meta.dirname, 'tally-writer.ts');
const needed = ['/usr/sbin/mkfs.ext4', '/dev/loop-control'];

const missing = (): string | undefined => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  const none = needed.find((path) => !existsSync(path));
  return none === undefined ? undefined : `it needs ${none}`;
};

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const newDisk = (image: string): void => {
  const file = openSync(image, 'wx', 0o600);
  ftruncateSync(file, megabytes * 1024 * 1024);
  closeSync(file);
  run('mkfs.ext4', '-q', '-F', image);
};

const hashOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

/** A copy of what is on the disk at one moment: two that are alike, since the kernel writes when it likes. */
const copyDisk = (image: string, to: string): void => {
  for (let tries = 0; tries < 20; tries += 1) {
    run('cp', '--sparse=always', image, to);
    const once = hashOf(to);
    run('cp', '--sparse=always', image, to);
    if (hashOf(to) === once) return;
  }
  assert.fail('the disk did not keep still');
};

const isStopped = (pid: number): boolean => /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

const losePower = async (t: TestContext): Promise<void> => {
  const why = missing();
  // A file system can only be mounted where the machine lets us; the report counts the skip.
  if (why !== undefined) return t.skip(why);
  const base = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  const mounted = new Set<string>();
  const mount = (image: string, name: string): string => {
    const at = join(base, name);
    mkdirSync(at, { recursive: true });
    run('mount', '-o', 'loop', image, at);
    mounted.add(at);
    return at;
  };
  const unmount = (at: string): void => {
    run('umount', at);
    mounted.delete(at);
  };
  let child: Child | undefined;
  t.after(async () => {
    // While it holds files there, nothing can be unmounted, and the folder not removed.
    await child?.kill();
    for (const at of mounted) run('umount', at);
    rmSync(base, { recursive: true, force: true });
  });

  let image = join(base, 'disk-0');
  newDisk(image);
  const acknowledged = new Map<string, number>();
  let [size, lost] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    const disk = mount(image, 'running');
    child = startChild(process.execPath, [writer, formatPlace({ folder: disk }), String(round)]);
    await child.line('yes');
    // At another point of the load in each round.
    await pause(Math.random() * 400);
    // Nobody has asked for this one to be on the disk: where it is missing afterwards, memory was lost indeed.
    writeFileSync(join(disk, `never-synced-${round}`), 'x'.repeat(5000));
    const pid = child.process.pid ?? 0;
    child.process.kill('SIGSTOP');
    while (!isStopped(pid)) await pause(1);
    // What it had said by then is on its way through a pipe.
    await pause(100);
    readAcknowledged(child.lines, acknowledged);
    const told = child.lines.filter((line) => !/^(yes|started) /.test(line));
    assert.deepEqual(told, [], `round ${round}: nothing is refused, no quarantine, no follower fails`);
    const started = Number(/^started (\d+)/.exec(child.lines[0] ?? '')?.[1]);
    assert.equal(started, size, `round ${round} begins where the last one ended`);
    const next = join(base, `disk-${round + 1}`);
    copyDisk(image, next);
    await child.kill();
    unmount(disk);
    run('rm', image);
    image = next;
    const after = mount(image, 'after');
    if (!existsSync(join(after, `never-synced-${round}`))) lost += 1;
    size = await assertWhole({ folder: after }, acknowledged, askPostgres).catch((error: unknown) => {
      throw new Error(`round ${round}`, { cause: error });
    });
    unmount(after);
  }
  assert.ok(
    lost > rounds / 2,
    `what nobody asked to be written was lost in ${lost} of ${rounds} rounds: is this a power loss?`,
  );
  assert.ok(acknowledged.size > rounds * 100, `${acknowledged.size} acknowledged`);
  t.diagnostic(`${rounds} rounds of power loss, ${acknowledged.size} acknowledged`);
};

if (long)
  test(
    `INV7, SPEC L6, L8: ${rounds} times the power is lost under load, nothing that was acknowledged is lost`,
    losePower,
  );
