// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replaceFile } from '../../src/app/durable-file.ts';
import { ThreadCalls } from '../../src/app/thread-calls.ts';
import { temporaryFolder } from '../ledger/tally.ts';

const module = JSON.stringify(new URL('../../src/app/thread-calls.ts', import.meta.url).href);
/** A thread that doubles numbers, and breaks when it is asked for something else. */
const doubling = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { answerCalls } from ${module};
    answerCalls((n) => { if (typeof n !== 'number') throw new Error('no number'); return 2 * n; });
  `)}`,
);

test('answers come in the order of asking, each to its own question', async () => {
  const thread = new ThreadCalls(doubling, () => new Error('ended'));
  const order: number[] = [];
  const answers = await Promise.all(
    [1, 2, 3, 4].map(async (n) => {
      const answer = await thread.ask(n);
      order.push(n);
      return answer;
    }),
  );
  assert.deepEqual(answers, [2, 4, 6, 8]);
  assert.deepEqual(order, [1, 2, 3, 4]);
  await thread.close();
});

test('a thread that breaks rejects what was asked of it, and whatever is asked later', async () => {
  const thread = new ThreadCalls(doubling, (cause) => new Error('ended', { cause }));
  const [first, broken, behind] = [thread.ask(1), thread.ask('x'), thread.ask(2)];
  assert.equal(await first, 2);
  await assert.rejects(broken, /ended/);
  await assert.rejects(behind, /ended/);
  assert.ok(thread.over);
  await assert.rejects(thread.ask(3), /ended/);
});

test('a question keeps the process alive until it is answered, and a thread without any does not', () => {
  const script = `
    import { ThreadCalls } from ${module};
    const thread = new ThreadCalls(new URL(${JSON.stringify(doubling.href)}), () => new Error('ended'));
    console.log(await thread.ask(21));
  `;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
  assert.deepEqual([String(stdout).trim(), status], ['42', 0]);
});

test('a file is replaced as a whole, by its owner alone, and what fails is said', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'new', 'mark.json');
  await replaceFile(file, 'one', true);
  await Promise.all([replaceFile(file, 'two', false), replaceFile(file, 'three', false)]);
  assert.equal(readFileSync(file, 'utf8'), 'three');
  assert.deepEqual(readdirSync(join(folder, 'new')), ['mark.json']);
  await assert.rejects(replaceFile(join(file, 'below'), 'x', true), /EEXIST|ENOTDIR/);
  await replaceFile(file, 'four', false);
  assert.equal(readFileSync(file, 'utf8'), 'four');
});
