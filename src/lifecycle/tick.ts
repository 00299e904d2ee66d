// SPDX-License-Identifier: Apache-2.0
import { refuse } from '../kernel/refusal.ts';
import { reviewStatement } from '../kernel/statements.ts';
import { checkReview } from '../review/debt.ts';
import { authenticate } from '../roster/authenticate.ts';
import type { CommandOf } from './command.ts';
import type { LifecycleEvent } from './event.ts';
import { accepted, refused, requestUnknown, type Outcome, type Setting } from './outcome.ts';
import { due } from './settle.ts';

const dueAtOnce = 100;

/**
 * Writes down what time has made true (SPEC Q7): expiries, missing results, overdue reviews. It decides nothing:
 * every command that touches a request settles it first, whether or not this ever runs.
 */
export const decideTick = (setting: Setting): Outcome => {
  const { state, moment } = setting;
  const events: LifecycleEvent[] = [];
  for (const id of state.open.keys()) {
    const request = state.requests.get(id);
    if (request !== undefined) events.push(...due(setting, request));
    if (events.length >= dueAtOnce) break;
  }
  for (const debt of state.debts.values()) {
    if (events.length >= dueAtOnce) break;
    if (!debt.overdue && moment.time >= debt.due_at) events.push({ type: 'ReviewOverdue', request: debt.request });
  }
  return events.length > 0 ? accepted(...events) : refused(refuse('nothing-due', 'Q7', 'nothing is due', {}));
};

/** LC8: an independent person closes what an emergency, or a sample, left open. */
export const decideReview = (setting: Setting, command: CommandOf<'CloseReview'>): Outcome => {
  const { state, identity } = setting;
  const signed = authenticate(state.roster, identity, command.envelope, reviewStatement);
  if (!signed.ok) return refused(signed);
  const { statement, principal } = signed.value;
  const request = state.requests.get(statement.request);
  if (request === undefined) return refused(requestUnknown(statement.request), principal);
  const debt = state.debts.get(statement.request);
  if (debt === undefined)
    return refused(
      refuse(
        'review-not-open',
        'E3',
        `no review of \`${statement.request}\` is open`,
        { request: statement.request },
        'it was closed already, or never owed',
      ),
      principal,
    );
  const may = checkReview(state.roster, request, debt, signed.value);
  if (!may.ok) return refused(may, principal);
  // Nobody looks at what has not happened: a review that is given in advance would leave the use without one (E2).
  if (request.status === 'permitted' && due(setting, request).length === 0)
    return refused(
      refuse(
        'review-not-open',
        'E2',
        `the permit of \`${request.id}\` may still be used, so that there is nothing to review yet`,
        { request: request.id },
        'review it once the permit was used, or has ended',
      ),
      principal,
    );
  const { finding } = statement;
  const closed: LifecycleEvent = { type: 'ReviewClosed', request: request.id, by: principal, finding };
  return finding === 'justified'
    ? accepted(closed)
    : accepted(closed, { type: 'FindingRaised', code: `review-${finding}`, request: request.id });
};
