// SPDX-License-Identifier: Apache-2.0
// L24: an entry names the rules it was decided by. A second number is invented here, put in force by an entry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { fsck } from '../../src/app/fsck.ts';
import type { Decider, Rules } from '../../src/kernel/decider.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { lifecycleSemantics, semantics } from '../../src/lifecycle/semantics.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { add, logKey, memoryMark, startTally, tally } from '../ledger/tally.ts';
import type { TallyCommand, TallyEvent, TallyState } from '../ledger/tally.ts';

type TallyRules = Rules<TallyState, TallyCommand, TallyEvent>;

// Under the second number everything counts double; an addition of 100 puts it in force.
const doubled: TallyRules = {
  decide: (state, command, moment, attachments) =>
    tally.decide(state, { ...command, amount: 2 * (command.amount ?? 0) }, moment, attachments),
  evolve: (state, entry, attachments) =>
    tally.evolve(state, { ...entry, command: add(2 * (entry.command.amount ?? 0)) }, attachments),
};
const inForce = ({ order }: TallyState): number => (order.includes(100) ? 1 : 0);
const both: Decider<TallyState, TallyCommand, TallyEvent> = {
  ...tally,
  semantics: {
    released: new Map<number, TallyRules>([
      [0, tally],
      [1, doubled],
    ]),
    inForce,
  },
};

const written = async (): Promise<LedgerStore> => {
  const store = memoryStore();
  const { sequencer } = await startTally(store, memoryMark(), { decider: both });
  for (const amount of [1, 100, 3]) await sequencer.submit(add(amount));
  assert.equal(sequencer.state().total, 1 + 100 + 6);
  await sequencer.close();
  return store;
};

/** The same entries with one of them changed, and a head that fits: what whoever holds the database can write. */
const rewritten = async (store: LedgerStore, change: (text: string, index: number) => string): Promise<LedgerStore> => {
  const other = memoryStore();
  const slab = new MerkleSlab();
  const entries = (await store.entries('main', 0, 99)).map(({ index, bytes }) => {
    const text = change(Buffer.from(bytes).toString('utf8'), index);
    slab.append(leafHash(text));
    return { index, bytes: Buffer.from(text), leafHash: leafHash(text) };
  });
  const edge = slab.edge();
  const { time } = await store.head('main');
  await other.batch('main', async (tx) =>
    tx.insert(entries, await tx.head(), { size: edge.size, root: rootOf(edge), edge, time }),
  );
  return other;
};

const damageOf = async (store: LedgerStore, decider = both) => {
  const report = await fsck(store, 'main', decider, logKey);
  assert.ok(report.ok);
  return report.value.damage;
};

test('L24: each entry is written and replayed under the number in force where it stands', async () => {
  const store = await written();
  const numbers = (await store.entries('main', 0, 9)).map(({ bytes }) => {
    const entry = parseEntry(bytes);
    return entry.ok && entry.value.semantics;
  });
  assert.deepEqual(numbers, [0, 0, 1]);
  assert.equal(await damageOf(store), null);
});

test('L24: a program that does not know a number stops at the entry, names both, and says what to do', async () => {
  const damage = await damageOf(await written(), tally);
  assert.equal(damage?.index, 2);
  assert.equal(damage.refusal?.code, 'semantics-unknown');
  assert.match(damage.what, /^entry 2 names semantics 1, this program knows 0; take a release/);
});

test('L24: whoever writes an entry does not choose its rules, older or newer', async () => {
  const store = await written();
  for (const [index, number] of [
    [2, 0],
    [0, 1],
  ] as const) {
    const damage = await damageOf(
      await rewritten(store, (text, at) =>
        at === index ? text.replace(/"semantics":\d/, `"semantics":${number}`) : text,
      ),
    );
    assert.equal(damage?.index, index);
    assert.equal(damage.refusal?.code, 'semantics-not-in-force');
  }
});

test('L24: a server whose program does not know a number is quarantined at that entry, and appends nothing', async () => {
  const { sequencer, alerts } = await startTally(await written(), memoryMark(), { acceptMissingMark: true });
  assert.equal(alerts[0]?.index, 2);
  const { decision } = await sequencer.submit(add(1));
  assert.equal(decision.kind === 'refused' && decision.refusal.code, 'ledger-quarantined');
  await sequencer.close();
});

test('L24: the table of this release holds its own number, and that is the one in force', () => {
  assert.deepEqual([...lifecycleSemantics.released.keys()], [0]);
  assert.equal(lifecycleSemantics.inForce(lifecycle.initialState), semantics);
  const rules = lifecycleSemantics.released.get(semantics);
  assert.deepEqual([rules?.decide, rules?.evolve], [lifecycle.decide, lifecycle.evolve]);
});
