// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledTier } from './compiled.ts';
import { about } from './consistency.ts';
import { levelReaches } from './roster-facts.ts';

/** Most persons one tier may ask for; the gate's search is exact up to there (SPEC P6). */
export const maxSeats = 12;

/** What is wrong with a tier whoever there is. */
export const checkTier = (action: CompiledAction, tier: CompiledTier): readonly Refusal[] => {
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
          { ...facts, where: `tiers.${tier.name}.${seat.name}` },
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
 * Otherwise whoever wants the weaker gate would only have to look riskier. A tier that `waits` names somebody there is
 * not, which is refused already.
 */
export const checkOrder = (action: CompiledAction, waits: (tier: string) => boolean): readonly Refusal[] =>
  action.tiers.slice(1).flatMap((tier, at) => {
    const before = action.tiers[at];
    const weaker = before === undefined || waits(tier.name) || waits(before.name) ? [] : weakerIn(before, tier);
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
