// SPDX-License-Identifier: Apache-2.0
// What must be true of a ledger after its process was killed, whenever that was.
import assert from 'node:assert/strict';
import { fsck } from '../../src/app/fsck.ts';
import { attachmentsNamed } from '../../src/app/sequencer-replay.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { logKey, startTally, tally } from '../ledger/tally.ts';
import { answersKept, markIn, openPlace, type TallyPlace } from './tally-place.ts';

/** Answers that were seen: which entry was promised to which key. */
export type Acknowledged = ReadonlyMap<string, number>;

/** Adds what a writer's lines say was acknowledged. */
export const readAcknowledged = (lines: readonly string[], acknowledged: Map<string, number>): void => {
  for (const line of lines) {
    const [, index, key] = /^yes (\d+) (\S+)$/.exec(line) ?? [];
    if (key !== undefined) acknowledged.set(key, Number(index));
  }
};

/** Asks PostgreSQL itself, past the store. */
export type Ask = (text: string) => Promise<readonly Record<string, unknown>[]>;

/** Fails when an acknowledged entry is lost, anything stands half, or the ledger does not start as if nothing had been. */
export const assertWhole = async (
  place: TallyPlace,
  acknowledged: Acknowledged,
  ask: Ask = () => Promise.resolve([]),
): Promise<number> => {
  const mark = markIn(place);
  const opened = await openPlace(place);
  assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
  const store = opened.value;
  const checked = await fsck(store, 'main', tally, logKey, { mark });
  assert.ok(checked.ok, checked.ok ? '' : checked.refusal.message);
  assert.ok(checked.value.sound, JSON.stringify(checked.value.damage));

  const { size } = await store.head('main');
  const blobs = new Set<string>();
  const keys = new Map<string, number>();
  for (let from = 0; from < size; from += 1000)
    for (const { index, bytes } of await store.entries('main', from, from + 1000)) {
      const entry = parseEntry(bytes);
      assert.ok(entry.ok);
      keys.set(String(entry.value.command['key']), index);
      for (const digest of attachmentsNamed(entry.value.command)) blobs.add(digest);
    }
  for (const [key, index] of acknowledged)
    assert.equal(keys.get(key), index, `${key} was acknowledged as entry ${index}`);
  assert.equal(keys.size, size, 'no command was recorded twice');
  assert.equal(checked.value.blobs, blobs.size, 'every blob belongs to an entry');
  assertAnswers(await answersKept(place, ask), keys);

  // Views may fall back after a crash, but never ahead of the ledger, and rows and cursor go together.
  const cursor = (await store.cursor('main', 'sums')) ?? 0;
  assert.ok(cursor <= size);
  for (const { key, value } of await store.viewRows('main', 'leaves', '', 1_000_000)) {
    assert.ok(Number(key) < cursor);
    if (Number(key) % 97 === 0) {
      const [entry] = await store.entries('main', Number(key), Number(key) + 1);
      assert.equal(value, leafHash(entry?.bytes ?? ''));
    }
  }

  // It starts without quarantine, and a caller who lost the answer learns it by the key.
  const { sequencer, alerts } = await startTally(store, mark);
  assert.deepEqual(alerts, []);
  for (const [key, index] of [...acknowledged].slice(-5)) {
    const again = await sequencer.submit(
      { type: 'Add', key },
      { idempotency: { principal: 'p', route: 'r', key, bodyDigest: digestOf(key) } },
    );
    assert.equal(again.index, index);
  }
  assert.equal(sequencer.head().size, size);
  await sequencer.close();
  await store.close();
  return size;
};

// Answers stand in the same transaction as their entries: each belongs to the entry of its own key, none is missing.
const assertAnswers = (rows: readonly Record<string, unknown>[], keys: ReadonlyMap<string, number>): void => {
  for (const { key, answer } of rows)
    assert.deepEqual(JSON.parse(String(answer)), { index: keys.get(String(key)), refusal: null }, String(key));
  assert.equal(rows.length, keys.size);
};
