// SPDX-License-Identifier: Apache-2.0
// SPEC L2, S7 where it counts: what a mark or a stored checkpoint says is held to its log's key and origin at the start.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { markFile, type Mark } from '../../src/app/mark.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { add, signer, startTally } from '../ledger/tally.ts';
import { inFiles, type Kept } from './kept-stores.ts';

const witness = noteSigner('log.example/witness', Buffer.alloc(32, 8));
const signatures = (note: string): string => note.slice(note.indexOf('\n\n') + 2);

/** A ledger of four entries, stopped, with what its mark says. */
const written = async (t: TestContext): Promise<{ readonly kept: Kept; readonly mark: Mark }> => {
  const kept = inFiles(t);
  const store = kept.open();
  const { sequencer } = await startTally(store, kept.mark);
  for (let at = 0; at < 4; at += 1) await sequencer.submit(add(at));
  await sequencer.close();
  await store.close();
  const mark = kept.mark.read();
  assert.ok(mark.ok && mark.value !== undefined);
  return { kept, mark: mark.value };
};

const alertsOf = async (kept: Kept): Promise<readonly string[]> => {
  const store = kept.open();
  const { sequencer, alerts } = await startTally(store, kept.mark);
  await sequencer.close();
  await store.close();
  return alerts.map(({ what }) => what);
};

test('SPEC L2, S7: a note of another origin, by nobody known, or with one bad signature by the log key isolates the ledger', async (t) => {
  const { kept, mark } = await written(t);
  const { size, root } = mark;
  // As the file's first: of two marks of one size it is not said which counts.
  const put = (one: Mark) => markFile(join(kept.folder, 'mark', 'main.json')).write(one);
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      signCheckpoint({ origin: 'log.example/other', size, root }, signer),
      /does not hold: the checkpoint is of `log.example\/other`, not of `log.example\/tally`/,
    ],
    [signCheckpoint({ origin: signer.name, size, root }, witness), /no key that is known here signed the note/],
    [
      mark.checkpoint + signatures(signCheckpoint({ origin: signer.name, size, root: leafHash('x') }, signer)),
      /the signature of `log.example\/tally` does not hold/,
    ],
  ];
  for (const [note, words] of cases) {
    await put({ ...mark, checkpoint: note });
    const asMark = await alertsOf(kept);
    assert.equal(asMark.length, 1);
    assert.match(asMark[0] ?? '', words);
    assert.match(asMark[0] ?? '', /^its mark does not hold/);
    await put(mark);
    const store = kept.open();
    await store.putCheckpoint('main', note);
    await store.close();
    const asStored = await alertsOf(kept);
    assert.match(asStored[0] ?? '', words);
    assert.match(asStored[0] ?? '', /^its checkpoint does not hold/);
    const again = kept.open();
    await again.putCheckpoint('main', mark.checkpoint);
    await again.close();
  }
  assert.deepEqual(await alertsOf(kept), []);
});

test('SPEC S7: signatures of strangers, and the same one twice, do no harm and count for nothing', async (t) => {
  const { kept, mark } = await written(t);
  const { size, root } = mark;
  const stranger = signCheckpoint({ origin: signer.name, size, root }, witness);
  const note = mark.checkpoint + signatures(mark.checkpoint) + signatures(stranger);
  await kept.mark.write({ ...mark, checkpoint: note });
  assert.deepEqual(await alertsOf(kept), []);
});
