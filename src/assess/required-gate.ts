// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, CompiledTier } from '../policy/compiled.ts';
import type { Gate } from '../request/change-document.ts';
import { membersOf, sharesAttribute, type Roster } from '../roster/roster.ts';

/** The gate a tier asks for, in full, as people will sign it. */
export const tierGate = (tier: CompiledTier): Gate => ({
  seats: tier.seats.map(({ name, group, count }) => ({ name, group, count })),
  must_not_share: tier.must_not_share,
  sign_with: tier.sign_with,
  independent_surface: tier.independent_surface,
  time_lock: tier.time_lock,
  review_percent: tier.review_percent,
  raised: [],
});

/**
 * The emergency gate: a commander who is another person, no waiting, a review always (SPEC E1). It keeps the key
 * level of the strictest tier. While a debt is unpaid the commander has to come from another team, unless nobody
 * could then command: an unpaid debt raises the bar and never bars the exit (INV9).
 */
export const emergencyGate = (
  action: CompiledAction,
  strictest: CompiledTier,
  roster: Roster,
  producers: readonly string[],
  debtOpen: boolean,
): Gate | undefined => {
  const { emergency } = action;
  if (emergency === null) return undefined;
  const { group, count } = emergency.confirm;
  const gate: Gate = {
    seats: [{ name: 'commander', group, count }],
    must_not_share: [],
    sign_with: strictest.sign_with,
    independent_surface: Math.min(strictest.independent_surface, count),
    time_lock: null,
    review_percent: 100,
    raised: [],
  };
  if (!debtOpen) return gate;
  const fromOtherTeams = membersOf(roster, group).filter(
    (person) =>
      !producers.some((producer) => producer === person || sharesAttribute(roster, person, producer, ['team'])),
  );
  return count === 1 && fromOtherTeams.length > 0
    ? { ...gate, must_not_share: ['team'], raised: ['debt-open'] }
    : { ...gate, raised: ['debt-open', 'nobody-from-another-team'] };
};
