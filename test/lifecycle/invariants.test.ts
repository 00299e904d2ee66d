// SPDX-License-Identifier: Apache-2.0
// Random histories: many persons, keys, machines and moments, looking for one in which a person was enough.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCanonical, canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { decide } from '../../src/lifecycle/decide.ts';
import { evolve } from '../../src/lifecycle/evolve.ts';
import { initialState } from '../../src/lifecycle/state.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import type { LifecycleEvent } from '../../src/lifecycle/event.ts';
import { deployAction, minute, people, personOf, policyOf, tier, World } from '../support/world.ts';

const names = Object.keys(people);
const runs = Number(process.env['COUNTERSIGN_PROPERTY_RUNS'] ?? 60);

const policy = policyOf(
  deployAction({
    run: ['machine:deployer', 'group:platform'],
    tiers: [
      tier({
        seats: [
          { name: 'platform', count: 2, group: 'group:platform' },
          { name: 'security', count: 1, group: 'group:security' },
        ],
        must_not_share: [],
      }),
    ],
  }),
);

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      by: fc.constantFrom('ada', 'bob', 'grace', 'ci'),
      emergency: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      by: fc.constantFrom(...names),
      at: fc.nat(3),
      second: fc.boolean(),
      seats: fc.subarray(['platform', 'security', 'commander'], { minLength: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('permit' as const), at: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('consume' as const), at: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stop' as const),
      by: fc.constantFrom(...names),
      at: fc.nat(3),
      veto: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(1, 10, 20, 300) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const play = (world: World, ids: string[], one: Step): void => {
  if (one.kind === 'ask') {
    const command = world.request({ emergency: one.emergency }, { by: one.by });
    if (world.send(command).decision.kind === 'accepted') ids.push(command.request);
    return;
  }
  if (one.kind === 'wait') {
    world.later(one.minutes * minute);
    return;
  }
  const id = ids[one.at];
  if (id === undefined) return;
  if (one.kind === 'vote')
    world.send(
      world.vote(id, one.by, { seats: one.seats }, one.second && one.by === 'grace' ? 'grace-second' : one.by),
    );
  if (one.kind === 'permit') world.send(world.permit(id));
  if (one.kind === 'consume' && world.stateOf(id).permit !== null) world.send(world.consumption(id));
  if (one.kind === 'stop') world.send(world.stop(id, one.by, one.veto ? 'veto' : 'withdrawal'));
};

test('INV1, INV6, INV10: whatever happens, a permit has distinct persons in its seats, none of them a producer, and ends once', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const world = new World(policy);
      const ids: string[] = [];
      const ended = new Map<string, string>();
      for (const one of steps) {
        play(world, ids, one);
        for (const id of ids) {
          const { status, permit, change } = world.stateOf(id);
          const before = ended.get(id);
          if (before !== undefined) assert.equal(status, before, 'what is over stays over');
          if (['refused', 'withdrawn', 'vetoed', 'expired', 'finished'].includes(status)) ended.set(id, status);
          if (permit === null) continue;
          const persons = permit.seats.map((seat) => seat.person);
          const wanted = change.gate.seats.reduce((sum, seat) => sum + seat.count, 0);
          assert.equal(new Set(persons).size, wanted);
          assert.equal(persons.length, wanted);
          for (const person of persons) assert.ok(!change.producers.includes(person) && person !== personOf('unknown'));
        }
      }
    }),
    { numRuns: runs },
  );
});

test('INV12: replaying the entries gives the same decisions and events, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
      const world = new World(policy);
      const ids: string[] = [];
      for (const one of steps) play(world, ids, one);
      let state = initialState;
      for (const text of world.entries) {
        const parsed = parseCanonical(text);
        assert.ok(parsed.ok);
        const { command, events, index, time } = parsed.value as unknown as {
          command: Command;
          events: LifecycleEvent[];
          index: number;
          time: never;
        };
        const decision = decide(state, command, { index, time }, world.blobs);
        assert.equal(
          canonicalize(decision.events as unknown as JsonValue),
          canonicalize(events as unknown as JsonValue),
        );
        state = evolve(state, { index, time, command, events, leafHash: leafHash(text) }, world.blobs);
      }
      assert.equal(
        canonicalize(state.edge as unknown as JsonValue),
        canonicalize(world.state.edge as unknown as JsonValue),
      );
    }),
    { numRuns: Math.ceil(runs / 3) },
  );
});

test('the order in which votes come does not decide whether a gate is met', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(['grace', 'linus', 'ada', 'radia'], { minLength: 3 }), (order) => {
      const meets = (voters: readonly string[]): boolean => {
        const world = new World(policy);
        const id = world.ask({}, { by: 'bob' });
        for (const by of voters) world.send(world.vote(id, by));
        return world.stateOf(id).status === 'met';
      };
      assert.equal(meets(order), meets([...order].sort()));
    }),
    { numRuns: Math.ceil(runs / 3) },
  );
});
