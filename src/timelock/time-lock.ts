// SPDX-License-Identifier: Apache-2.0
import { addMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { StopStatement } from '../kernel/statements.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { Signed } from '../roster/authenticate.ts';
import { isAmong, personBehind, type Roster } from '../roster/roster.ts';

/** When a met gate's delay is over; the moment it was met when there is none (SPEC T1). */
export const lockEndsAt = (change: ChangeDocument, metAt: Instant): Instant =>
  addMs(metAt, change.gate.time_lock?.wait_ms ?? 0);

/** Who may veto: those the time lock names, else whoever may fill a seat. */
export const vetoers = (change: ChangeDocument): readonly string[] => {
  const named = change.gate.time_lock?.veto ?? [];
  return named.length > 0 ? named : change.gate.seats.map((seat) => seat.group);
};

/**
 * Whether this signed stop holds (SPEC T2, T3). Any one vetoer is enough, at any time before the permit is used:
 * refusing needs no quorum. Enforcement points accept the same statement directly.
 */
export const checkStop = (
  roster: Roster,
  change: ChangeDocument,
  digest: string,
  signed: Signed<StopStatement>,
): Result<null> => {
  const { statement, principal } = signed;
  if (statement.request !== change.request || statement.change !== digest)
    return refuse(
      'vote-wrong-change',
      'T2',
      `the statement was signed for change \`${statement.change}\`, the request is \`${digest}\``,
      { change: digest },
      'sign it for the revision that stands now',
    );
  if (statement.type === 'countersign.dev/withdrawal/v0') {
    const may =
      principal === change.requester ||
      (principal.startsWith('person:') && personBehind(roster, change.requester) === principal.slice(7));
    return may
      ? ok(null)
      : refuse(
          'withdraw-not-allowed',
          'T3',
          `\`${principal}\` did not ask for this`,
          { requester: change.requester },
          'the requester withdraws; others reject or veto',
        );
  }
  const may = vetoers(change);
  return isAmong(roster, principal, may)
    ? ok(null)
    : refuse(
        'veto-not-allowed',
        'T2',
        `\`${principal}\` may not veto this`,
        { veto: may },
        `ask one of ${may.join(', ')}`,
      );
};
