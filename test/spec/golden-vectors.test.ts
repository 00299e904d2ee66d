// SPDX-License-Identifier: Apache-2.0
// Golden bytes for spec/FORMATS.md. COUNTERSIGN_WRITE_VECTORS=1 writes them anew; a change of them is a change of the format.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalize, parseCanonical } from '../../src/kernel/canonical-json.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { digestOf, sha256 } from '../../src/crypto/digest.ts';
import { formatVerifierKey, noteSigner, signNote } from '../../src/crypto/signed-note.ts';
import { effectiveDigest, policyDigest } from '../../src/policy/policy-shape.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { minute, World } from '../support/world.ts';

const file = join(import.meta.dirname, '..', '..', 'spec', 'vectors', 'trial-lifecycle.json');

const build = (): JsonObject => {
  const world = new World();
  const request = world.request({ reason: digestOf(canonicalize({ salt: '0'.repeat(32), text: 'ship the fix' })) });
  world.accept(request);
  const id = request.request;
  const vote = world.later(minute).vote(id, 'grace');
  world.accept(vote);
  world.later(minute).accept(world.permit(id));
  world.later(minute).accept(world.consumption(id));
  world.later(minute).accept(world.result(id, 'succeeded'));
  const { change, digest, permit } = world.stateOf(id);
  const { policy, roster, identity, edge } = world.state;
  assert.ok(policy && identity && permit && vote.type === 'CastVote');
  const action = policy.actions['deploy.production'];
  assert.ok(action);
  const signer = noteSigner(identity.origin, sha256('countersign test key log'));
  const head = `${identity.origin}\n${edge.size}\n${encodeBase64(Buffer.from(rootOf(edge), 'hex'))}\n`;
  return {
    about:
      'One request from genesis to result on a trial ledger; every text is the exact bytes. Built by test/spec/golden-vectors.test.ts.',
    ledger: identity.ledger,
    origin: identity.origin,
    roster_root: roster.root,
    policy_digest: policyDigest(policy),
    effective_policy_digest: effectiveDigest(action),
    request_envelope: request.envelope,
    vote_envelope: vote.envelope,
    change_text: canonicalize(change),
    change_digest: digest,
    permit_text: canonicalize(permit),
    entries: world.entries,
    leaf_hashes: world.entries.map((text) => leafHash(text)),
    root: rootOf(edge),
    verifier_key: formatVerifierKey(signer),
    checkpoint: signNote(head, [signer]),
  };
};

test('FORMATS: the golden bytes are built again, exactly', () => {
  const built = build();
  if (process.env['COUNTERSIGN_WRITE_VECTORS'] === '1') writeFileSync(file, `${JSON.stringify(built, null, 1)}\n`);
  assert.deepEqual(built, JSON.parse(readFileSync(file, 'utf8')));
});

test('K3: every golden text is canonical', () => {
  const { entries, change_text, permit_text, request_envelope } = build() as {
    entries: string[];
    change_text: string;
    permit_text: string;
    request_envelope: { statement: string };
  };
  for (const text of [...entries, change_text, permit_text, request_envelope.statement])
    assert.ok(parseCanonical(text).ok);
});
