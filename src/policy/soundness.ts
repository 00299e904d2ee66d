// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy, CompiledTier, PrincipalRef } from './compiled.ts';
import { about, checkConsistency } from './consistency.ts';
import { checkGovernance } from './governance-rules.ts';
import { reachOfEmergency, reachOfTier } from './reach.ts';
import { levelReaches, type PolicyRosterFacts } from './roster-facts.ts';
import { checkTiming } from './timing-rules.ts';

export type { PolicyRosterFacts } from './roster-facts.ts';

/** Most persons one tier may ask for; the gate's search is exact up to there (SPEC P6). */
export const maxSeats = 12;

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
    found.push(about(action, 'policy-nobody', 'P6', '`ask` is empty', 'name who may ask; an empty list is nobody'));
  if (action.run.length === 0 && !isGovernance(action))
    found.push(
      about(action, 'policy-nobody', 'P6', '`run` is empty', 'name who may run it, such as `machine:deployer`'),
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

/** What is wrong with a tier whoever there is. */
const checkTier = (action: CompiledAction, tier: CompiledTier): readonly Refusal[] => {
  const found: Refusal[] = [];
  const facts = { tier: tier.name };
  for (const seat of tier.seats)
    if (seat.count < 1)
      found.push(
        about(
          action,
          'policy-seat-count',
          'P6',
          `seat \`${seat.name}\` of tier \`${tier.name}\` asks for ${seat.count} persons`,
          'ask for at least one person',
          facts,
        ),
      );
  const persons = tier.seats.reduce((sum, seat) => sum + Math.max(0, seat.count), 0);
  if (persons > maxSeats)
    found.push(
      about(
        action,
        'policy-too-many-seats',
        'P6',
        `tier \`${tier.name}\` asks for ${persons} persons, more than ${maxSeats}`,
        'ask for fewer',
        facts,
      ),
    );
  if (persons === 0)
    found.push(
      namesProduction(action)
        ? about(
            action,
            'policy-production-without-person',
            'P8',
            `tier \`${tier.name}\` lets production change without a second person`,
            'give the tier `approvals`; production never changes by one person alone',
            facts,
          )
        : about(
            action,
            'policy-unsupported',
            'P8',
            `tier \`${tier.name}\` has no seat for a person, and automatic tiers are not supported yet`,
            'give the tier `approvals`, such as `platform: 1 of group:platform`',
            facts,
          ),
    );
  if (tier.independent_surface > persons)
    found.push(
      about(
        action,
        'policy-surface-unmeetable',
        'P8',
        `tier \`${tier.name}\` wants ${tier.independent_surface} seats signed on an independent surface and has ${persons}`,
        'lower `independent-surface`, or add seats',
        facts,
      ),
    );
  if (tier.name === 'critical' && tier.sign_with === 'own-key')
    found.push(
      about(
        action,
        'policy-critical-own-key',
        'P8',
        'tier `critical` takes a key file',
        'write `sign-with: present` or `sign-with: hardware`',
        facts,
      ),
    );
  if (tier.name === 'critical' && tier.independent_surface < 1)
    found.push(
      about(
        action,
        'policy-critical-surface',
        'P8',
        'tier `critical` has no seat signed on an independent surface',
        'write `independent-surface: 1`',
        facts,
      ),
    );
  return found;
};

const namesProduction = (action: CompiledAction): boolean =>
  action.enforced === 'target-verified' || /prod/i.test(`${action.name} ${action.target}`);

/**
 * A riskier change never meets a weaker gate (INV2): every tier asks for at least all that the one before it asks for.
 * Otherwise whoever wants the weaker gate would only have to look riskier.
 */
const checkOrder = (action: CompiledAction): readonly Refusal[] =>
  action.tiers.slice(1).flatMap((tier, at) => {
    const before = action.tiers[at];
    const weaker = before === undefined ? [] : weakerIn(before, tier);
    return weaker.length === 0
      ? []
      : [
          about(
            action,
            'policy-tier-weaker',
            'P9',
            `tier \`${tier.name}\` asks for less than \`${before?.name ?? ''}\` in ${weaker.join(', ')}`,
            'let every tier ask for at least what the tier before it asks for',
            { tier: tier.name, weaker },
          ),
        ];
  });

const weakerIn = (before: CompiledTier, tier: CompiledTier): readonly string[] => {
  const fewer = [...new Set(before.seats.map((seat) => seat.group))].some(
    (group) => seatsOf(tier, group) < seatsOf(before, group),
  );
  const vetoers = tier.time_lock?.veto ?? [];
  const checks: readonly (readonly [string, boolean])[] = [
    ['approvals', fewer],
    ['must-not-share', before.must_not_share.some((attribute) => !tier.must_not_share.includes(attribute))],
    ['sign-with', !levelReaches(tier.sign_with, before.sign_with)],
    ['independent-surface', tier.independent_surface < before.independent_surface],
    ['time-lock', (tier.time_lock?.wait_ms ?? 0) < (before.time_lock?.wait_ms ?? 0)],
    ['veto', (before.time_lock?.veto ?? []).some((one) => !vetoers.includes(one))],
    ['review', tier.review_percent < before.review_percent],
  ];
  return checks.filter(([, weaker]) => weaker).map(([what]) => what);
};

const seatsOf = (tier: CompiledTier, group: string): number =>
  tier.seats.reduce((sum, seat) => (seat.group === group ? sum + seat.count : sum), 0);

const checkEmergency = (action: CompiledAction, roster: PolicyRosterFacts): readonly Refusal[] => {
  const { emergency } = action;
  if (emergency === null) return [];
  const { count } = emergency.confirm;
  const found: Refusal[] = [];
  if (emergency.ask.length === 0)
    found.push(about(action, 'policy-nobody', 'P11', '`emergency.ask` is empty', 'name who may ask in an emergency'));
  if (count < 1 || count > maxSeats)
    found.push(
      about(
        action,
        'policy-seat-count',
        'P11',
        `the emergency is confirmed by ${count} persons`,
        `let 1 to ${maxSeats} persons confirm it`,
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
