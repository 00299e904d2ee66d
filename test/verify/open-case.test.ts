// SPDX-License-Identifier: Apache-2.0
// What a voter sees follows from their pin: a case is opened by oneself, or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { addMs } from '../../src/kernel/instant.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { consistencyProof } from '../../src/ledger/proof.ts';
import { openCase, type CaseOptions, type OpenedCase } from '../../src/verify/verify.ts';
import { day, minute, personOf, sign } from '../support/world.ts';
import { editing, forgedCase, object, two } from './insider.ts';
import { partsFrom, SealedWorld, slabOf, valueOf } from './sealed-world.ts';
import { formatCaseFile } from '../../src/verify/verify.ts';

const open = (world: SealedWorld, file: string, over: Partial<CaseOptions> = {}) =>
  openCase(file, { pin: world.ledger, allowTrial: true, ...over });
const opens = (world: SealedWorld, file: string, over: Partial<CaseOptions> = {}): OpenedCase =>
  valueOf(open(world, file, over));
const refuses = (world: SealedWorld, file: string, code: string, over: Partial<CaseOptions> = {}): void => {
  const opened = open(world, file, over);
  assert.ok(!opened.ok, 'it was opened');
  assert.equal(opened.refusal.code, code, opened.refusal.message);
};

test('a case gives the change, its digest, who has voted and what the next vote is to name as seen', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  world.accept(world.vote(id, 'linus'));
  const opened = opens(world, world.caseFile(id), { request: id });
  assert.equal(opened.digest, world.stateOf(id).digest);
  assert.equal(digestOf(opened.changeText), opened.digest);
  assert.deepEqual(
    opened.votes.map((vote) => vote.person),
    [personOf('linus')],
  );
  assert.deepEqual(opened.gate.open, ['security']);
  assert.deepEqual(opened.due, []);
  const head = world.checkpoint();
  assert.deepEqual([opened.checkpoint.size, opened.checkpoint.root], [head.size, head.root]);
  assert.equal(opened.governance, world.state.governance);
  assert.equal(opened.roster.root, world.state.roster.root);
});

test('a case of a governance request carries the content that is asked for', () => {
  const world = new SealedWorld({ policy: two });
  const change = world.rosterChange({ 'group/risk': { members: [personOf('vint')] } });
  const asked = world.proposal('governance.roster', change);
  world.accept(asked);
  const opened = opens(world, world.caseFile(asked.request));
  assert.equal(Buffer.from(opened.blobs.get(opened.change.content ?? '') ?? []).toString(), canonicalize(change));
});

test('by the voter’s own clock a case says what is due, and a request from the future is not opened', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  const file = world.caseFile(id);
  assert.deepEqual(opens(world, file, { now: addMs(world.time, day) }).due, ['RequestExpired']);
  refuses(world, file, 'permit-not-yet-valid', { now: addMs(world.time, -10 * minute) });
});

test('a case of another pin, request or trial is not opened', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  const other = world.ask();
  const file = world.caseFile(id);
  refuses(world, file, 'pin-mismatch', { pin: `sha256:${'0'.repeat(64)}` });
  refuses(world, file, 'trial-not-allowed', { allowTrial: false });
  refuses(world, file, 'file-malformed', { request: other });
  const real = new SealedWorld({ policy: two, trial: false });
  const asked = real.ask();
  refuses(real, real.caseFile(asked), 'format-not-final');
  opens(real, real.caseFile(asked), { acceptV0: true });
});

test('T5: a case goes on from the last checkpoint its voter saw, or is not opened', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  const before = world.checkpoint();
  world.accept(world.vote(id, 'linus'));
  const { slab } = slabOf(world.entries);
  const consistency = consistencyProof(before.size, world.entries.length, slab.hashAt);
  const file = world.caseFile(id);
  opens(world, file, { lastCheckpoint: { size: before.size, root: before.root, consistency } });
  refuses(world, file, 'proof-invalid', { lastCheckpoint: { size: before.size, root: before.root, consistency: [] } });
  refuses(world, file, 'proof-invalid', { lastCheckpoint: { size: before.size, root: 'a'.repeat(64), consistency } });
  refuses(world, file, 'proof-invalid', { lastCheckpoint: { size: 99, root: before.root, consistency } });
});

test('INV7: every entry of a case stands in the tree whose checkpoint it shows', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  world.accept(world.vote(id, 'linus'));
  const parts = world.parts(id);
  for (const index of parts.entries.keys()) {
    const leaves = world.entries.with(index, 'something else');
    const forged = partsFrom(leaves, [...parts.entries.keys()], world.blobs, world.signer, id);
    refuses(world, valueOf(formatCaseFile({ ...forged, entries: parts.entries, blobs: parts.blobs })), 'proof-invalid');
  }
  const file = JSON.parse(world.caseFile(id)) as { proofs: string[][] };
  refuses(world, canonicalize({ ...file, proofs: file.proofs.slice(1) }), 'file-malformed');
});

test('C23: an operator who shows something else than was asked is not believed', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  refuses(
    world,
    forgedCase(
      world,
      id,
      editing('SubmitRequest', (command) => {
        const envelope = object(command['envelope']);
        envelope['statement'] = String(envelope['statement']).replace('"shop"', '"pay"');
      }),
    ),
    'signature-invalid',
  );
  refuses(
    world,
    forgedCase(
      world,
      id,
      editing('SubmitRequest', (command) => {
        const statement = JSON.parse(String(object(command['envelope'])['statement'])) as JsonObject;
        command['envelope'] = sign({ ...statement, by: `person:${personOf('bob')}` }, 'stranger');
      }),
    ),
    'key-unknown',
  );
});
