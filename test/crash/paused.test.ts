// SPDX-License-Identifier: Apache-2.0
// Processes on one store, of which one is stopped again and again, also while it holds the lock, for longer than it may:
// it loses the lock, finds that out, and goes on from where the others are.
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fsck } from '../../src/app/fsck.ts';
import { markFile } from '../../src/app/mark.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { openIn } from '../app/kept-stores.ts';
import { share } from '../app/shared-stores.ts';
import { logKey, tally, temporaryFolder } from '../ledger/tally.ts';
import { long, pause } from './killed-child.ts';
import { serveStore } from './store-line.ts';

const leaseMs = 150;
const rounds = long ? 40 : 4;
const program = join(import.meta.dirname, 'replica-child.ts');

type Child = { readonly process: ChildProcess; readonly lines: string[]; readonly mark: string };

const startChild = (t: TestContext, mark: string, name: string): Child => {
  const child = fork(program, [mark, name], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    serialization: 'advanced',
    execPath: process.execPath,
  });
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return { process: child, lines, mark };
};

const until = async (holds: () => boolean, what: string): Promise<void> => {
  const end = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < end, what);
    await pause(5);
  }
};
const yesOf = ({ lines }: Child): number => lines.filter((line) => line.startsWith('yes')).length;

test(`INV3, INV7, SPEC L17, L18: a process that is stopped ${rounds} times in the middle of a batch, and ${rounds} times anywhere, loses its lock and nothing else`, async (t) => {
  const folder = temporaryFolder(t);
  const files = openIn(join(folder, 'ledger'));
  t.after(() => files.close());
  const store = share(files);
  const children = ['a', 'b', 'c'].map((name) => startChild(t, join(folder, `mark-${name}.json`), name));
  let toStop: ChildProcess | undefined;
  let stopped = 0;
  for (const { process: child } of children)
    serveStore(store, child, leaseMs, (who) => {
      if (who !== toStop) return;
      toStop = undefined;
      stopped += 1;
      who.kill('SIGSTOP');
    });
  for (const child of children) await until(() => yesOf(child) > 3, 'every process appends');
  for (let round = 0; round < 2 * rounds; round += 1) {
    const child = children[round % children.length] as Child;
    const others = children.filter((other) => other !== child);
    const before = stopped;
    if (round % 2 === 0) {
      toStop = child.process;
      await until(() => stopped > before, 'it comes to hold the lock');
    } else child.process.kill('SIGSTOP');
    const counts = others.map(yesOf);
    await pause(2 * leaseMs);
    await until(() => others.every((other, at) => yesOf(other) > (counts[at] ?? 0)), 'the others go on without it');
    const own = yesOf(child);
    child.process.kill('SIGCONT');
    await until(() => yesOf(child) > own + 3, 'it goes on when it wakes');
  }
  for (const { process: child } of children) child.kill('SIGTERM');
  for (const { lines } of children)
    await until(() => lines.some((line) => line.startsWith('closed')), `it ends by itself: ${lines.slice(-3).join()}`);

  const head = await store.head('main');
  const stored = await store.entries('main', 0, head.size);
  const keys = stored.map(({ bytes, index }) => {
    const entry = parseEntry(bytes);
    assert.ok(entry.ok && entry.value.index === index);
    return String((entry.value.command as { key?: unknown }).key);
  });
  assert.equal(new Set(keys).size, keys.length, 'no key has two effects');
  for (const { lines, mark } of children) {
    assert.deepEqual(
      lines.filter((line) => !/^(started|yes .*|closed .*|no store-conflict)$/.test(line)),
      [],
      'no damage, no end, and no other refusal',
    );
    for (const line of lines) {
      const [, index, key] = /^yes (\d+) (.+)$/.exec(line) ?? [];
      if (key !== undefined) assert.equal(keys[Number(index)], key, 'what was answered stands there');
    }
    const checked = await fsck(store, 'main', tally, logKey, { mark: markFile(mark) });
    assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
    const [, size, root] = /^closed (\d+) (\w+)$/.exec(lines.at(-1) ?? '') ?? [];
    if (Number(size) === head.size) assert.equal(root, head.root);
  }
  t.diagnostic(`${head.size} entries, ${children.map(yesOf).join(' + ')} answers`);
});
