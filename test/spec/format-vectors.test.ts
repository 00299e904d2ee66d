// SPDX-License-Identifier: Apache-2.0
// Golden bytes for every signed statement and every file of spec/FORMATS.md that the lifecycle vectors do not hold.
// COUNTERSIGN_WRITE_VECTORS=1 writes them anew; a change of them is a change of the format.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyEnvelope } from '../../src/roster/authenticate.ts';
import { canonicalize, parseCanonical } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { namespaces, type Envelope, type StatementType } from '../../src/kernel/statements.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { parseWitnessPolicy } from '../../src/ledger/witness-policy.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { openCase, verifyEvidence, verifyPermit } from '../../src/verify/verify.ts';
import { deployAction, keyOf, minute, personOf, policyOf, rosterRecords, sign } from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import { lockedAndWitnessed, policyLines } from '../verify/witnessed-world.ts';

const file = join(import.meta.dirname, '..', '..', 'spec', 'vectors', 'formats.json');

const envelopeIn = (command: Command): Envelope => {
  assert.ok('envelope' in command);
  return command.envelope;
};

const build = (): JsonObject => {
  const world = new SealedWorld();
  const ledger = world.ledger;
  const genesis = JSON.parse(world.entries[0] ?? '') as { command: { statement: string; signatures: string[] } };
  const request = world.request();
  world.accept(request);
  const id = request.request;
  world.accept(world.later(minute).vote(id, 'grace'));
  world.accept(world.later(minute).permit(id));
  const permitFile = world.permitFile(id);
  world.accept(world.later(minute).consumption(id));
  const result = world.later(minute).result(id, 'succeeded');
  world.accept(result);
  const evidence = world.evidence(id);
  const open = world.ask();
  const pending = world.caseFile(open);
  const emergency = world.ask({ emergency: true });
  world.accept(world.later(minute).vote(emergency, 'linus', { seats: ['commander'] }));
  world.accept(world.later(minute).permit(emergency));
  const fresh = keyOf('stranger');
  const holder = `person:${personOf('grace')}`;
  const common = { ledger, tenant: world.tenant };
  const possession = sign(
    { type: 'countersign.dev/key-possession/v0', ...common, holder, key: fresh.public.fingerprint },
    'stranger',
  );
  const set = {
    [`key/${fresh.public.fingerprint}`]: {
      status: 'active',
      holder,
      line: fresh.public.line,
      level: 'own-key',
      distrusted_from: null,
    },
  };
  const statements: { [type: string]: Envelope } = {
    request: request.envelope,
    fact: request.attested[0] ?? assert.fail('no fact'),
    vote: envelopeIn(world.vote(open, 'grace')),
    rejection: envelopeIn(world.vote(open, 'grace', { decision: 'reject', seats: [] })),
    veto: envelopeIn(world.stop(open, 'margaret', 'veto')),
    withdrawal: envelopeIn(world.stop(open, 'ada', 'withdrawal')),
    consumption: envelopeIn(world.consumption(emergency)),
    result: envelopeIn(result),
    review: envelopeIn(world.review(emergency, 'vint')),
    login: sign(
      {
        type: 'countersign.dev/login/v0',
        ...common,
        by: holder,
        challenge: 'a'.repeat(32),
        server: 'https://gate.example.org',
      },
      'grace',
    ),
    key_possession: possession,
  };
  return {
    about:
      'Signed statements and files on a trial ledger; every text is the exact bytes. Built by test/spec/format-vectors.test.ts.',
    pin: ledger,
    genesis: {
      statement: genesis.command.statement,
      signatures: genesis.command.signatures,
      namespace: 'countersign-genesis@v1',
    },
    roster_document: canonicalize({ type: 'countersign.dev/roster/v0', records: rosterRecords() }),
    roster_root: world.state.roster.root,
    roster_change: canonicalize(world.rosterChange(set, [possession])),
    compiled_policy: canonicalize(policyOf(deployAction())),
    policy_change: canonicalize(world.policyChange(policyOf(deployAction({ reviewers: 'group:security' })))),
    statements: Object.fromEntries(
      Object.entries(statements).map(([name, { statement, signature }]) => {
        const { type } = JSON.parse(statement) as { type: StatementType };
        return [name, { namespace: namespaces[type], statement, signature, digest: digestOf(statement) }];
      }),
    ),
    first_entry_leaf_hash: leafHash(world.entries[0] ?? ''),
    head: { ...world.checkpoint() },
    permit_file: permitFile,
    evidence,
    case: pending,
  };
};

/** A permit under a time lock that witnesses saw kept. */
const witnessed = (): JsonObject => {
  const { world, id } = lockedAndWitnessed();
  return { pin: world.ledger, policy: policyLines('q', 'group q 2 w0 w1 w2'), permit_file: world.file(id) };
};

const built: JsonObject = { ...build(), witnessed: witnessed() };

test('FORMATS: every statement and file is built again, exactly', () => {
  if (process.env['COUNTERSIGN_WRITE_VECTORS'] === '1') writeFileSync(file, `${JSON.stringify(built, null, 1)}\n`);
  assert.deepEqual(built, JSON.parse(readFileSync(file, 'utf8')));
});

test('S2 K3: every golden statement is canonical and holds in its own namespace, and in no other', () => {
  const statements = built['statements'] as { [name: string]: Envelope & { namespace: string } };
  for (const [name, { namespace, statement, signature }] of Object.entries(statements)) {
    assert.ok(parseCanonical(statement).ok, name);
    assert.ok(verifyEnvelope({ statement, signature }, namespace).ok, name);
    for (const other of new Set(Object.values(namespaces)))
      if (other !== namespace)
        assert.equal(verifyEnvelope({ statement, signature }, other).ok, false, `${name} as ${other}`);
  }
});

test('Y1: the golden files pass, from the pin alone', () => {
  const pin = String(built['pin']);
  assert.equal(verifyPermit(String(built['permit_file']), { pin, allowTrial: true }).result, 'PASS');
  const verdict = verifyEvidence(String(built['evidence']), { pin, allowTrial: true });
  assert.deepEqual([verdict.result, verdict.outcome], ['PASS', 'succeeded']);
  const { policy, permit_file, pin: ledger } = built['witnessed'] as { [name: string]: string };
  const read = parseWitnessPolicy(policy ?? '');
  assert.ok(read.ok);
  const seen = verifyPermit(permit_file ?? '', { pin: ledger ?? '', allowTrial: true, witnesses: read.value });
  assert.ok(seen.proven.includes('witnessed-lock'), JSON.stringify(seen.reasons));
  assert.ok(openCase(String(built['case']), { pin, allowTrial: true }).ok);
  for (const text of [
    'roster_document',
    'roster_change',
    'compiled_policy',
    'policy_change',
    'permit_file',
    'evidence',
    'case',
  ])
    assert.ok(parseCanonical(String(built[text]), { maxBytes: 8_000_000, maxDepth: 96 }).ok, text);
});
