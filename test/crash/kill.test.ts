// SPDX-License-Identifier: Apache-2.0
// SIGKILL in the middle of anything: no acknowledged entry lost, no half state, the ledger verifies and starts again.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { addressOf, askPostgres, newSchema, nobodyConnected, postgresUrl, skip } from '../support/postgres.ts';
import { long, pause, startChild, type Child } from './killed-child.ts';
import { formatPlace, type TallyPlace } from './tally-place.ts';
import { assertWhole, readAcknowledged } from './tally-witness.ts';

const rounds = long ? 100 : 10;
const writer = join(import.meta.dirname, 'tally-writer.ts');

type Kind = {
  readonly newPlace: (t: TestContext) => Promise<TallyPlace>;
  /** What must be so while the writer runs. */
  readonly whileRunning: (place: TallyPlace, child: Child) => void;
  /** Resolves when nothing of a killed writer can still happen. */
  readonly settled: (place: TallyPlace) => Promise<void>;
};

const sqlite: Kind = {
  newPlace: async (t) => ({ folder: temporaryFolder(t) }),
  whileRunning: ({ folder }, child) => {
    // SPEC L9: while it runs, nobody else opens the folder.
    const second = openSqliteStore(join(folder, 'ledger'));
    assert.ok(!second.ok && second.refusal.code === 'store-locked');
    assert.equal(second.refusal.facts['pid'], String(child.process.pid));
  },
  settled: async () => {},
};

const postgres: Kind = {
  newPlace: async (t) => ({
    folder: temporaryFolder(t),
    postgres: { address: addressOf((await postgresUrl()) ?? ''), schema: newSchema(), single: true },
  }),
  whileRunning: () => {},
  settled: ({ postgres: at }) => nobodyConnected(at?.schema ?? ''),
};

const killUnderLoad = async (t: TestContext, kind: Kind): Promise<void> => {
  let place: TallyPlace = { folder: '' };
  let acknowledged = new Map<string, number>();
  let [size, total] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    // A new ledger now and then: each round reads all that stands in it three times.
    if (round % 20 === 0) [place, acknowledged, size] = [await kind.newPlace(t), new Map(), 0];
    const before = acknowledged.size;
    const child = startChild(process.execPath, [writer, formatPlace(place), String(round)]);
    t.after(() => child.kill());
    // Mostly under load; every fourth time at any moment from the very start on.
    const early = round % 4 === 3;
    const delayMs = Math.floor(Math.random() * (early ? 600 : 250));
    if (!early) {
      await child.line('yes');
      kind.whileRunning(place, child);
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
    readAcknowledged(lines, acknowledged);
    const started = Number(/^started (\d+)/.exec(lines[0] ?? '')?.[1] ?? size);
    assert.equal(started, size, `round ${round} begins where the last one ended`);
    await kind.settled(place);
    size = await assertWhole(place, acknowledged, askPostgres).catch((error: unknown) => {
      throw new Error(`round ${round}, killed after ${delayMs} ms`, { cause: error });
    });
    total += acknowledged.size - before;
  }
  assert.ok(total > rounds * 20, `${total} acknowledged`);
  t.diagnostic(`${rounds} rounds, ${total} acknowledged`);
};

test(`INV7, SPEC L6, L8: SQLite: ${rounds} times killed under load, nothing that was acknowledged is lost`, (t) =>
  killUnderLoad(t, sqlite));
test(
  `INV7, SPEC L6, L8: PostgreSQL: ${rounds} times killed under load, nothing that was acknowledged is lost`,
  { skip },
  (t) => killUnderLoad(t, postgres),
);
