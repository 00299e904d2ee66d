// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy, PrincipalRef } from './compiled.ts';
import { about, checkConsistency } from './consistency.ts';
import { checkGovernance } from './governance-rules.ts';
import { anybodyReaches, emergencyQuestion } from './reach.ts';
import type { PolicyRosterFacts } from './roster-facts.ts';
import { checkOrder, checkTier, maxSeats } from './tier-rules.ts';
import { checkTiming } from './timing-rules.ts';
import { whyUnmeetable } from './unmeetable.ts';

export type { PolicyRosterFacts } from './roster-facts.ts';

/**
 * Everything that is wrong with a policy for the people there are (SPEC P4–P13); an empty list means that it may be
 * in force. Called with the policy that shall become active, and with the active one whenever the roster changes.
 * A gate that one person could meet, that nobody could meet, or that a guess would decide, is refused.
 */
export const checkSoundness = (policy: CompiledPolicy, roster: PolicyRosterFacts): readonly Refusal[] => [
  ...checkGovernance(policy),
  ...Object.values(policy.actions).flatMap((action) => checkAction(action, roster)),
];

/** The first of them, for the ledger, which needs no more: it looks no further, since everybody waits meanwhile (A44). */
export const firstUnsound = (
  policy: CompiledPolicy,
  roster: PolicyRosterFacts,
  concerns: (action: string) => boolean = () => true,
): Refusal | undefined => {
  const [ungoverned] = checkGovernance(policy);
  if (ungoverned !== undefined) return ungoverned;
  for (const action of Object.values(policy.actions)) {
    const [first] = concerns(action.name) ? checkAction(action, roster) : [];
    if (first !== undefined) return first;
  }
  return undefined;
};

// What rests on a name that is wrong would only be told twice, so it waits until the name is right.
const checkAction = (action: CompiledAction, roster: PolicyRosterFacts): readonly Refusal[] => {
  const names = checkReferences(action, roster);
  const wrong = names.map((refusal) => String(refusal.facts['where'] ?? ''));
  const inTier = (tier: string): boolean => wrong.some((where) => where.startsWith(`tiers.${tier}.`));
  const who = wrong.includes('ask') || wrong.includes('run');
  return [
    ...checkConsistency(action),
    ...names,
    ...checkTiers(action, roster, (tier) => who || inTier(tier)),
    ...checkOrder(action, inTier),
    ...checkTiming(action),
    ...checkEmergency(action, roster, who || wrong.includes('emergency')),
    ...checkReviewers(action),
  ];
};

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
    if (!known) found.push(unknownPrincipal(action, where, reference));
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

const unknownPrincipal = (action: CompiledAction, where: string, reference: PrincipalRef): Refusal => {
  const kind = reference.slice(0, reference.indexOf(':'));
  return {
    code: 'policy-principal-unknown',
    rule: 'P6',
    message: `\`${reference}\` of \`${action.name}\` is not in the roster${kind === 'group' ? '' : ', or is suspended there'}`,
    facts: { action: action.name, where, principal: reference },
    // Whether another was meant is for `lint` to say: to compare names takes long, and here everybody waits (A44).
    help: 'enrol it first, or correct the name',
  };
};

const checkTiers = (
  action: CompiledAction,
  roster: PolicyRosterFacts,
  waits: (tier: string) => boolean,
): readonly Refusal[] =>
  action.tiers.flatMap((tier) => {
    const wrong = checkTier(action, tier);
    if (wrong.length > 0) return wrong;
    const gate = { ...tier, ask: action.ask, run: action.run };
    if (waits(tier.name) || anybodyReaches(roster, gate)) return [];
    const why = whyUnmeetable(roster, gate);
    const seat = why.facts['seat'];
    return [
      about(
        action,
        'policy-gate-unmeetable',
        'P7',
        `nobody could ever meet the gate of tier \`${tier.name}\`: ${why.message},`,
        why.help,
        {
          ...why.facts,
          ...(why.cause === 'too-few-members' && typeof seat === 'string'
            ? { where: `tiers.${tier.name}.${seat}` }
            : {}),
          cause: why.cause,
          tier: tier.name,
          sign_with: tier.sign_with,
          must_not_share: tier.must_not_share,
        },
      ),
    ];
  });

const checkEmergency = (action: CompiledAction, roster: PolicyRosterFacts, waits: boolean): readonly Refusal[] => {
  const { emergency } = action;
  const gate = emergencyQuestion(action);
  if (emergency === null || gate === undefined) return [];
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
  if (found.length === 0 && !waits && !anybodyReaches(roster, gate))
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
