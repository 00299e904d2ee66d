// SPDX-License-Identifier: Apache-2.0
// SPEC L5, L6, L7, L12: the one writer of a ledger, over each store.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { verifyConsistency } from '../../src/ledger/proof.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { add, logKey, startTally, type Started, type TallyCommand, type TallyEvent } from '../ledger/tally.ts';
import type { Answer } from '../../src/app/sequencer.ts';
import type { Submission } from '../../src/app/sequencer-intake.ts';
import { storeKinds, byClock, type KeptAnywhere } from './kept-stores.ts';

const codeOf = ({ decision }: Answer<TallyEvent>): string =>
  decision.kind === 'refused' ? decision.refusal.code : 'accepted';
const key = (name: string, body = 'body', principal = 'person:p_ada0') => ({
  idempotency: { principal, route: 'POST /v1/x', key: name, bodyDigest: digestOf(body) },
});

/** Counts batches, and tells each moment at which one became durable. */
const counting = (store: LedgerStore): { readonly store: LedgerStore; readonly batches: () => number } => {
  let batches = 0;
  const batch: LedgerStore['batch'] = async (tenant, work) => {
    const result = await store.batch(tenant, work);
    batches += 1;
    return result;
  };
  return { store: { ...store, batch }, batches: () => batches };
};

const withTally = async (
  kept: KeptAnywhere,
  work: (started: Started & { readonly store: LedgerStore; readonly batches: () => number }) => Promise<void>,
): Promise<void> => {
  const { store, batches } = counting(await kept.open());
  const started = await startTally(store, kept.mark);
  try {
    await work({ ...started, store, batches });
    assert.deepEqual(started.fatal, []);
  } finally {
    await started.sequencer.close();
    await store.close();
  }
};

for (const [name, keep] of storeKinds)
  describe(`the sequencer over ${name}`, () => {
    it('SPEC L6: answers in order, each command seeing the one before, with an entry that can be read and proven', async (t) => {
      await withTally(keep(t), async ({ sequencer }) => {
        const answers = await Promise.all([1, 2, 3, 4, 5].map((amount) => sequencer.submit(add(amount))));
        for (const [at, { decision, index, entry, checkpoint }] of answers.entries()) {
          assert.equal(index, at);
          assert.deepEqual(decision.events, [{ type: 'Added', total: [1, 3, 6, 10, 15][at], index: at }]);
          const read = parseEntry(entry ?? '');
          assert.ok(read.ok && read.value.index === at);
          assert.deepEqual(read.value.command, add(at + 1));
          const signed = verifyCheckpoint(checkpoint ?? '', logKey);
          assert.ok(signed.ok && signed.value.size > at, 'the checkpoint covers the entry');
          const receipt = sequencer.tree.receipt(at);
          assert.ok(receipt.ok && verifyTlogProof(receipt.value, leafHash(entry ?? ''), logKey).ok);
        }
        assert.deepEqual(sequencer.state().order, [1, 2, 3, 4, 5]);
        assert.equal(sequencer.head().size, 5);
      });
    });

    it('SPEC L6: makes few batches of many commands that are in flight, and loses none', async (t) => {
      await withTally(keep(t), async ({ sequencer, batches }) => {
        const answers = await Promise.all(Array.from({ length: 600 }, (_, at) => sequencer.submit(add(at))));
        assert.deepEqual(
          answers.map(({ index }) => index),
          Array.from({ length: 600 }, (_, at) => at),
        );
        assert.ok(batches() <= 6, `${batches()} batches`);
        assert.equal(sequencer.state().total, (600 * 599) / 2);
      });
    });

    it('SPEC L6: one refused command fails alone; a refusal is recorded where the rules say so', async (t) => {
      await withTally(keep(t), async ({ sequencer, batches }) => {
        const commands: readonly TallyCommand[] = [
          add(1),
          { type: 'Deny' },
          add(2),
          { type: 'DenyOnRecord' },
          { type: 'Bloat', amount: 70_000 },
          add(3),
        ];
        const answers = await Promise.all(commands.map((command) => sequencer.submit(command)));
        assert.equal(batches(), 1);
        assert.deepEqual(answers.map(codeOf), [
          'accepted',
          'request-over',
          'accepted',
          'request-over',
          'entry-too-large',
          'accepted',
        ]);
        assert.deepEqual(
          answers.map(({ index }) => index),
          [0, null, 1, 2, null, 3],
        );
        assert.equal(sequencer.state().total, 6);
      });
    });

    it('SPEC L6: answers only after the batch is durable, signed and marked', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const steps: string[] = [];
      const batch: LedgerStore['batch'] = async (tenant, work) => {
        const result = await store.batch(tenant, work);
        // Time for an early answer to show itself.
        await new Promise((resolve) => setTimeout(resolve, 20));
        steps.push('durable');
        return result;
      };
      const mark = {
        ...kept.mark,
        write: async (next: Parameters<typeof kept.mark.write>[0]) => {
          await kept.mark.write(next);
          steps.push(`marked ${next.size}`);
        },
      };
      const { sequencer } = await startTally({ ...store, batch }, mark);
      sequencer.subscribe(({ size }) => steps.push(`published ${size}`));
      await sequencer.submit(add(1));
      steps.push('answered');
      assert.deepEqual(steps, ['marked 0', 'durable', 'marked 1', 'published 1', 'answered']);
      await sequencer.close();
      await store.close();
    });

    it('SPEC L12: gives the first answer again for the same key and body, over a restart too', async (t) => {
      const kept = keep(t);
      let first: Answer<TallyEvent> | undefined;
      await withTally(kept, async ({ sequencer }) => {
        first = await sequencer.submit(add(5), key('k'));
        const again = await sequencer.submit(add(5), key('k'));
        assert.deepEqual({ ...again, checkpoint: first.checkpoint }, first);
        assert.equal(sequencer.state().total, 5);
      });
      await withTally(kept, async ({ sequencer }) => {
        const again = await sequencer.submit(add(5), key('k'));
        assert.deepEqual(again.entry, first?.entry);
        assert.deepEqual(again.decision, first?.decision);
        assert.equal(sequencer.state().total, 5);
      });
    });

    it('SPEC L12: refuses another body under the key, and keeps refusals as answers', async (t) => {
      await withTally(keep(t), async ({ sequencer }) => {
        assert.equal(codeOf(await sequencer.submit(add(1), key('k'))), 'accepted');
        assert.equal(codeOf(await sequencer.submit(add(2), key('k', 'other'))), 'idempotency-conflict');
        assert.equal(
          codeOf(await sequencer.submit(add(2), key('k', 'body', 'person:p_bob0'))),
          'accepted',
          'another principal has keys of their own',
        );
        for (const type of ['Deny', 'DenyOnRecord'] as const) {
          const refused = await sequencer.submit({ type }, key(type));
          const again = await sequencer.submit(add(100), key(type));
          assert.equal(codeOf(refused), 'request-over');
          assert.deepEqual({ ...again, checkpoint: null }, { ...refused, checkpoint: null });
        }
        assert.equal(sequencer.state().total, 3);
      });
    });

    it('SPEC L12: while the first command of a key is on its way, refuses every other as one to ask again', async (t) => {
      await withTally(keep(t), async ({ sequencer }) => {
        const [first, second, third] = await Promise.all([
          sequencer.submit(add(1), key('k')),
          sequencer.submit(add(1), key('k')),
          sequencer.submit(add(1), key('k', 'other')),
        ]);
        assert.deepEqual(
          [codeOf(first), codeOf(second), codeOf(third)],
          // Another body too: what the first one did cannot be found yet, and whoever is told of a conflict goes and looks.
          ['accepted', 'idempotency-in-flight', 'idempotency-in-flight'],
        );
        assert.equal(codeOf(await sequencer.submit(add(1), key('k', 'other'))), 'idempotency-conflict');
        assert.equal(codeOf(await sequencer.submit(add(1), key('k'))), 'accepted');
        assert.equal(sequencer.state().total, 1);
      });
    });

    it('SPEC L12: forgets answers after a day', async (t) => {
      const kept = keep(t);
      let now = Date.UTC(2026, 10, 23);
      const store = byClock(await kept.open(), () => now);
      const { sequencer } = await startTally(store, kept.mark, { now: () => now });
      assert.equal(codeOf(await sequencer.submit(add(1), key('k'))), 'accepted');
      now += 13 * 3_600_000;
      await sequencer.submit(add(1));
      now += 13 * 3_600_000;
      await sequencer.submit(add(1));
      assert.equal(codeOf(await sequencer.submit(add(9), key('k', 'other'))), 'accepted');
      await sequencer.close();
      await store.close();
    });

    it('SPEC L7: keeps attachments with their entry; knows those that are kept; refuses missing and wrong ones', async (t) => {
      await withTally(keep(t), async ({ sequencer, store }) => {
        const bytes = Buffer.from('some bytes');
        const digest = digestOf(bytes);
        const weigh = (named: readonly string[]): TallyCommand => ({ type: 'Weigh', attachments: named });
        const given = (...pairs: readonly (readonly [string, Uint8Array])[]): Submission => ({
          attachments: new Map(pairs),
        });
        assert.equal(codeOf(await sequencer.submit(weigh([digest]))), 'attachment-missing');
        assert.equal(
          codeOf(await sequencer.submit(weigh([digest]), given([digest, Buffer.from('other')]))),
          'attachment-mismatch',
        );
        assert.equal(codeOf(await sequencer.submit(weigh([digest]), given([digest, bytes]))), 'accepted');
        assert.equal(codeOf(await sequencer.submit(weigh([digest]))), 'accepted', 'it is kept already');
        assert.equal(sequencer.state().bytes, 20);
        assert.equal(Buffer.from((await store.blob('main', digest)) ?? []).toString(), 'some bytes');
        const unnamed = digestOf('unnamed');
        await sequencer.submit(add(1), given([unnamed, Buffer.from('unnamed')]));
        assert.equal(await store.blob('main', unnamed), undefined, 'what no command names is not kept');
        const large = Buffer.alloc(17 * 1024 * 1024);
        assert.equal(
          codeOf(await sequencer.submit(weigh([digestOf(large)]), given([digestOf(large), large]))),
          'attachment-too-large',
        );
      });
    });

    it('SPEC L7: keeps the text behind a commitment, and never under a commitment that it does not have', async (t) => {
      await withTally(keep(t), async ({ sequencer, store }) => {
        const opening = { salt: '0'.repeat(32), text: 'because' };
        const commitment = digestOf(canonicalize(opening));
        const openings = (text: string): Submission => ({ openings: new Map([[commitment, { ...opening, text }]]) });
        assert.equal(codeOf(await sequencer.submit(add(1), openings('because'))), 'accepted');
        assert.deepEqual(await store.opening('main', commitment), opening);
        for (const text of ['something else', 'half \ud800'])
          assert.equal(codeOf(await sequencer.submit(add(1), openings(text))), 'attachment-mismatch');
        assert.deepEqual(await store.opening('main', commitment), opening);
        assert.equal(sequencer.head().size, 1);
      });
    });

    it('SPEC L5: refuses what cannot be recorded, before it waits', async (t) => {
      await withTally(keep(t), async ({ sequencer }) => {
        const deep = (levels: number): JsonValue => (levels === 0 ? 1 : [deep(levels - 1)]);
        for (const more of [{ x: 1.5 }, { x: '\ud800' }, { x: Number.NaN }, { x: deep(40) }])
          assert.equal(codeOf(await sequencer.submit({ ...add(1), ...more })), 'command-unrecordable');
        assert.equal(codeOf(await sequencer.submit({ ...add(1), x: 'x'.repeat(70_000) })), 'entry-too-large');
      });
    });

    it('SPEC L12: refuses what is more than may wait, and goes on', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer } = await startTally(store, kept.mark, { maxWaiting: 10 });
      const answers = await Promise.all(Array.from({ length: 15 }, () => sequencer.submit(add(1))));
      assert.deepEqual(answers.map(codeOf).filter((code) => code === 'overloaded').length, 5);
      assert.equal(codeOf(await sequencer.submit(add(1))), 'accepted');
      assert.equal(sequencer.state().total, 11);
      await sequencer.close();
      await store.close();
    });

    it('answers what waits when it is closed, and refuses what comes later', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer } = await startTally(store, kept.mark);
      const waiting = Array.from({ length: 300 }, () => sequencer.submit(add(1)));
      const closed = sequencer.close();
      assert.equal(codeOf(await sequencer.submit(add(1))), 'ledger-unavailable');
      await closed;
      assert.ok((await Promise.all(waiting)).every((answer) => codeOf(answer) === 'accepted'));
      const note = await store.checkpoint('main');
      const kepts = verifyCheckpoint(note ?? '', logKey);
      assert.ok(kepts.ok && kepts.value.size === 300, 'the last checkpoint is kept');
      await store.close();
    });

    it('INV12: starts again from the entries alone, with the same state, and goes on', async (t) => {
      const kept = keep(t);
      let before: unknown;
      await withTally(kept, async ({ sequencer }) => {
        await Promise.all(
          [add(1), { type: 'DenyOnRecord' } as const, add(2)].map((command) => sequencer.submit(command)),
        );
        before = { state: sequencer.state(), head: sequencer.head(), signed: sequencer.signedHead()?.root };
      });
      await withTally(kept, async ({ sequencer, alerts }) => {
        assert.deepEqual(
          { state: sequencer.state(), head: sequencer.head(), signed: sequencer.signedHead()?.root },
          before,
        );
        assert.deepEqual(alerts, []);
        assert.equal((await sequencer.submit(add(3))).index, 3);
      });
    });

    it('SPEC L3: proves its own past, and nothing beyond what is signed', async (t) => {
      await withTally(keep(t), async ({ sequencer }) => {
        const roots = [sequencer.head().root];
        for (let at = 0; at < 9; at += 1) {
          await sequencer.submit(add(at));
          roots.push(sequencer.head().root);
        }
        for (const [from, fromRoot] of roots.entries()) {
          const proof = sequencer.tree.consistency(from);
          assert.ok(proof.ok);
          assert.ok(
            verifyConsistency({ fromSize: from, fromRoot, toSize: 9, toRoot: roots[9] ?? '', proof: proof.value }).ok,
          );
          assert.equal(sequencer.tree.rootAt(from), fromRoot);
        }
        for (const wrong of [9, -1, 1.5, Number.NaN]) assert.ok(!sequencer.tree.prove(wrong).ok, String(wrong));
        for (const [from, to] of [
          [0, 10],
          [3, 2],
          [-1, 2],
          [0.5, 2],
        ] as const)
          assert.ok(!sequencer.tree.consistency(from, to).ok);
        assert.equal(sequencer.tree.rootAt(10), undefined);
      });
    });

    it('a broken rule ends it: everybody is told that the outcome is unknown, and nothing of the batch stays', async (t) => {
      const kept = keep(t);
      const store = await kept.open();
      const { sequencer, fatal } = await startTally(store, kept.mark);
      await sequencer.submit(add(1));
      const answers = await Promise.all([
        sequencer.submit(add(2)),
        sequencer.submit({ type: 'Break' }),
        sequencer.submit(add(3)),
      ]);
      assert.deepEqual(answers.map(codeOf), ['ledger-unavailable', 'ledger-unavailable', 'ledger-unavailable']);
      assert.equal(fatal.length, 1);
      assert.equal(codeOf(await sequencer.submit(add(4))), 'ledger-unavailable');
      assert.equal((await store.head('main')).size, 1);
      await sequencer.close();
      await store.close();
    });
  });
