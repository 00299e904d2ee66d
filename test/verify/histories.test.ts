// SPDX-License-Identifier: Apache-2.0
// Random histories: whatever permit an honest ledger issued, a stranger can verify; and with any one vote taken out, not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openCase, verifyEvidence, verifyPermit } from '../../src/verify/verify.ts';
import { deployAction, minute, people, personOf, policyOf, tier } from '../support/world.ts';
import { forgedPermit } from './insider.ts';
import { SealedWorld } from './sealed-world.ts';

const runs = Number(process.env['COUNTERSIGN_PROPERTY_RUNS'] ?? 60);
const policyWith = (permit_valid_ms: number) =>
  policyOf(
    deployAction({
      timing: { ...deployAction().timing, permit_valid_ms },
      tiers: [
        tier({
          seats: [
            { name: 'platform', count: 1, group: 'group:platform' },
            { name: 'security', count: 1, group: 'group:security' },
          ],
        }),
      ],
    }),
  );

const at = fc.nat(2);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      by: fc.constantFrom('ada', 'bob', 'ci'),
      emergency: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant('vote' as const), at, by: fc.constantFrom(...Object.keys(people)) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('approve' as const), at }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('permit' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('consume' as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('roster' as const), at, drop: fc.constantFrom('grace', 'linus') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('policy' as const), valid: fc.integer({ min: 5, max: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(1, 10, 20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const play = (world: SealedWorld, ids: string[], one: Step): void => {
  if (one.kind === 'ask') {
    const command = world.request({ emergency: one.emergency }, { by: one.by });
    if (world.send(command).decision.kind === 'accepted') ids.push(command.request);
    return;
  }
  if (one.kind === 'wait') return void world.later(one.minutes * minute);
  if (one.kind === 'tick') return void world.send(world.tick());
  if (one.kind === 'policy') {
    const change = world.policyChange(policyWith(one.valid * minute));
    const asked = world.proposal('governance.policy', change);
    if (world.send(asked).decision.kind === 'refused') return;
    for (const by of ['radia', 'margaret']) world.send(world.vote(asked.request, by, { seats: ['founders'] }));
    return void world.send(world.activation(asked.request));
  }
  if (one.kind === 'roster') {
    const members = ['grace', 'linus', 'ada'].filter((name) => name !== one.drop).map(personOf);
    const asked = world.proposal('governance.roster', world.rosterChange({ 'group/platform': { members } }));
    if (world.send(asked).decision.kind === 'refused') return;
    for (const by of ['radia', 'margaret']) world.send(world.vote(asked.request, by, { seats: ['founders'] }));
    return void world.send(world.activation(asked.request));
  }
  const id = ids[one.at];
  if (id === undefined) return;
  if (one.kind === 'vote') {
    const seats = world.stateOf(id).change.gate.seats.map((seat) => seat.name);
    for (const choice of [seats, ...seats.map((seat) => [seat])])
      if (world.send(world.vote(id, one.by, { seats: choice })).decision.kind === 'accepted') return;
  }
  if (one.kind === 'approve')
    for (const by of ['linus', 'radia']) {
      const seat = world.stateOf(id).change.emergency ? 'commander' : by === 'linus' ? 'platform' : 'security';
      world.send(world.vote(id, by, { seats: [seat] }));
    }
  if (one.kind === 'permit') world.send(world.permit(id));
  if (one.kind === 'consume' && world.stateOf(id).permit !== null) world.send(world.consumption(id));
};

test('INV12: every permit, evidence bundle and case of a random honest history verifies', () => {
  let permits = 0;
  let governed = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 15, maxLength: 50 }), (steps) => {
      const world = new SealedWorld({ policy: policyWith(15 * minute) });
      const ids: string[] = [];
      const middle = Math.floor(steps.length / 2);
      for (const one of steps.slice(0, middle)) play(world, ids, one);
      // Somewhere in it one that goes through, if those who fill its seats are still there.
      play(world, ids, { kind: 'ask', by: 'bob', emergency: false });
      const own = ids.length - 1;
      play(world, ids, { kind: 'approve', at: own });
      play(world, ids, { kind: 'permit', at: own });
      for (const one of steps.slice(middle)) play(world, ids, one);
      const options = { pin: world.ledger, allowTrial: true };
      for (const id of ids) {
        const request = world.stateOf(id);
        const opened = openCase(world.caseFile(id), { ...options, request: id });
        assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
        assert.equal(opened.value.digest, request.digest);
        assert.equal(opened.value.request.status, request.status);
        if (request.permit === null) continue;
        permits += 1;
        governed += world.state.governanceEntries.length > 1 ? 1 : 0;
        const verdict = verifyPermit(world.permitFile(id), options);
        assert.deepEqual(
          verdict.reasons.map((reason) => reason.message),
          [],
        );
        assert.deepEqual(verdict.permit, request.permit);
        const evidence = verifyEvidence(world.evidence(id), options);
        assert.deepEqual(
          evidence.reasons.map((reason) => reason.message),
          [],
        );
        // INV11: with any one of the votes it rests on taken out, and all links mended, it is no permit.
        for (const seat of request.permit.seats) {
          const vote = request.votes.find((cast) => cast.leaf === seat.vote);
          const forged = forgedPermit(world, id, (entries) => entries.filter((entry) => entry.index !== vote?.index));
          assert.equal(verifyPermit(forged, options).result, 'FAIL');
        }
      }
    }),
    { numRuns: Math.ceil(runs / 2) },
  );
  assert.ok(permits > runs / 4 && governed > runs / 40, `${permits} permits, ${governed} after changes of governance`);
});
