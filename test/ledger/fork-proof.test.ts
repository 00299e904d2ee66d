// SPDX-License-Identifier: Apache-2.0
// SPEC L23: what proves that a log signed two histories, what does not, and FORMATS 9 in golden bytes.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { cosign, cosigner, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { formatVerifierKey, noteSigner, noteVerifier } from '../../src/crypto/signed-note.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { formatForkProof, inOrder, parseForkProof, verifyForkProof } from '../../src/ledger/fork-proof.ts';
import { heartbeatSigner } from '../../src/ledger/heartbeat.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { propertyRuns } from '../support/property-runs.ts';

const signer = noteSigner('countersign/0123456789abcdef0123456789abcdef', Buffer.alloc(32, 1));
const verified = noteVerifier(signer.name, signer.publicKey);
assert.ok(verified.ok);
const log = verified.value;

/** A history whose entries are those of `a` up to a size, then its own. */
const history = (size: number, forkedAt: number, name: string): MerkleSlab => {
  const slab = new MerkleSlab();
  for (let index = 0; index < size; index += 1) slab.append(leafHash(`${index < forkedAt ? 'a' : name} ${index}`));
  return slab;
};
const noteOf = (slab: MerkleSlab, size = slab.size, by = signer): string =>
  signCheckpoint({ origin: by.name, size, root: rootOf(slab.edge(size)) }, by);
const otherRoot = (slab: MerkleSlab, from: number, to = slab.size) => ({
  root: rootOf(slab.edge(from)),
  hashes: consistencyProof(from, to, slab.hashAt),
});
const codeOf = (result: { readonly ok: boolean; readonly refusal?: { readonly code: string } }): string | undefined =>
  result.ok ? undefined : result.refusal?.code;

test('L23: two roots of one size prove a fork, with the key of the log alone', () => {
  const notes = { first: noteOf(history(7, 7, 'a')), second: noteOf(history(7, 3, 'b')) };
  const file = formatForkProof(log, notes, null);
  assert.ok(file.ok);
  const fork = verifyForkProof(file.value, log);
  assert.ok(fork.ok);
  assert.deepEqual([fork.value.first.size, fork.value.second.size], [7, 7]);
  assert.notEqual(fork.value.first.root, fork.value.otherRoot);
});

test('L23: any two sizes of two histories prove it, wherever they part', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 40 }),
      (size, more, at) => {
        const forkedAt = at % size;
        const [a, b] = [history(size, size, 'a'), history(size + more, forkedAt, 'b')];
        const notes = { first: noteOf(a), second: noteOf(b) };
        const file = formatForkProof(log, notes, more === 0 ? null : otherRoot(b, size));
        assert.ok(file.ok, codeOf(file) ?? '');
        assert.ok(verifyForkProof(file.value, log).ok);
      },
    ),
    propertyRuns(200),
  );
});

test('L23: nobody is accused by one history, whatever proof is made up', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 40 }), fc.integer(), (size, more, seed) => {
      const a = history(size + more, size + more, 'a');
      const notes = { first: noteOf(a, size), second: noteOf(a) };
      const honest = otherRoot(a, size);
      const made = [
        null,
        honest,
        { ...honest, root: leafHash(`${seed}`) },
        otherRoot(history(size + more, 0, 'b'), size),
        { root: leafHash(`${seed}`), hashes: honest.hashes.map((_, index) => leafHash(`${seed} ${index}`)) },
        { root: honest.root, hashes: [...honest.hashes, leafHash('z')] },
      ];
      for (const proof of made) assert.equal(formatForkProof(log, notes, proof).ok, false);
    }),
    propertyRuns(200),
  );
});

test('L23: a note that the key did not sign accuses nobody', () => {
  const a = noteOf(history(7, 7, 'a'));
  const thief = noteSigner(signer.name, Buffer.alloc(32, 8));
  const forged = noteOf(history(7, 3, 'b'), 7, thief);
  assert.equal(codeOf(formatForkProof(log, { first: a, second: forged }, null)), 'note-unsigned');
  // Under the id of the right key, with a signature that does not hold.
  const id = Buffer.from(log.id, 'hex').toString('base64').slice(0, 4);
  const relabelled = forged.replace(/— (\S+) \S{4}/, `— $1 ${id}`);
  assert.equal(codeOf(formatForkProof(log, { first: a, second: relabelled }, null)), 'note-unsigned');
  const other = noteSigner('countersign/ffffffffffffffffffffffffffffffff', Buffer.alloc(32, 1));
  assert.equal(
    codeOf(formatForkProof(log, { first: a, second: noteOf(history(7, 3, 'b'), 7, other) }, null)),
    'note-unsigned',
  );
});

test('L23: two sizes without a proof, and the wrong order, prove nothing', () => {
  const [a, b] = [history(5, 5, 'a'), history(8, 2, 'b')];
  const notes = { first: noteOf(a), second: noteOf(b) };
  assert.equal(codeOf(formatForkProof(log, notes, null)), 'fork-unproven');
  const swapped = { first: notes.second, second: notes.first };
  assert.equal(codeOf(formatForkProof(log, swapped, otherRoot(b, 5))), 'fork-unproven');
  assert.deepEqual(inOrder(notes.second, notes.first), notes);
  assert.ok(formatForkProof(log, notes, otherRoot(b, 5)).ok);
});

test('L23: a file is read strictly, whatever its bytes are', () => {
  const notes = { first: noteOf(history(7, 7, 'a')), second: noteOf(history(7, 3, 'b')) };
  const file = formatForkProof(log, notes, null);
  assert.ok(file.ok);
  const object = JSON.parse(file.value) as JsonObject;
  for (const bad of [
    '',
    '{}',
    ` ${file.value}`,
    JSON.stringify({ ...object, more: 1 }),
    file.value.replace('"proof":null', '"proof":{}'),
    file.value.replace('fork-proof/v0', 'fork-proof/v1'),
  ])
    assert.equal(verifyForkProof(bad, log).ok, false, bad.slice(0, 60));
  fc.assert(
    fc.property(fc.nat(file.value.length - 1), fc.integer({ min: 1, max: 255 }), (where, by) => {
      const bytes = Buffer.from(file.value);
      bytes[where] = (bytes[where] ?? 0) ^ by;
      verifyForkProof(bytes, log);
    }),
    propertyRuns(200),
  );
});

const golden = join(import.meta.dirname, '..', '..', 'spec', 'vectors', 'heartbeat.json');

const build = (): JsonObject => {
  const [a, b] = [history(6, 6, 'a'), history(9, 4, 'b')];
  const checkpoint = noteOf(a);
  const body = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);
  const witness = cosigner('witness.example/one', Buffer.alloc(32, 2));
  const heartbeat = checkpoint + cosign(body, heartbeatSigner(signer), 1_800_000_000);
  const sameSize = formatForkProof(log, { first: checkpoint, second: noteOf(b, 6) }, null);
  const larger = formatForkProof(log, { first: checkpoint, second: noteOf(b) }, otherRoot(b, 6));
  assert.ok(sameSize.ok && larger.ok);
  return {
    about:
      'A checkpoint, its heartbeat, a witness beside it, and two proofs of a fork; every text is the exact bytes. Built by test/ledger/fork-proof.test.ts.',
    log_key: formatVerifierKey(signer),
    heartbeat_key: formatCosignerKey(heartbeatSigner(signer)),
    witness_key: formatCosignerKey(witness),
    checkpoint,
    heartbeat,
    witnessed: heartbeat + cosign(body, witness, 1_800_000_002),
    fork_of_one_size: sameSize.value,
    fork_of_two_sizes: larger.value,
  };
};

test('FORMATS 9: the golden bytes of heartbeats and fork proofs are built again, exactly', () => {
  const built = build();
  if (process.env['COUNTERSIGN_WRITE_VECTORS'] === '1') writeFileSync(golden, `${JSON.stringify(built, null, 1)}\n`);
  const kept = JSON.parse(readFileSync(golden, 'utf8')) as { [name: string]: string };
  assert.deepEqual(built, kept);
  for (const name of ['fork_of_one_size', 'fork_of_two_sizes'])
    assert.ok(verifyForkProof(kept[name] ?? '', log).ok && parseForkProof(kept[name] ?? '').ok, name);
});
