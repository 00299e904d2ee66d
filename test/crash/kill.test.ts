// SPDX-License-Identifier: Apache-2.0
// SIGKILL in the middle of anything: no acknowledged entry lost, no half state, the ledger verifies and starts again.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { long, pause, startChild } from './killed-child.ts';
import { assertWhole } from './tally-witness.ts';

const rounds = long ? 100 : 10;
const writer = join(import.meta.dirname, 'tally-writer.ts');

test(`INV7, SPEC L6, L8: ${rounds} times killed under load, nothing that was acknowledged is lost`, async (t) => {
  let folder = '';
  let acknowledged = new Map<string, number>();
  let [size, total] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    // A new ledger now and then: each round reads all that stands in it three times.
    if (round % 20 === 0) [folder, acknowledged, size] = [temporaryFolder(t), new Map(), 0];
    const before = acknowledged.size;
    const child = startChild(process.execPath, [writer, folder, String(round)]);
    t.after(() => child.kill());
    // Mostly under load; every fourth time at any moment from the very start on.
    const early = round % 4 === 3;
    const delayMs = Math.floor(Math.random() * (early ? 600 : 250));
    if (!early) {
      await child.line('yes');
      // SPEC L9: while it runs, nobody else opens the folder.
      const second = openSqliteStore(join(folder, 'ledger'));
      assert.ok(!second.ok && second.refusal.code === 'store-locked');
      assert.equal(second.refusal.facts['pid'], String(child.process.pid));
    }
    await pause(delayMs);
    const { lines, signal } = await child.kill();
    assert.equal(
      signal,
      'SIGKILL',
      `round ${round}: it ended by itself: ${child.errors()} ${lines.slice(-2).join(' | ')}`,
    );
    const told = lines.filter((line) => !/^(yes|started) /.test(line));
    assert.deepEqual(told, [], `round ${round}: nothing is refused, no quarantine, no follower fails`);
    for (const line of lines) {
      const [, index, key] = /^yes (\d+) (\S+)$/.exec(line) ?? [];
      if (key !== undefined) acknowledged.set(key, Number(index));
    }
    const started = Number(/^started (\d+)/.exec(lines[0] ?? '')?.[1] ?? size);
    assert.equal(started, size, `round ${round} begins where the last one ended`);
    size = await assertWhole(folder, acknowledged).catch((error: unknown) => {
      throw new Error(`round ${round}, killed after ${delayMs} ms`, { cause: error });
    });
    total += acknowledged.size - before;
  }
  assert.ok(total > rounds * 20, `${total} acknowledged`);
  t.diagnostic(`${rounds} rounds, ${total} acknowledged`);
});
