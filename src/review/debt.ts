// SPDX-License-Identifier: Apache-2.0
import { sha256Hex } from '../crypto/digest.ts';
import { addMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { ReviewStatement } from '../kernel/statements.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Signed } from '../roster/authenticate.ts';
import { isAmong, personBehind, type Roster } from '../roster/roster.ts';

/** A review that is owed. One that an emergency left raises the gate of the next emergency until it is paid (INV9). */
export type Debt = {
  readonly request: string;
  readonly emergency: boolean;
  readonly reviewers: string;
  readonly opened_at: Instant;
  readonly due_at: Instant;
  readonly overdue: boolean;
};

/**
 * Whether a use gets a review: an emergency always, others by a share that nobody can steer (SPEC E2). The draw rests
 * on the entries of the counted votes, which stand only once people have signed: whoever asks sees the change digest at
 * once, and could ask again until it drew no review.
 */
export const reviewOwed = (request: RequestState): boolean => {
  const { change, permit } = request;
  if (change.emergency) return true;
  if (permit === null) return false;
  const drawn = sha256Hex([permit.change, ...permit.seats.map((seat) => seat.vote)].join('\n'));
  return Number.parseInt(drawn.slice(0, 8), 16) % 100 < change.gate.review_percent;
};

export const openDebt = (request: RequestState, action: CompiledAction, time: Instant): Debt | undefined => {
  if (action.reviewers === null) return undefined;
  const { emergency } = request.change;
  const within = emergency && action.emergency ? action.emergency.review_within_ms : action.timing.review_within_ms;
  return {
    request: request.id,
    emergency,
    reviewers: action.reviewers,
    opened_at: time,
    due_at: addMs(time, within),
    overdue: false,
  };
};

/** LC8: the reviewer neither asked, drove, wrote, voted nor ran it (SPEC E3). */
export const checkReview = (
  roster: Roster,
  request: RequestState,
  debt: Debt,
  signed: Signed<ReviewStatement>,
): Result<null> => {
  const { principal } = signed;
  if (!isAmong(roster, principal, [debt.reviewers]))
    return refuse(
      'review-not-entitled',
      'E3',
      `\`${principal}\` is not one of \`${debt.reviewers}\``,
      { reviewers: debt.reviewers },
      `let one of ${debt.reviewers} review`,
    );
  const { change, votes } = request;
  const executor = change.executor === null ? undefined : personBehind(roster, change.executor.principal);
  const involved = [
    ...change.producers,
    ...votes.map((vote) => vote.person),
    ...(executor === undefined ? [] : [executor]),
  ];
  if (involved.includes(principal.slice('person:'.length)))
    return refuse(
      'review-by-involved',
      'E3',
      `\`${principal}\` had a part in what is to be reviewed`,
      { involved: [...new Set(involved)] },
      'somebody who neither asked, wrote, decided nor ran it has to review',
    );
  return ok(null);
};
