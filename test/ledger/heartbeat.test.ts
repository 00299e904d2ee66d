// SPDX-License-Identifier: Apache-2.0
// SPEC L21, L22, Y12: what a checkpoint says about time, by whose word, and what is not fresh.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cosign, cosigner, formatCosignerKey, type Cosigner } from '../../src/crypto/cosignature.ts';
import { noteSigner, noteVerifier, parseNote, verifyNote } from '../../src/crypto/signed-note.ts';
import { signCheckpoint, verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { refuseStale, sayTime, timeOfCheckpoint, verifyWitnessed } from '../../src/ledger/freshness.ts';
import { heartbeatSigner, heartbeatVerifier, verifyHeartbeat } from '../../src/ledger/heartbeat.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../src/ledger/witness-policy.ts';

const signer = noteSigner('countersign/0123456789abcdef0123456789abcdef', Buffer.alloc(32, 1));
const verified = noteVerifier(signer.name, signer.publicKey);
assert.ok(verified.ok);
const log = verified.value;
const plain = signCheckpoint({ origin: signer.name, size: 7, root: leafHash('x') }, signer);
const body = plain.slice(0, plain.indexOf('\n\n') + 1);
const at = 1_800_000_000;
const beat = plain + cosign(body, heartbeatSigner(signer), at);
const [w1, w2, w3] = [2, 3, 4].map((byte) => cosigner(`witness.example/w${byte}`, Buffer.alloc(32, byte)));
assert.ok(w1 && w2 && w3);

const policyOf = (quorum: string, ...witnesses: readonly Cosigner[]): WitnessPolicy => {
  const lines = witnesses.map((one, index) => `witness W${index} ${formatCosignerKey(one)}\n`);
  const names = witnesses.map((_, index) => `W${index}`).join(' ');
  const parsed = parseWitnessPolicy(
    `${lines.join('')}${quorum === 'none' ? '' : `group all-of-them ${quorum} ${names}\n`}quorum ${quorum === 'none' ? 'none' : 'all-of-them'}\n`,
  );
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.refusal.message);
  return parsed.value;
};
const codeOf = (result: { readonly ok: boolean; readonly refusal?: { readonly code: string } }): string | undefined =>
  result.ok ? undefined : result.refusal?.code;

test("L21: a heartbeat is a cosignature by the log's own key, beside its plain signature", () => {
  const parsed = parseNote(beat);
  assert.ok(parsed.ok);
  const [signature, heartbeat] = parsed.value.signatures;
  assert.deepEqual([signature?.name, heartbeat?.name], [signer.name, signer.name]);
  assert.notEqual(signature?.id, heartbeat?.id);
  const read = verifyHeartbeat(beat, log);
  assert.deepEqual(read.ok && [read.value.time, read.value.checkpoint.size], [at, 7]);
  // Who knows plain notes only leaves it aside.
  const old = verifyNote(beat, [log]);
  assert.deepEqual(old.ok && old.value.signedBy, [signer.name]);
});

test('L21: a checkpoint without a heartbeat says no time, and a heartbeat without the plain signature is none', () => {
  const none = verifyHeartbeat(plain, log);
  assert.deepEqual(none.ok && none.value.time, null);
  assert.equal(codeOf(verifyHeartbeat(beat.replace(/^— .*\n/m, ''), log)), 'note-unsigned');
});

test('L21: a heartbeat of another key, moved to another head or in another time, refuses the note', () => {
  const stranger = heartbeatSigner(noteSigner(signer.name, Buffer.alloc(32, 9)));
  const ignored = verifyHeartbeat(plain + cosign(body, stranger, at), log);
  assert.deepEqual(ignored.ok && ignored.value.time, null);
  const line = beat.slice(plain.length);
  const larger = signCheckpoint({ origin: signer.name, size: 8, root: leafHash('y') }, signer);
  assert.equal(codeOf(verifyHeartbeat(larger + line, log)), 'note-unsigned');
  const bytes = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64');
  bytes.writeBigUInt64BE(BigInt(at + 60), 4);
  assert.equal(codeOf(verifyHeartbeat(`${plain}— ${signer.name} ${bytes.toString('base64')}\n`, log)), 'note-unsigned');
});

test('L21: neither kind of signature by the one key can be taken for the other', () => {
  const key = heartbeatVerifier(log);
  assert.ok(key.ok);
  // What a heartbeat signs, read as a note: its origin would be the line `cosignature/v1`.
  const signedText = `cosignature/v1\ntime ${at}\n${body}`;
  const signature = Buffer.from(beat.slice(plain.length).trim().split(' ')[2] ?? '', 'base64').subarray(12);
  const id = Buffer.from(log.id, 'hex');
  const forged = `${signedText}\n— ${signer.name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
  assert.ok(verifyNote(forged, [log]).ok, 'the signature does hold for these bytes');
  assert.equal(codeOf(verifyCheckpoint(forged, log)), 'checkpoint-malformed');
});

test("Y12: without a policy, or with one that asks for nobody, the time is the log's own", () => {
  for (const policy of [undefined, policyOf('none', w1)]) {
    const time = timeOfCheckpoint(beat, log, policy);
    assert.deepEqual(time.ok && [time.value.by, time.value.atMs], ['log', at * 1000]);
  }
});

test("Y12: with a policy the time is the quorum's, and the log's own word is worth nothing", () => {
  const policy = policyOf('2', w1, w2, w3);
  const alone = timeOfCheckpoint(beat + cosign(body, w1, at + 5), log, policy);
  assert.deepEqual(alone.ok && [alone.value.by, alone.value.atMs], ['witnesses', null]);
  const two = timeOfCheckpoint(beat + cosign(body, w1, at + 5) + cosign(body, w3, at + 9), log, policy);
  assert.deepEqual(two.ok && two.value.atMs, (at + 5) * 1000);
});

test('L22: a policy that lists the log as its own witness, or names other logs only, is refused', () => {
  const itself = policyOf('1', w1, heartbeatSigner(signer));
  assert.equal(codeOf(timeOfCheckpoint(beat, log, itself)), 'witness-policy-malformed');
  assert.equal(codeOf(verifyWitnessed(beat, log, itself)), 'witness-policy-malformed');
  // Under another name it is the same key all the same.
  const renamed = cosigner('witness.example/independent', Buffer.alloc(32, 1));
  const note = plain + cosign(body, renamed, at);
  assert.equal(codeOf(verifyWitnessed(note, log, policyOf('1', renamed))), 'witness-policy-malformed');
  const other = { ...policyOf('1', w1), logs: [{ key: { ...log, name: 'countersign/other' } }] };
  assert.equal(codeOf(timeOfCheckpoint(beat + cosign(body, w1, at), log, other)), 'witness-policy-malformed');
});

test('L22: a checkpoint is witnessed by the quorum of the policy or not at all', () => {
  const policy = policyOf('all', w1, w2);
  assert.equal(codeOf(verifyWitnessed(beat, log, policy)), 'checkpoint-unwitnessed');
  assert.equal(codeOf(verifyWitnessed(beat + cosign(body, w1, at), log, policy)), 'checkpoint-unwitnessed');
  assert.ok(verifyWitnessed(beat + cosign(body, w1, at) + cosign(body, w2, at), log, policy).ok);
  assert.equal(codeOf(verifyWitnessed(cosign(body, w1, at), log, policy)), 'note-malformed');
});

test('Y12: too old, in the future, without a time and within an odd limit are all not fresh', () => {
  const nowMs = at * 1000 + 60_000;
  const time = { by: 'log', atMs: at * 1000 } as const;
  assert.equal(refuseStale(time, { nowMs, withinMs: 60_000 }), undefined);
  assert.equal(
    refuseStale(time, { nowMs: at * 1000 - 100_000, withinMs: 60_000 }),
    undefined,
    'clocks differ a little',
  );
  const stale = [
    refuseStale(time, { nowMs, withinMs: 59_999 }),
    refuseStale(time, { nowMs: at * 1000 - 121_000, withinMs: 60_000 }),
    refuseStale({ by: 'log', atMs: null }, { nowMs, withinMs: 60_000 }),
    refuseStale({ by: 'witnesses', atMs: null }, { nowMs, withinMs: Number.POSITIVE_INFINITY }),
    refuseStale(time, { nowMs, withinMs: Number.NaN }),
    refuseStale(time, { nowMs: Number.NaN, withinMs: 60_000 }),
    refuseStale({ by: 'log', atMs: Number.NaN }, { nowMs, withinMs: 60_000 }),
  ];
  for (const refused of stale) assert.equal(refused?.refusal.code, 'checkpoint-stale');
});

test('Y12: the words say whose clock it was', () => {
  const nowMs = at * 1000;
  assert.equal(sayTime({ by: 'log', atMs: nowMs - 187_000 }, nowMs), "3 minutes ago, by the log's own clock");
  assert.match(sayTime({ by: 'witnesses', atMs: nowMs - 4000 }, nowMs), /^4 seconds ago, by the clocks of your witn/);
  assert.match(sayTime({ by: 'witnesses', atMs: null }, nowMs), /say no time/);
  assert.match(sayTime({ by: 'log', atMs: nowMs + 5000 }, nowMs), /^5 seconds ahead of this machine's clock/);
});
