// SPDX-License-Identifier: Apache-2.0
// An honest life passes, whatever it went through; and each thing a reader can ask for is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs } from '../../src/kernel/instant.ts';
import { forgetBeginnings } from '../../src/verify/beginnings.ts';
import { personsFloor } from '../../src/verify/verdict.ts';
import { formatVerdict, verifyEvidence, verifyFile, verifyPermit, type Verdict } from '../../src/verify/verify.ts';
import { deployAction, fingerprintOf, minute, personOf, policyOf, tier } from '../support/world.ts';
import { SealedWorld } from './sealed-world.ts';

const trial = (world: SealedWorld) => ({ pin: world.ledger, allowTrial: true });
const passes = (verdict: Verdict): Verdict => {
  assert.deepEqual(
    verdict.reasons.map((reason) => `${reason.code}: ${reason.message}`),
    [],
  );
  assert.equal(verdict.result, 'PASS');
  return verdict;
};
const fails = (verdict: Verdict, ...codes: readonly string[]): void => {
  assert.equal(verdict.result, 'FAIL');
  assert.deepEqual(
    verdict.reasons.map((reason) => reason.code),
    codes,
  );
  assert.deepEqual([verdict.permit, verdict.change, verdict.persons, verdict.notProven.length], [null, null, null, 0]);
};

const strictPolicy = policyOf(
  deployAction({
    tiers: [
      tier({
        seats: [
          { name: 'platform', count: 1, group: 'group:platform' },
          { name: 'security', count: 1, group: 'group:security' },
        ],
        time_lock: { wait_ms: 15 * minute, veto: ['group:oncall'] },
      }),
    ],
  }),
);

test('a permit of an honest ledger passes, and says who approved what, and what it does not prove', () => {
  const world = new SealedWorld({ policy: strictPolicy });
  const id = world.permitted(['linus', 'radia']);
  for (const run of ['cold', 'warm']) {
    if (run === 'cold') forgetBeginnings();
    const verdict = passes(verifyPermit(world.permitFile(id), trial(world)));
    assert.equal(verdict.persons, 2);
    assert.equal(verdict.grade, 'target-verified');
    assert.equal(verdict.outcome, 'permitted');
    assert.deepEqual(verdict.permit, world.stateOf(id).permit);
    assert.deepEqual(verdict.change, world.stateOf(id).change);
    assert.deepEqual(
      verdict.notProven.map((limit) => limit.code),
      [
        'trial',
        'time-operators-clock',
        'order-operators-word',
        'refusals-not-shown',
        'governance-freshness',
        'no-witness',
        'expiry-not-judged',
        'consumption-not-in-file',
      ],
    );
    assert.ok(
      verdict.proven.includes('seats') && verdict.proven.includes('time-lock') && verdict.proven.includes('seen'),
    );
    assert.match(formatVerdict(verdict), /^PASS {2}pmt_/);
  }
});

test('governance between genesis and permit is derived again: roster, policy, revisions, votes that fell', () => {
  const world = new SealedWorld();
  const early = world.ask();
  world.accept(world.vote(early, 'grace'));
  world.govern(
    'governance.roster',
    world.rosterChange({ 'group/platform': { members: [personOf('linus'), personOf('ada')] } }),
  );
  world.refuse(world.permit(early), 'gate-lost');
  world.govern('governance.policy', world.policyChange(policyOf(deployAction({ consume: 'offline' }))));
  world.refuse(world.vote(early, 'linus'), 'revision-stale');
  world.accept(world.vote(early, 'linus'));
  world.accept(world.permit(early));
  const verdict = passes(verifyPermit(world.permitFile(early), trial(world)));
  assert.equal(verdict.permit?.revision, 2);
  assert.deepEqual(verdict.checks.find((check) => check.code === 'governance')?.values, {
    changes: 2,
    roster: 2,
    policy: 2,
  });
});

test('a vote that no longer counts at the permit shows when the gate was met and fills no seat', () => {
  const world = new SealedWorld({ policy: strictPolicy });
  const id = world.ask();
  for (const voter of ['grace', 'radia', 'linus']) world.accept(world.vote(id, voter));
  world.govern(
    'governance.roster',
    world.rosterChange({
      [`person/${personOf('grace')}`]: { status: 'suspended', attributes: { team: 'platform' } },
    }),
    ['radia', 'margaret'],
    'vint',
  );
  world.later(15 * minute).accept(world.permit(id));
  const verdict = passes(verifyPermit(world.permitFile(id), trial(world)));
  assert.deepEqual(
    verdict.permit?.seats.map((seat) => seat.person),
    [personOf('linus'), personOf('radia')],
  );
});

test('E1, INV9: an emergency passes with and without a debt that the file does not hold', () => {
  const world = new SealedWorld();
  const first = world.permitted(['linus'], { emergency: true });
  passes(verifyPermit(world.permitFile(first), trial(world)));
  const second = world.permitted(['radia'], { emergency: true }, { by: 'bob' });
  assert.deepEqual(world.stateOf(second).change.gate.raised, ['debt-open']);
  const verdict = passes(verifyPermit(world.permitFile(second), trial(world)));
  assert.ok(verdict.notProven.some((limit) => limit.code === 'emergency-debt-state'));
});

test('Y2: a trial, an unfinished format, and another ledger are refused unless the reader says otherwise', () => {
  const world = new SealedWorld();
  const file = world.permitFile(world.permitted());
  fails(verifyPermit(file, { pin: world.ledger }), 'trial-not-allowed');
  fails(verifyPermit(file, { pin: `sha256:${'0'.repeat(64)}`, allowTrial: true }), 'pin-mismatch');
  fails(verifyPermit(file, { pin: '', allowTrial: true }), 'pin-mismatch');
  const real = new SealedWorld({ trial: false });
  const realFile = real.permitFile(real.permitted());
  fails(verifyPermit(realFile, { pin: real.ledger }), 'format-not-final');
  fails(verifyPermit(realFile, { pin: real.ledger, allowTrial: true }), 'format-not-final');
  const verdict = passes(verifyPermit(realFile, { pin: real.ledger, acceptV0: true }));
  assert.equal(verdict.notProven[0]?.code, 'formats-v0');
});

test("Y4: the reader's floor of persons stands, whatever the policy asks; one that is no number refuses", () => {
  const world = new SealedWorld();
  const file = world.permitFile(world.permitted());
  passes(verifyPermit(file, { ...trial(world), minPersons: 1 }));
  fails(verifyPermit(file, { ...trial(world), minPersons: 2 }), 'persons-too-few');
  fails(verifyPermit(file, { ...trial(world), minPersonsFor: { 'deploy.production': 2 } }), 'persons-too-few');
  passes(verifyPermit(file, { ...trial(world), minPersons: 2, minPersonsFor: { 'deploy.production': 1 } }));
  fails(verifyPermit(file, { ...trial(world), minPersons: Number.NaN }), 'persons-too-few');
});

test('Y4: without a word from the reader the floor is one person, and two where the tier is named critical', () => {
  assert.equal(personsFloor('deploy.production', 'standard', {}), 1);
  assert.equal(personsFloor('deploy.production', 'critical', {}), 2);
  assert.equal(personsFloor('deploy.production', 'critical', { minPersons: 1 }), 1);
  assert.equal(personsFloor('deploy.production', 'standard', { minPersonsFor: { 'deploy.production': 3 } }), 3);
  assert.equal(personsFloor('toString', 'critical', { minPersonsFor: { 'deploy.production': 3 } }), 2);
});

test('expectations: another audience, action, target, content, executor or fact than the permit is for', () => {
  const world = new SealedWorld();
  const file = world.permitFile(world.permitted());
  const expecting = (expect: object) => verifyPermit(file, { ...trial(world), expect });
  passes(
    expecting({
      audience: 'web',
      action: 'deploy.production',
      target: 'production/shop',
      content: null,
      executorKey: fingerprintOf('deployer'),
      facts: { service: 'shop', risk: 10 },
    }),
  );
  fails(expecting({ audience: 'other' }), 'permit-wrong-audience');
  fails(expecting({ action: 'deploy.staging' }), 'permit-wrong-change');
  fails(expecting({ target: 'production/pay' }), 'permit-wrong-change');
  fails(expecting({ content: `sha256:${'0'.repeat(64)}` }), 'permit-wrong-change');
  fails(expecting({ executorKey: fingerprintOf('ci') }), 'permit-wrong-executor');
  fails(expecting({ facts: { service: 'pay' } }), 'permit-wrong-change');
  fails(expecting({ facts: { toString: null, artifact: 'x' } }), 'permit-wrong-change');
});

test("X4, V2: by the reader's own clock a permit begins, ends, and rests on votes that still hold", () => {
  const world = new SealedWorld();
  const id = world.ask();
  world.accept(world.vote(id, 'grace', { not_after: addMs(world.time, 5 * minute) }));
  world.accept(world.permit(id));
  const file = world.permitFile(id);
  const atTime = (ms: number) => verifyPermit(file, { ...trial(world), now: addMs(world.time, ms) });
  const verdict = passes(atTime(0));
  assert.ok(!verdict.notProven.some((limit) => limit.code === 'expiry-not-judged'));
  fails(atTime(5 * minute), 'gate-lost');
  fails(atTime(15 * minute), 'permit-expired');
  fails(atTime(-3 * minute), 'permit-not-yet-valid');
  fails(verifyPermit(file, { ...trial(world), now: 'soon' as never }), 'instant-malformed');
});

test('T13, Y5: a reader who has seen a newer roster takes no file that rests on an older one', () => {
  const world = new SealedWorld();
  const id = world.permitted();
  const file = world.permitFile(id);
  world.govern('governance.roster', world.rosterChange({ 'group/risk': { members: [personOf('vint')] } }));
  const knownGovernance = world.state.governance;
  fails(verifyPermit(file, { ...trial(world), knownGovernance }), 'governance-stale');
  const verdict = passes(verifyPermit(world.permitFile(world.permitted()), { ...trial(world), knownGovernance }));
  assert.ok(!verdict.notProven.some((limit) => limit.code === 'governance-freshness'));
});

test('an evidence bundle passes through consumption, result and review, with governance in between', () => {
  const all = policyOf(deployAction({ tiers: [tier({ review_percent: 100 })] }));
  const world = new SealedWorld({ policy: all });
  const id = world.permitted();
  fails(verifyPermit(world.evidence(id), trial(world)), 'shape-mismatch');
  assert.equal(passes(verifyEvidence(world.evidence(id), trial(world))).outcome, 'permitted');
  world.later(minute).accept(world.consumption(id));
  const used = passes(verifyFile(world.evidence(id), trial(world)));
  assert.equal(used.outcome, 'consumed');
  assert.ok(used.notProven.some((limit) => limit.code === 'result-not-signed'));
  world.later(minute).accept(world.result(id, 'succeeded'));
  world.govern('governance.roster', world.rosterChange({ 'group/risk': { members: [personOf('bob')] } }));
  world.later(minute).accept(world.review(id, 'bob'));
  const verdict = passes(verifyFile(world.evidence(id), trial(world)));
  assert.equal(verdict.outcome, 'succeeded');
  for (const code of ['consumption', 'result', 'review'] as const) assert.ok(verdict.proven.includes(code), code);
  assert.ok(!verdict.notProven.some((limit) => limit.code === 'consumption-not-in-file'));
});

test('an evidence bundle says how a permit ended that was not used', () => {
  const world = new SealedWorld({ policy: strictPolicy });
  const vetoed = world.permitted(['linus', 'radia']);
  world.accept(world.stop(vetoed, 'margaret', 'veto'));
  assert.equal(passes(verifyEvidence(world.evidence(vetoed), trial(world))).outcome, 'vetoed');
  const expired = world.permitted(['linus', 'radia']);
  world.later(20 * minute).refuse(world.consumption(expired), 'permit-expired');
  const verdict = passes(verifyEvidence(world.evidence(expired), trial(world)));
  assert.equal(verdict.outcome, 'expired');
  assert.ok(!verdict.proven.includes('consumption'));
  const unknown = world.permitted(['linus', 'radia']);
  world.accept(world.consumption(unknown));
  world.later(25 * 60 * minute).accept(world.tick());
  assert.equal(passes(verifyEvidence(world.evidence(unknown), trial(world))).outcome, 'unknown');
});
