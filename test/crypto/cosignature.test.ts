// SPDX-License-Identifier: Apache-2.0
// SPEC L14: https://c2sp.org/tlog-cosignature, Ed25519.
import assert from 'node:assert/strict';
import { createHash, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import {
  cosign,
  cosignedElsewhere,
  cosignedMessage,
  cosigner,
  cosignerVerifier,
  formatCosignerKey,
  parseCosignerKey,
  verifyCosignatures,
} from '../../src/crypto/cosignature.ts';
import {
  formatVerifierKey,
  noteSigner,
  noteVerifier,
  parseNote,
  parseVerifierKey,
  verifyNote,
} from '../../src/crypto/signed-note.ts';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash } from '../../src/ledger/merkle.ts';

const log = noteSigner('log.example/a', Buffer.alloc(32, 1));
const note = signCheckpoint({ origin: log.name, size: 7, root: leafHash('x') }, log);
const text = note.slice(0, note.indexOf('\n\n') + 1);
const one = cosigner('witness.example/one', Buffer.alloc(32, 2));
const two = cosigner('witness.example/two', Buffer.alloc(32, 3));
const verifierOf = (of: typeof one) => {
  const verifier = cosignerVerifier(of.name, of.publicKey);
  assert.ok(verifier.ok);
  return verifier.value;
};
const both = [verifierOf(one), verifierOf(two)];
const at = 1_679_315_147;

test('L14: the id, the signed message and the time stand where the specification puts them', () => {
  const material = Buffer.concat([Buffer.from('witness.example/one\n'), Buffer.from([4]), one.publicKey]);
  assert.equal(one.id, createHash('sha256').update(material).digest('hex').slice(0, 8));
  const line = cosign(text, one, at);
  const bytes = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64');
  assert.equal(bytes.length, 4 + 8 + 64);
  assert.equal(bytes.toString('hex', 0, 4), one.id);
  assert.equal(bytes.readBigUInt64BE(4), BigInt(at));
  const message = Buffer.from(`cosignature/v1\ntime ${at}\n${text}`);
  assert.ok(verify(null, message, verifierOf(one).key, bytes.subarray(12)));
  // The example of the specification has this time in its bytes.
  const example =
    'jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==';
  const parsed = parseNote(`${text}\n— witness.example.com/w1 ${example}\n`);
  assert.ok(parsed.ok);
  const [signature] = parsed.value.signatures;
  assert.equal(Buffer.from(signature?.signature ?? []).readBigUInt64BE(0), BigInt(at));
});

test('L14: a key that lies elsewhere makes the same line, and a signature that does not hold makes none', () => {
  const signature = sign(null, Buffer.from(cosignedMessage(text, at)), one.key);
  const line = cosignedElsewhere(text, verifierOf(one), at, signature);
  assert.deepEqual(line, { ok: true, value: cosign(text, one, at) });
  for (const wrong of [
    cosignedElsewhere(text, verifierOf(one), at + 1, signature),
    cosignedElsewhere(text, verifierOf(two), at, signature),
    cosignedElsewhere(text, verifierOf(one), at, signature.subarray(1)),
  ])
    assert.deepEqual(wrong.ok ? '' : wrong.refusal.code, 'note-unsigned');
});

test('L14: who cosigned and when, whatever else signed; nobody is no refusal', () => {
  const cosigned = note + cosign(text, one, at) + cosign(text, two, at + 5);
  const found = verifyCosignatures(cosigned, both);
  assert.ok(found.ok);
  assert.equal(found.value.text, text);
  assert.deepEqual(
    found.value.cosignatures.map(({ name, time }) => [name, time]),
    [
      [one.name, at],
      [two.name, at + 5],
    ],
  );
  const alone = verifyCosignatures(note, both);
  assert.ok(alone.ok && alone.value.cosignatures.length === 0);
  const logKey = noteVerifier(log.name, log.publicKey);
  assert.ok(logKey.ok);
  const byLog = verifyNote(cosigned, [logKey.value]);
  assert.ok(byLog.ok && byLog.value.signedBy.length === 1, 'the log is read as before');
});

test('L14: a cosigner counts once, with its newest time', () => {
  const cosigned = note + cosign(text, one, at + 9) + cosign(text, one, at) + cosign(text, one, at + 3);
  const found = verifyCosignatures(cosigned, both);
  assert.ok(found.ok);
  assert.deepEqual(found.value.cosignatures, [{ name: one.name, id: one.id, time: at + 9 }]);
});

test('L14: a line that claims a known cosigner and does not hold refuses the note', () => {
  const line = cosign(text, one, at);
  const bytes = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64');
  const changed = (change: (bytes: Buffer) => Buffer): string =>
    `— ${one.name} ${change(Buffer.from(bytes)).toString('base64')}\n`;
  const flipped = (index: number) => (copy: Buffer) => {
    copy[index] = (copy[index] ?? 0) ^ 1;
    return copy;
  };
  for (const [what, wrong] of Object.entries({
    'another time': changed(flipped(11)),
    'another signature': changed(flipped(30)),
    'a shorter one': changed((copy) => copy.subarray(0, 75)),
    'a longer one': changed((copy) => Buffer.concat([copy, Buffer.from([0])])),
    'no time': changed((copy) => copy.fill(0, 4, 12)),
    'a time beyond all clocks': changed((copy) => copy.fill(0xff, 4, 12)),
    'of another text': cosign(text.replace('7', '8'), one, at),
  })) {
    const found = verifyCosignatures(note + wrong + cosign(text, two, at), both);
    assert.equal(found.ok ? 'held' : found.refusal.code, 'note-unsigned', what);
  }
  // The id is another one, so that nobody claims anything.
  const strange = verifyCosignatures(note + changed(flipped(0)), both);
  assert.ok(strange.ok && strange.value.cosignatures.length === 0);
});

test('L14: the key of a log is no cosigner, and a cosigner signs no note as a log', () => {
  const sameKey = cosigner(log.name, Buffer.alloc(32, 1));
  assert.notEqual(sameKey.id, log.id);
  const found = verifyCosignatures(note, [verifierOf(sameKey)]);
  assert.ok(found.ok && found.value.cosignatures.length === 0);
  const key = formatCosignerKey(one);
  const read = parseCosignerKey(key);
  assert.ok(read.ok && read.value.id === one.id);
  assert.equal(parseVerifierKey(key).ok, false);
  assert.equal(parseCosignerKey(formatVerifierKey(log)).ok, false);
});

test('L14: two cosigners with one key, and a log as a cosigner, are refused: the name is not signed', () => {
  const alias = cosigner('witness.example/alias', Buffer.alloc(32, 2));
  const line = cosign(text, one, at);
  const copied = line.trim().split(' ')[2] ?? '';
  const relabelled = Buffer.concat([Buffer.from(alias.id, 'hex'), Buffer.from(copied, 'base64').subarray(4)]);
  const note2 = `${note}${line}— ${alias.name} ${relabelled.toString('base64')}\n`;
  const alone = verifyCosignatures(note2, [verifierOf(alias)]);
  assert.ok(alone.ok && alone.value.cosignatures.length === 1, 'which is why');
  const logAsCosigner = noteVerifier(log.name, log.publicKey) as unknown as { value: (typeof both)[number] };
  for (const cosigners of [[...both, verifierOf(alias)], [...both, verifierOf(one)], [logAsCosigner.value]]) {
    const found = verifyCosignatures(note2, cosigners);
    assert.equal(found.ok ? 'counted' : found.refusal.code, 'note-malformed');
  }
  assert.throws(() => cosign(text, log as unknown as typeof one, at), BrokenInvariant);
  const asLog = verifyNote(note, [verifierOf(one) as unknown as Parameters<typeof verifyNote>[1][number]]);
  assert.equal(asLog.ok ? 'held' : asLog.refusal.code, 'note-malformed');
});

test('L14: a time that is none, or beyond all clocks, counts for nobody and refuses nothing', () => {
  for (const stamp of [0n, 2n ** 53n, 2n ** 63n - 1n]) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(stamp);
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${stamp}\n${text}`), one.key);
    const line = Buffer.concat([Buffer.from(one.id, 'hex'), bytes, signature]).toString('base64');
    const found = verifyCosignatures(`${note}— ${one.name} ${line}\n${cosign(text, two, at)}`, both);
    assert.ok(found.ok);
    assert.deepEqual(
      found.value.cosignatures.map(({ name }) => name),
      [two.name],
    );
  }
});

test('L14: nothing but the text of a checkpoint is cosigned, and never without a time', () => {
  for (const [wrongText, time] of [
    [note, at],
    [text.trimEnd(), at],
    [text, 0],
    [text, 1.5],
    [text, -1],
  ] as const)
    assert.throws(() => cosign(wrongText, one, time), BrokenInvariant);
});
