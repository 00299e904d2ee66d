// SPDX-License-Identifier: Apache-2.0
// INV11, files: other histories, other ledgers, ends that were not; each is told by the verifier.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { addMs, type Instant } from '../../src/kernel/instant.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { sha256 } from '../../src/crypto/digest.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { formatPermitFile, verifyEvidence } from '../../src/verify/verify.ts';
import { day, minute, personOf } from '../support/world.ts';
import {
  check,
  editing,
  forgedEvidence,
  forgedPermit,
  ofType,
  oneSeat,
  refused,
  two,
  type Rewrite,
} from './insider.ts';
import { partsFrom, SealedWorld, valueOf } from './sealed-world.ts';

test('INV6: a file that holds a rejection, veto or withdrawal, or a use, holds no permit', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['linus', 'radia']);
  const inserted = (command: JsonObject, event: JsonObject): Rewrite => {
    return (entries) => {
      const issue = ofType(entries, 'IssuePermit');
      const stop = { ...structuredClone(issue), command, events: [event], index: issue.index };
      issue.index += 1;
      return [...entries.filter((entry) => entry !== issue), stop, issue];
    };
  };
  const veto = world.stop(id, 'margaret', 'veto');
  refused(
    world,
    forgedPermit(
      world,
      id,
      inserted(veto, { type: 'RequestVetoed', request: id, by: `person:${personOf('margaret')}` }),
    ),
    'request-vetoed',
  );
  const withdrawal = world.stop(id, 'ada', 'withdrawal');
  refused(
    world,
    forgedPermit(
      world,
      id,
      inserted(withdrawal, { type: 'RequestWithdrawn', request: id, by: `person:${personOf('ada')}` }),
    ),
    'request-withdrawn',
  );
});

test('a genesis of their own, another roster under the same genesis, and signatures that are missing', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['linus', 'radia']);
  const mine = new SealedWorld({ policy: oneSeat });
  const theirs = mine.permitted(['grace']);
  refused(world, mine.permitFile(theirs), 'pin-mismatch');
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('Genesis', (command) => {
        command['signatures'] = (command['signatures'] as readonly string[]).slice(1);
      }),
    ),
    'genesis-unsigned',
  );
  const file = JSON.parse(world.permitFile(id)) as { blobs: { [digest: string]: string } };
  for (const digest of Object.keys(file.blobs)) {
    const swapped = { ...file, blobs: { ...file.blobs, [digest]: encodeBase64(Buffer.from('{}')) } };
    refused(world, canonicalize(swapped), 'attachment-mismatch');
    const { [digest]: _gone, ...rest } = file.blobs;
    refused(world, canonicalize({ ...file, blobs: rest }), 'attachment-missing', 'file-malformed');
  }
});

test('INV7, T5: a checkpoint of another key or origin, a proof of another place, a history the voters did not see', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  const parts = world.parts(id);
  const stranger = noteSigner(world.signer.name, sha256('somebody else'));
  const elsewhere = noteSigner(
    'countersign-trial/ffffffffffffffffffffffffffffffff',
    sha256('countersign test key log'),
  );
  const head = world.checkpoint();
  for (const [signer, origin, code] of [
    [stranger, world.signer.name, 'note-unsigned'],
    [elsewhere, elsewhere.name, 'note-unsigned'],
    [world.signer, elsewhere.name, 'checkpoint-origin'],
  ] as const)
    refused(
      world,
      valueOf(
        formatPermitFile({
          ...parts,
          checkpoint: signCheckpoint({ origin, size: head.size, root: head.root }, signer),
        }),
      ),
      code,
    );
  refused(world, valueOf(formatPermitFile({ ...parts, inclusion: () => parts.inclusion(0) })), 'proof-invalid');
  // A fork: other leaves in between, so that what the voter had seen is not in it.
  const fork = world.entries.map((text, index) => (parts.entries.has(index) && index > 1 ? text : `other ${index}`));
  const forked = partsFrom(
    fork.map((text, index) => parts.entries.get(index) ?? text),
    [...parts.entries.keys()],
    world.blobs,
    world.signer,
    id,
  );
  assert.equal(
    check(world, valueOf(formatPermitFile(forked))).result,
    'PASS',
    'nothing was left out of this small ledger',
  );
  const busy = new SealedWorld({ policy: oneSeat });
  busy.ask();
  const later = busy.permitted(['linus']);
  const honest = busy.parts(later);
  const other = busy.entries.map((text, index) => (honest.entries.has(index) ? text : 'another history'));
  refused(
    busy,
    valueOf(formatPermitFile(partsFrom(other, [...honest.entries.keys()], busy.blobs, busy.signer, later))),
    'proof-invalid',
  );
});

test('V7: two voters who saw two ledgers of one size, or one that is larger than the place of the vote', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.ask();
  world.accept(world.vote(id, 'linus'));
  const root = 'c'.repeat(64);
  const seeing = (seen: JsonObject): string => {
    const twin = new SealedWorld({ policy: two });
    twin.ask();
    twin.accept(twin.vote(id, 'linus'));
    twin.accept(twin.vote(id, 'radia'));
    twin.later(15 * minute).accept(twin.permit(id));
    return forgedPermit(
      twin,
      id,
      editing(
        'CastVote',
        (command) => {
          const vote = twin.vote(id, 'radia', { seen });
          assert.ok(vote.type === 'CastVote');
          command['envelope'] = vote.envelope;
        },
        1,
      ),
    );
  };
  refused(world, seeing({ size: 2, root }), 'seen-not-in-history');
  refused(world, seeing({ size: 4, root }), 'seen-not-in-history');
  refused(world, seeing({ size: 0, root }), 'shape-mismatch');
});

test('entries out of order, twice, of another tenant, about something else, or with events of their own', () => {
  const world = new SealedWorld({ policy: two });
  const foreign = world.ask();
  const id = world.permitted(['linus', 'radia']);
  const text = world.entries[1] ?? '';
  assert.ok(text.includes(foreign));
  const file = JSON.parse(world.permitFile(id)) as { entries: string[]; entry: string };
  const using = (entries: readonly string[]): string => canonicalize({ ...file, entries });
  refused(world, using(file.entries.toReversed()), 'file-malformed');
  refused(world, using([...file.entries, file.entries.at(-1) ?? '']), 'file-malformed');
  refused(world, using(file.entries.toSpliced(1, 0, text)), 'file-malformed');
  refused(world, using([]), 'file-malformed');
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('CastVote', (_command, entry) => {
        (entry as unknown as { tenant: string }).tenant = 'other';
      }),
    ),
    'file-malformed',
  );
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('CastVote', (_command, entry) => {
        entry.events.push({ type: 'GateMet', request: id, revision: 1, seats: [] });
      }),
    ),
    'replay-differs',
  );
});

test('evidence: a use that the executor did not sign, for another permit, and results of others', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  world.accept(world.consumption(id));
  world.accept(world.result(id, 'succeeded'));
  const evidenceFails = (rewrite: Rewrite, code: string): void => {
    const verdict = verifyEvidence(forgedEvidence(world, id, rewrite), { pin: world.ledger, allowTrial: true });
    assert.equal(verdict.result, 'FAIL');
    assert.equal(verdict.reasons[0]?.code, code, verdict.reasons[0]?.message ?? '');
  };
  const used = (over: JsonObject, by?: string): Rewrite =>
    editing('ConsumePermit', (command) => {
      const other = world.consumption(id, over, by);
      assert.ok(other.type === 'ConsumePermit');
      command['envelope'] = other.envelope;
    });
  evidenceFails(used({}, 'ci'), 'permit-wrong-executor');
  evidenceFails(used({ permit: `pmt_${'0'.repeat(26)}` }), 'permit-unknown');
  evidenceFails(used({ audience: 'other' }), 'permit-wrong-audience');
  evidenceFails(used({ challenge: '1'.repeat(32) }), 'replay-differs');
  evidenceFails(
    editing('RecordResult', (command) => {
      const other = world.result(id, 'succeeded', 'ci');
      assert.ok(other.type === 'RecordResult');
      command['envelope'] = other.envelope;
    }),
    'permit-wrong-executor',
  );
  evidenceFails(
    editing('ConsumePermit', (_command, entry) => {
      entry.time = addMs(entry.time as Instant, day);
    }),
    'permit-expired',
  );
});
