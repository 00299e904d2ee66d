// SPDX-License-Identifier: Apache-2.0
// SPEC L14: https://c2sp.org/tlog-witness, add-checkpoint; and the cases of another witness (torchwood's litewitness).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noteSigner, noteVerifier, signNote } from '../../src/crypto/signed-note.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { emptyRoot, leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import {
  formatAddCheckpoint,
  judgeCheckpoint,
  parseAddCheckpoint,
  type Cosigned,
  type Judgment,
  type WitnessedLog,
} from '../../src/ledger/witness.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { readVectorText, vectorTest } from '../vectors.ts';

/** A witness as one is run: looks, judges, keeps. */
const witnessOf = (logs: readonly WitnessedLog[]) => {
  const kept = new Map<string, Cosigned>();
  return {
    kept,
    add: (body: string): Judgment | { readonly status: 400 } => {
      const request = parseAddCheckpoint(body);
      if (!request.ok) return { status: 400 };
      const judged = judgeCheckpoint(request.value, logs, (origin) => kept.get(origin));
      if (judged.status === 200) kept.set(judged.checkpoint.origin, judged.checkpoint);
      return judged;
    },
  };
};

vectorTest(
  'the cases of litewitness, with 404 for an unknown log as the specification says now',
  'tlog-witness',
  () => {
    const script = readVectorText('tlog-witness/torchwood-litewitness.txtar');
    const publicKey = Buffer.from(/add-sigsum-log -key=([0-9a-f]{64})/.exec(script)?.[1] ?? '', 'hex');
    const origin = /sigsum\.org\/v1\/tree\/[0-9a-f]{64}/.exec(script)?.[0] ?? '';
    const key = noteVerifier(origin, publicKey);
    assert.ok(key.ok);
    const witness = witnessOf([{ origin, keys: [key.value] }]);
    const cases = [...script.matchAll(/```\n([\s\S]*?)```\nHTTP (\d{3})\n\[Asserts\]\nbody (.*)\n/g)];
    assert.equal(cases.length, 9);
    for (const [at, [, body = '', status = '', told = '']] of cases.entries()) {
      const answer = witness.add(body);
      const wanted = told.includes('unknown log') ? 404 : Number(status);
      assert.equal(answer.status, wanted, `case ${at + 1}: ${told}`);
      if (answer.status === 409) assert.equal(told, `== "${answer.size}\\n"`);
    }
    assert.equal(witness.kept.get(origin)?.size, 5);
  },
);

const log = noteSigner('log.example/a', Buffer.alloc(32, 1));
const logKey = noteVerifier(log.name, log.publicKey);
assert.ok(logKey.ok);
const known: readonly WitnessedLog[] = [{ origin: log.name, keys: [logKey.value] }];
const slab = new MerkleSlab();
for (let at = 0; at < 64; at += 1) slab.append(leafHash(`entry ${at}`));
const noteAt = (size: number, root = rootOf(slab.edge(size))): string =>
  signCheckpoint({ origin: log.name, size, root }, log);
const signCheckpointText = (text: string): string => signNote(text, [log]);
const asked = (old: number, size: number): string =>
  formatAddCheckpoint({ old, proof: consistencyProof(old, size, slab.hashAt), note: noteAt(size) });

test('L14: whatever is asked, the witness only ever goes on, and answers with where it stands', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(64), fc.nat(64)), { maxLength: 12 }), (steps) => {
      const witness = witnessOf(known);
      let size = 0;
      for (const [old, next] of steps) {
        const answer = witness.add(asked(Math.min(old, next), next));
        if (Math.min(old, next) === size) {
          assert.equal(answer.status, 200);
          size = next;
        } else {
          assert.ok(answer.status === 409);
          assert.equal(answer.size, size);
        }
        assert.equal(witness.kept.get(log.name)?.size ?? 0, size);
      }
    }),
    propertyRuns(100),
  );
});

test('L14: another history, another root and a padded proof are refused, and nothing is kept of them', () => {
  const witness = witnessOf(known);
  assert.equal(witness.add(asked(0, 8)).status, 200);
  const proof = consistencyProof(8, 13, slab.hashAt);
  const other = leafHash('another history');
  for (const [what, body] of Object.entries({
    'another root of the same size': formatAddCheckpoint({ old: 8, proof: [], note: noteAt(8, other) }),
    'another root later': formatAddCheckpoint({ old: 8, proof, note: noteAt(13, other) }),
    'no proof': formatAddCheckpoint({ old: 8, proof: [], note: noteAt(13) }),
    'one hash too many': formatAddCheckpoint({ old: 8, proof: [...proof, other], note: noteAt(13) }),
    'a proof where the sizes are equal': formatAddCheckpoint({ old: 8, proof: [other], note: noteAt(8) }),
  }))
    assert.equal(witness.add(body).status, 422, what);
  assert.equal(witness.kept.get(log.name)?.size, 8);
  assert.equal(witness.add(asked(8, 8)).status, 200, 'the same again is cosigned again');
  const fresh = witnessOf(known);
  assert.equal(fresh.add(formatAddCheckpoint({ old: 0, proof: [other], note: noteAt(8) })).status, 422);
  assert.equal(fresh.add(formatAddCheckpoint({ old: 0, proof: [], note: noteAt(0, emptyRoot) })).status, 200);
});

test('L14: an unknown log, an untrusted key, a changed note and a wrong size have their own status', () => {
  const witness = witnessOf(known);
  const stranger = noteSigner('log.example/b', Buffer.alloc(32, 9));
  const unknown = signCheckpoint({ origin: stranger.name, size: 1, root: leafHash('x') }, stranger);
  assert.equal(witness.add(`old 0\n\n${unknown}`).status, 404);
  const untrusted = noteSigner(log.name, Buffer.alloc(32, 9));
  const note = signCheckpoint({ origin: log.name, size: 1, root: leafHash('x') }, untrusted);
  assert.equal(witness.add(`old 0\n\n${note}`).status, 403);
  assert.equal(witness.add(`old 0\n\n${noteAt(8).replace('\n8\n', '\n9\n')}`).status, 403);
  const [line = ''] = /— .*\n$/.exec(noteAt(8)) ?? [];
  const broken = `— ${log.name} ${Buffer.concat([Buffer.from(log.id, 'hex'), Buffer.alloc(64)]).toString('base64')}\n`;
  for (const lines of [`${line}${broken}`, `${broken}${line}`])
    assert.equal(witness.add(`old 0\n\n${noteAt(8).replace(line, lines)}`).status, 403, 'in whatever order');
  assert.equal(witness.add(`old 9\n\n${noteAt(8)}`).status, 400);
  const empty = signCheckpointText(`${log.name}\n0\n${Buffer.from(leafHash('x'), 'hex').toString('base64')}\n`);
  assert.equal(witness.add(`old 0\n\n${empty}`).status, 422, 'a tree of nothing has one root');
  assert.equal(witness.add(`old 7\n\n${empty}`).status, 400, 'sizes come first');
  const later = witnessOf(known);
  assert.equal(later.add(asked(0, 8)).status, 200);
  assert.equal(later.add(`old 0\n\n${empty}`).status, 409);
  assert.equal(witness.add(`old 0\n\n${signCheckpointText(`${log.name}\n08\nx\n`)}`).status, 400);
  assert.deepEqual([...witness.kept], []);
});

test('L14: a body that is not written as the specification says is malformed', () => {
  const note = noteAt(8);
  const hash = 'KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
  for (const body of [
    '',
    note,
    `old\n\n${note}`,
    `old -1\n\n${note}`,
    `old 01\n\n${note}`,
    `old 1 \n\n${note}`,
    `OLD 1\n\n${note}`,
    `old 1\r\n\n${note}`,
    `old 99999999999999999\n\n${note}`,
    `old 1\n${hash.slice(0, 40)}\n\n${note}`,
    `old 1\n${hash}${hash}\n\n${note}`,
    `old 1\n ${hash}\n\n${note}`,
    `old 1\n${`${hash}\n`.repeat(64)}\n${note}`,
    `old 1\n\n${'x'.repeat(70_000)}`,
    `old 1\n\n${'あ'.repeat(30_000)}`,
    'old 1\n\n\nx',
    'old 1\n\n',
  ]) {
    const parsed = parseAddCheckpoint(body);
    assert.equal(
      parsed.ok ? 'read' : parsed.refusal.code,
      'witness-request-malformed',
      JSON.stringify(body.slice(0, 60)),
    );
  }
  const whole = parseAddCheckpoint(`old 1\n${`${hash}\n`.repeat(63)}\n${note}`);
  assert.ok(whole.ok && whole.value.proof.length === 63 && whole.value.note === note);
});
