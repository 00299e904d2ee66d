// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledPolicy } from './compiled.ts';
import { about } from './consistency.ts';
import { didYouMean, nearest } from './diagnostic.ts';
import type { PolicyRosterFacts } from './roster-facts.ts';

/**
 * Whether every action has an enforcement point, and every enforcement point its actions (SPEC P16). Where one is
 * missing nothing opens: each request is refused (SPEC Q4). So the ledger lets either come first, and an action and its
 * point enter by two changes in whichever order; only `policy lint` and `init`, which see both at once, ask for both.
 */
export const checkPoints = (policy: CompiledPolicy, roster: PolicyRosterFacts): readonly Refusal[] => [
  ...unknownActions(policy, roster),
  ...unservedActions(policy, roster),
];

const isGovernance = (name: string): boolean => name.startsWith('governance.');

const unknownActions = (policy: CompiledPolicy, roster: PolicyRosterFacts): readonly Refusal[] => {
  const known = Object.keys(policy.actions).filter((name) => !isGovernance(name));
  return [...roster.instances].flatMap(([instance, actions]) =>
    actions
      .filter((name) => !known.includes(name))
      .map((name) => ({
        code: 'policy-point-unknown-action' as const,
        rule: 'P16',
        message: isGovernance(name)
          ? `enforcement point \`${instance}\` names \`${name}\`, which the ledger carries out itself`
          : `enforcement point \`${instance}\` names the action \`${name}\`, which the policy does not have`,
        facts: { instance, action: name },
        help: isGovernance(name) ? 'leave it out' : didYouMean(name, known),
      })),
  );
};

const unservedActions = (policy: CompiledPolicy, roster: PolicyRosterFacts): readonly Refusal[] => {
  const known = Object.keys(policy.actions);
  // A misspelt name is told where it stands; that the action it is meant for has no point follows from it.
  const served = new Set([...roster.instances.values()].flat().map((name) => nearest(name, known) ?? name));
  return Object.values(policy.actions)
    .filter((action) => action.run.length > 0 && !isGovernance(action.name) && !served.has(action.name))
    .map((action) =>
      about(
        action,
        'policy-point-missing',
        'P16',
        'no enforcement point serves the action',
        `add one to the roster, such as \`enforcement-points: {shell: {actions: [${action.name}], operator: "${action.run.find((one) => one.startsWith('machine:')) ?? 'machine:deployer'}"}}\`; until then every request is refused`,
      ),
    );
};
