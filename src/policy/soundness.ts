// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy, PrincipalRef } from './compiled.ts';
import { about, checkConsistency } from './consistency.ts';
import { checkGovernance } from './governance-rules.ts';
import { reachOfEmergency, reachOfTier } from './reach.ts';
import type { PolicyRosterFacts } from './roster-facts.ts';
import { checkOrder, checkTier, maxSeats } from './tier-rules.ts';
import { checkTiming } from './timing-rules.ts';

export type { PolicyRosterFacts } from './roster-facts.ts';

/**
 * Everything that is wrong with a policy for the people there are (SPEC P4–P13); an empty list means that it may be
 * in force. Called with the policy that shall become active, and with the active one whenever the roster changes.
 * A gate that one person could meet, that nobody could meet, or that a guess would decide, is refused.
 */
export const checkSoundness = (policy: CompiledPolicy, roster: PolicyRosterFacts): readonly Refusal[] => [
  ...checkGovernance(policy),
  ...Object.values(policy.actions).flatMap((action) => [
    ...checkConsistency(action),
    ...checkReferences(action, roster),
    ...checkTiers(action, roster),
    ...checkOrder(action),
    ...checkTiming(action),
    ...checkEmergency(action, roster),
    ...checkReviewers(action),
  ]),
];

const isGovernance = (action: CompiledAction): boolean => action.name.startsWith('governance.');

/** Every principal that the action names, and what for. */
const references = (action: CompiledAction): readonly (readonly [string, PrincipalRef])[] => [
  ['owner', action.owner],
  ...action.ask.map((one) => ['ask', one] as const),
  ...action.run.map((one) => ['run', one] as const),
  ...Object.entries(action.facts).flatMap(([name, fact]) =>
    fact.source.kind === 'attested' ? [[`facts.${name}`, fact.source.by] as const] : [],
  ),
  ...action.tiers.flatMap((tier) => [
    ...tier.seats.map((seat) => [`tiers.${tier.name}.${seat.name}`, seat.group] as const),
    ...(tier.time_lock?.veto ?? []).map((one) => [`tiers.${tier.name}.time_lock.veto`, one] as const),
  ]),
  ...(action.reviewers === null ? [] : [['reviewers', action.reviewers] as const]),
  ...(action.emergency === null
    ? []
    : [...action.emergency.ask, action.emergency.confirm.group].map((one) => ['emergency', one] as const)),
];

// An unknown name and an empty group are nobody, never everybody (A29, C10).
const checkReferences = (action: CompiledAction, roster: PolicyRosterFacts): readonly Refusal[] => {
  const found: Refusal[] = [];
  if (action.ask.length === 0)
    found.push(
      about(action, 'policy-nobody', 'P6', '`ask` is empty', 'name who may ask; an empty list is nobody', {
        where: 'ask',
      }),
    );
  if (action.run.length === 0 && !isGovernance(action))
    found.push(
      about(action, 'policy-nobody', 'P6', '`run` is empty', 'name who may run it, such as `machine:deployer`', {
        where: 'run',
      }),
    );
  for (const [where, reference] of references(action)) {
    const id = reference.slice(reference.indexOf(':') + 1);
    const members = reference.startsWith('group:') ? roster.groupMembers(id) : undefined;
    const known = reference.startsWith('group:')
      ? members !== undefined
      : reference.startsWith('machine:')
        ? roster.hasMachine(id)
        : roster.hasPerson(id);
    if (!known)
      found.push(
        about(
          action,
          'policy-principal-unknown',
          'P6',
          `\`${where}\` names \`${reference}\`, which the roster does not have as active`,
          'enrol it first, or correct the name',
          { where, principal: reference },
        ),
      );
    else if (members?.length === 0)
      found.push(
        about(
          action,
          'policy-group-empty',
          'P6',
          `\`${where}\` names \`${reference}\`, which has no active member`,
          'add members to the group first',
          { where, principal: reference },
        ),
      );
  }
  return found;
};

const checkTiers = (action: CompiledAction, roster: PolicyRosterFacts): readonly Refusal[] =>
  action.tiers.flatMap((tier) => {
    const wrong = checkTier(action, tier);
    if (wrong.length > 0) return wrong;
    const { can } = reachOfTier(roster, action, tier);
    if (can.length > 0) return [];
    return [
      about(
        action,
        'policy-gate-unmeetable',
        'P7',
        `nobody who may ask could ever meet the gate of tier \`${tier.name}\``,
        'add people, keys at the level asked for, or people of another team; one person fills one seat, and neither the requester nor who runs it fills any',
        { tier: tier.name, sign_with: tier.sign_with, must_not_share: tier.must_not_share },
      ),
    ];
  });

const checkEmergency = (action: CompiledAction, roster: PolicyRosterFacts): readonly Refusal[] => {
  const { emergency } = action;
  if (emergency === null) return [];
  const { count } = emergency.confirm;
  const found: Refusal[] = [];
  if (emergency.ask.length === 0)
    found.push(
      about(action, 'policy-nobody', 'P11', '`emergency.ask` is empty', 'name who may ask in an emergency', {
        where: 'emergency.ask',
      }),
    );
  if (count < 1 || count > maxSeats)
    found.push(
      about(
        action,
        'policy-seat-count',
        'P11',
        `the emergency is confirmed by ${count} persons`,
        `let 1 to ${maxSeats} persons confirm it`,
        { where: 'emergency.confirm' },
      ),
    );
  if (found.length === 0 && reachOfEmergency(roster, action).can.length === 0)
    found.push(
      about(
        action,
        'policy-emergency-unmeetable',
        'P11',
        'no one who may ask in an emergency would find a commander other than themselves',
        "put people into the commanders' group who do not ask and have keys of the strictest tier's level",
        { where: 'emergency.confirm' },
      ),
    );
  return found;
};

const checkReviewers = (action: CompiledAction): readonly Refusal[] => {
  const reviewed = action.emergency !== null || action.tiers.some((tier) => tier.review_percent > 0);
  return reviewed && action.reviewers === null
    ? [
        about(
          action,
          'policy-reviewers-missing',
          'P12',
          'there are reviews and nobody to make them',
          'name `reviewers`, such as `reviewers: group:risk`',
        ),
      ]
    : [];
};
