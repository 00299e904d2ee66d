// SPDX-License-Identifier: Apache-2.0
// SPEC L17, L18: several sequencers on one store, in any order of events: one history, no fork, no effect twice, and no
// answer before its own mark.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { MarkKeeper } from '../../src/app/mark.ts';
import type { Answer } from '../../src/app/sequencer.ts';
import { readCheckpointNote, verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { appendLeaf, emptyEdge, leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { verifyConsistency } from '../../src/ledger/proof.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { add, logKey, memoryMark, startTally, type Started, type TallyEvent } from '../ledger/tally.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { skip } from '../support/postgres.ts';
import {
  always,
  dawdling,
  hops,
  losingItsLock,
  sharedFiles,
  sharedMemory,
  sharedPostgres,
  type Door,
} from './shared-stores.ts';

const step = fc.record({
  at: fc.nat(2),
  wait: fc.nat(6),
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'add' as const }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('keyed' as const), key: fc.nat(3), body: fc.nat(7) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'refused' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'recorded' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'look' as const }) },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type Replica = Started & { readonly mark: MarkKeeper & { kept: unknown }; readonly notes: string[] };
type Answered = { readonly step: Step; readonly answer: Answer<TallyEvent>; readonly body: string };

const codeOf = ({ decision }: Answer<TallyEvent>): string =>
  decision.kind === 'refused' ? decision.refusal.code : 'accepted';

// A small generator of our own, so that a failing run can be run again from its seed.
const drawing = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % 4;
  };
};

const startReplica = async (store: LedgerStore, draw: () => number): Promise<Replica> => {
  const inner = memoryMark();
  const notes: string[] = [];
  const mark: Replica['mark'] = {
    ...inner,
    write: async (next) => {
      notes.push(next.checkpoint);
      await hops(draw());
      await inner.write(next);
      mark.kept = next;
    },
  };
  const started = await startTally(dawdling(store, draw), mark, { acceptMissingMark: true, lookEveryMs: 5 });
  return { ...started, mark, notes };
};

const act = async (replica: Replica, one: Step): Promise<Answered | undefined> => {
  await hops(one.wait);
  const { sequencer, mark } = replica;
  const { what } = one;
  if (what.kind === 'look') {
    const { size } = sequencer.head();
    assert.ok(await sequencer.look());
    assert.ok(sequencer.head().size >= size);
    return undefined;
  }
  const body = what.kind === 'keyed' ? `body ${what.body % 2}` : '';
  const answer = await sequencer.submit(
    what.kind === 'refused' ? { type: 'Deny' } : what.kind === 'recorded' ? { type: 'DenyOnRecord' } : add(1),
    what.kind === 'keyed'
      ? { idempotency: { principal: 'p', route: 'r', key: `key ${what.key}`, bodyDigest: body } }
      : {},
  );
  if (answer.index !== null) {
    // SPEC L10: marked, signed and seen before it was answered, here and not elsewhere.
    const marked = mark.kept as { readonly size: number };
    assert.ok(marked.size > answer.index, `entry ${answer.index} was answered at mark ${marked.size}`);
    assert.ok(sequencer.head().size > answer.index);
    const checkpoint = verifyCheckpoint(answer.checkpoint ?? '', logKey);
    assert.ok(checkpoint.ok && checkpoint.value.size > answer.index);
  }
  return { step: one, answer, body };
};

const checkEffects = (answered: readonly Answered[], entries: readonly string[]): void => {
  const effects = new Map<number, Answered[]>();
  for (const one of answered)
    if (one.answer.index !== null) {
      effects.set(one.answer.index, [...(effects.get(one.answer.index) ?? []), one]);
      assert.equal(one.answer.entry, entries[one.answer.index], 'what was answered stands there');
    }
  assert.deepEqual(
    [...effects.keys()].sort((a, b) => a - b),
    entries.map((_, index) => index),
    'every entry was answered for, and every answer has an entry',
  );
  for (const [index, those] of effects) {
    const keys = new Set(those.map(({ step: { what }, body }) => (what.kind === 'keyed' ? `${what.key} ${body}` : '')));
    assert.equal(keys.size, 1, `entry ${index} answers for one key`);
    if (keys.has('')) assert.equal(those.length, 1, 'and without a key for one command');
  }
  const byKey = new Map<number, Answered[]>();
  for (const one of answered)
    if (one.step.what.kind === 'keyed') byKey.set(one.step.what.key, [...(byKey.get(one.step.what.key) ?? []), one]);
  for (const those of byKey.values()) {
    assert.equal(
      new Set(those.flatMap(({ answer }) => answer.index ?? [])).size,
      1,
      'one effect a key, at all of them',
    );
    for (const { answer } of those)
      assert.ok(['accepted', 'idempotency-in-flight', 'idempotency-conflict'].includes(codeOf(answer)), codeOf(answer));
  }
};

const checkHistory = (replicas: readonly Replica[], hashes: readonly string[]): void => {
  let edge = emptyEdge;
  const roots = [rootOf(edge)];
  for (const hash of hashes) {
    edge = appendLeaf(edge, hash);
    roots.push(rootOf(edge));
  }
  const notes = replicas.flatMap((replica) => replica.notes);
  for (const note of notes) {
    const read = readCheckpointNote(note);
    assert.ok(read.ok);
    assert.equal(read.value.root, roots[read.value.size], `one history at size ${read.value.size}`);
  }
  for (const one of replicas)
    for (const other of replicas)
      for (const [index, hash] of hashes.entries()) {
        const receipt = one.sequencer.tree.receipt(index);
        assert.ok(receipt.ok && verifyTlogProof(receipt.value, hash, logKey).ok);
        const proof = other.sequencer.tree.consistency(index + 1);
        assert.ok(proof.ok);
        const fromTo = {
          fromSize: index + 1,
          fromRoot: one.sequencer.tree.rootAt(index + 1) ?? '',
          toSize: hashes.length,
          toRoot: other.sequencer.head().root,
        };
        assert.ok(verifyConsistency({ ...fromTo, proof: proof.value }).ok);
      }
};

const play = async (open: Door, count: number, steps: readonly Step[], seed: number): Promise<void> => {
  const draw = drawing(seed);
  const replicas: Replica[] = [];
  const store = await open();
  for (let at = 0; at < count; at += 1) replicas.push(await startReplica(await open(), draw));
  const acts = steps.map((one) => act(replicas[one.at % count] as Replica, one));
  // One that comes while the others append finds a sound ledger.
  await hops(draw() * 3);
  replicas.push(await startReplica(await open(), draw));
  const answered = (await Promise.all(acts)).filter((one) => one !== undefined);
  for (const { sequencer } of replicas) assert.ok(await sequencer.look());
  const head = await store.head('main');
  const stored = await store.entries('main', 0, head.size + 1);
  assert.equal(stored.length, head.size);
  for (const [index, { bytes }] of stored.entries()) {
    const entry = parseEntry(bytes);
    assert.ok(entry.ok && entry.value.index === index);
  }
  checkEffects(
    answered,
    stored.map(({ bytes }) => Buffer.from(bytes).toString()),
  );
  checkHistory(
    replicas,
    stored.map(({ bytes }) => leafHash(bytes)),
  );
  const fresh = await startTally(store, memoryMark(), { acceptMissingMark: true });
  for (const { sequencer, fatal, alerts } of [...replicas, fresh]) {
    assert.deepEqual([fatal, alerts], [[], []]);
    assert.deepEqual(sequencer.head(), { size: head.size, root: head.root, time: head.time });
    assert.deepEqual(sequencer.state(), fresh.sequencer.state(), 'INV12: as folded from nothing');
    await sequencer.close();
  }
};

const steps = fc.array(step, { minLength: 1, maxLength: 40 });
for (const [name, open] of [
  ['one lock', () => always(sharedMemory())],
  ['a lock that is lost', () => always(losingItsLock(sharedMemory()))],
] as const)
  describe(`two and three sequencers with ${name}`, () => {
    it('INV3, INV7, INV12, SPEC L6, L10, L12, L17: come to one history, one effect each, and the first answer', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 2, max: 3 }), steps, fc.nat(), (count, those, seed) =>
          play(open(), count, those, seed),
        ),
        propertyRuns(60),
      );
    });
  });

it('the same over SQLite files', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), (those, seed) => play(always(sharedFiles(t)), 3, those, seed)),
    { numRuns: 5 },
  );
});

it('the same over PostgreSQL, each with connections of its own', { skip }, async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (those, seed) => {
      const opened: LedgerStore[] = [];
      const open = sharedPostgres(t);
      const kept: Door = async () => {
        const store = await open();
        opened.push(store);
        return store;
      };
      await play(kept, 3, those, seed);
      for (const store of opened) await store.close();
    }),
    { numRuns: 5 },
  );
});
