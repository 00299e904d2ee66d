// SPDX-License-Identifier: Apache-2.0
// From asking to the result and every other end of a request, with nobody doing anything they may not.
import { deployAction, day, hour, minute, personOf, policyOf, rosterRecords, tier } from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import { risky, strict, type History } from './history.ts';

const policy = policyOf(
  deployAction({ risk: { start: 0, add: [risky(60)], never_below: [] } }),
  deployAction({
    name: 'deploy.edge',
    target: 'edge/{service}',
    consume: 'offline',
    facts: { service: { type: 'name', source: { kind: 'requester' }, max: null } },
    tiers: [tier({ review_percent: 100 })],
  }),
);

const edge = { action: 'deploy.edge', audience: 'edge', facts: { service: 'shop' } };
const records = {
  ...rosterRecords(),
  'instance/edge': { status: 'active', actions: ['deploy.edge'], operator: 'machine:deployer' },
};

const used = (world: SealedWorld, outcome: string): string => {
  const id = world.permitted(['linus', 'radia'], { facts: { service: 'shop', risk: 10 } });
  world.later(minute).accept(world.consumption(id));
  world.later(minute).accept(world.result(id, outcome));
  return id;
};

export const ordinary: History = {
  name: 'ordinary',
  about: 'Requests of people and a machine, and every way in which one can end.',
  live: () => live(),
};

const live = (): SealedWorld => {
  const world = new SealedWorld({ policy, records });
  used(world, 'succeeded');
  used(world, 'failed');
  used(world, 'unknown');
  // A machine asks, and whoever drove it is named.
  const machine = world.ask({ drivers: [personOf('bob')] }, { by: 'ci' });
  world.later(minute).accept(world.vote(machine, 'linus'));
  world.accept(world.vote(machine, 'radia'));
  world.later(20 * minute).accept(world.permit(machine));
  // Nobody says what came of it within a day.
  world.accept(world.consumption(machine));
  world.later(day).accept(world.tick());
  // A lock, and the veto during it.
  const locked = world.ask(strict);
  world.accept(world.vote(locked, 'grace'));
  world.later(minute).accept(world.vote(locked, 'radia'));
  world.later(minute).accept(world.stop(locked, 'margaret', 'veto'));
  // A veto of a permit, a withdrawal, a rejection.
  const vetoed = world.permitted(['grace', 'radia'], strict);
  world.later(minute).accept(world.stop(vetoed, 'linus', 'veto'));
  const withdrawn = world.ask();
  world.later(minute).accept(world.stop(withdrawn, 'ada', 'withdrawal'));
  const rejected = world.ask();
  world.later(minute).accept(world.vote(rejected, 'linus', { decision: 'reject' }));
  // A permit that nobody used, a request that nobody answered.
  world.permitted(['grace', 'radia'], strict);
  world.later(16 * minute).accept(world.tick());
  world.ask();
  world.later(4 * hour).accept(world.tick());
  // Used in time at a point without a line to the server, told afterwards; its review is owed and paid.
  const offline = world.permitted(['grace'], edge, { attested: [] });
  const at = world.later(5 * minute).time;
  world.later(hour).accept(world.consumption(offline, { at }));
  world.accept(world.result(offline, 'succeeded'));
  world.later(hour).accept(world.review(offline, 'vint', 'needs-change'));
  return world;
};
