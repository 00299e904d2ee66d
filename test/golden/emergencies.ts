// SPDX-License-Identifier: Apache-2.0
// Break-glass: used, left unused, stopped, unanswered; the debts they leave, the bar they raise, and how it is paid.
import { day, deployAction, hour, minute, personOf, policyOf } from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import type { History } from './history.ts';

const live = (): SealedWorld => {
  const world = new SealedWorld({ policy: policyOf(deployAction()) });
  const invoke = (by: string): string => world.ask({ emergency: true }, { by });
  const confirmed = (by: string, commander: string): string => {
    const id = invoke(by);
    world.later(minute).accept(world.vote(id, commander));
    world.accept(world.permit(id));
    return id;
  };
  const first = confirmed('margaret', 'radia');
  world.refuse(world.review(first, 'vint'), 'review-not-open');
  world.later(minute).accept(world.consumption(first));
  world.accept(world.result(first, 'succeeded'));
  world.refuse(world.review(first, 'radia'), 'review-not-entitled');
  // The debt is open, which raises the next one; nobody uses it.
  const second = invoke('ada');
  world.refuse(world.vote(second, 'ada', { seats: ['commander'] }), 'vote-by-producer');
  world.accept(world.vote(second, 'linus'));
  world.accept(world.permit(second));
  world.later(hour).accept(world.tick());
  world.later(day).accept(world.tick());
  world.refuse(world.review(second, 'linus'), 'review-by-involved');
  world.accept(world.review(first, 'vint', 'unjustified'));
  world.accept(world.review(second, 'vint', 'justified'));
  world.refuse(world.review(second, 'vint'), 'review-not-open');
  // Stopped by a veto before and after its permit, withdrawn, and left to run out.
  const vetoed = confirmed('margaret', 'radia');
  world.accept(world.stop(vetoed, 'linus', 'veto'));
  world.accept(world.stop(invoke('margaret'), 'margaret', 'withdrawal'));
  invoke('bob');
  world.later(5 * hour).accept(world.tick());
  // A machine does not break the glass, and drivers lower no bar.
  world.refuse(world.request({ emergency: true }, { by: 'ci' }), 'ask-not-allowed');
  world.ask({ emergency: true, drivers: [personOf('linus')] }, { by: 'margaret' });
  return world;
};

export const emergencies: History = {
  name: 'emergencies',
  about: 'The emergency path, the reviews that it leaves, and what an unpaid one does to the next.',
  live,
};
