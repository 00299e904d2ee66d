// SPDX-License-Identifier: Apache-2.0
import type { JsonObject, Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy } from './compiled.ts';
import { about } from './consistency.ts';

const governed = ['governance.policy', 'governance.roster'] as const;
const leastPersons = 2;

/**
 * Policy and roster govern themselves by two actions, no more and no fewer (SPEC P13, INV8). An emergency path would
 * be a way round their seats, and an action of another `governance.` name a second door to what they guard; so neither
 * is let in.
 */
export const checkGovernance = (policy: CompiledPolicy): readonly Refusal[] => [
  ...governed.flatMap((name) => (Object.hasOwn(policy.actions, name) ? [] : [missing(name)])),
  ...Object.values(policy.actions).flatMap((action) =>
    action.name.startsWith('governance.') ? checkAction(action) : [],
  ),
];

const missing = (name: string): Refusal => ({
  code: 'policy-governance-missing',
  rule: 'P13',
  message: `there is no action \`${name}\``,
  facts: { action: name },
  help: 'add it, with at least 2 seats; without it nobody could ever change this again',
});

const checkAction = (action: CompiledAction): readonly Refusal[] => {
  const found: Refusal[] = [];
  const weak = (message: string, help: string, place: JsonObject): void => {
    found.push(about(action, 'policy-governance-weak', 'P13', message, help, place));
  };
  if (!governed.some((name) => name === action.name))
    found.push(
      about(
        action,
        'policy-governance-unknown',
        'P13',
        'the prefix `governance.` is taken',
        `use another name; only ${governed.join(' and ')} begin so`,
      ),
    );
  for (const tier of action.tiers) {
    const persons = tier.seats.reduce((sum, seat) => sum + Math.max(0, seat.count), 0);
    if (persons < leastPersons)
      weak(
        `tier \`${tier.name}\` asks for ${persons} persons`,
        `ask for at least ${leastPersons} besides the one who asks`,
        { tier: tier.name },
      );
  }
  if (action.emergency !== null)
    weak('an emergency path goes round the seats', 'leave `emergency` out; nothing about governance is that urgent', {
      where: 'emergency',
    });
  if (Object.keys(action.facts).length > 0)
    weak('governance takes no facts', 'leave `facts` out; the change itself is the content', { where: 'facts' });
  if (action.ask.some((one) => !one.startsWith('group:')))
    weak('`ask` names others than groups', 'let a group of persons ask', { where: 'ask' });
  return found;
};
