// SPDX-License-Identifier: Apache-2.0
import { couldFill } from '../approve/explain.ts';
import type { FoldedEntry } from '../kernel/decider.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import type { State } from '../lifecycle/state.ts';
import type { RequestState } from '../request/request-state.ts';
import { membersOf, personBehind, type Roster } from '../roster/roster.ts';
import { vetoers } from '../timelock/time-lock.ts';
import type { NoticeKind } from './notices-config.ts';

/**
 * Something to tell. `index` and `n` are entry and event it follows from: its name for ever, so that whoever gets it
 * twice can tell. It holds ids and codes; names, addresses and sentences come in when it is sent.
 */
export type Notice = {
  readonly kind: NoticeKind;
  readonly index: number;
  readonly n: number;
  readonly time: string;
  readonly request: string | null;
  /** Persons it concerns, sorted. */
  readonly to: readonly string[];
  /** Code of a refusal or finding, the outcome, or the end of a lock. */
  readonly detail: string | null;
};

type Entry = Pick<FoldedEntry<unknown, LifecycleEvent>, 'index' | 'time' | 'events'>;
type Told = {
  readonly kind: NoticeKind;
  readonly request: string | null;
  readonly to: readonly string[];
  readonly detail?: string;
};

/** What an entry gives to tell, by the ledger as it stands now: it may be further on than the entry. */
export const planNotices = (entry: Entry, state: State): readonly Notice[] =>
  entry.events.flatMap((event, n) => {
    const told = tell(event, state);
    if (told === undefined) return [];
    const to = [...new Set(told.to)].sort();
    return [
      {
        kind: told.kind,
        index: entry.index,
        n,
        time: entry.time,
        request: told.request,
        to,
        detail: told.detail ?? null,
      },
    ];
  });

/** Whether there is still a reason to tell it; alerts and ends always are. */
export const stillTrue = ({ kind, request }: Pick<Notice, 'kind' | 'request'>, state: State): boolean => {
  const status = request === null ? undefined : state.requests.get(request)?.status;
  if (kind === 'request.waiting') return status === 'pending';
  if (kind === 'request.met' || kind === 'request.locked') return status === 'met';
  if (kind === 'permit.issued') return status === 'permitted';
  if (kind === 'review.owed' || kind === 'review.overdue')
    return request !== null && state.debts.get(request) !== undefined;
  return true;
};

const tell = (event: LifecycleEvent, state: State): Told | undefined => {
  const of = (
    kind: NoticeKind,
    id: string,
    who: (request: RequestState) => readonly string[],
    detail?: string,
  ): Told | undefined => {
    const request = state.requests.get(id);
    if (request === undefined) return undefined;
    const told: Told = { kind, request: id, to: who(request), ...(detail === undefined ? {} : { detail }) };
    return stillTrue(told, state) ? told : undefined;
  };
  const asker = (request: RequestState): readonly string[] => requesterOf(state.roster, request);
  switch (event.type) {
    case 'RequestSubmitted':
    case 'RequestRevised':
    case 'GateLost':
      return of('request.waiting', event.request, (request) => fillersOf(state.roster, request));
    case 'GateMet':
      return of('request.met', event.request, asker);
    case 'TimelockStarted':
      return of('request.locked', event.request, (request) => vetoersOf(state.roster, request), event.until);
    case 'PermitIssued':
      return of('permit.issued', event.permit.request, (request) => [
        ...asker(request),
        ...executorOf(state.roster, request),
      ]);
    case 'RequestRefused':
    case 'PermitVoided':
      return of('request.refused', event.request, asker, event.code);
    case 'RequestVetoed':
      return of('request.vetoed', event.request, asker);
    case 'RequestExpired':
    case 'PermitExpired':
      return of('request.expired', event.request, asker);
    case 'BreakGlassInvoked':
      return of('emergency.invoked', event.request, (request) => concernedBy(state, request));
    case 'BreakGlassEnded':
      return of('emergency.ended', event.request, (request) => concernedBy(state, request));
    case 'ReviewOpened':
      return of('review.owed', event.debt.request, (request) => reviewersOf(state, request));
    case 'ReviewOverdue':
      return of('review.overdue', event.request, (request) => [
        ...reviewersOf(state, request),
        ...ownersOf(state, request),
      ]);
    case 'FindingRaised':
      return findingOf(event, state);
    default:
      return undefined;
  }
};

const findingOf = (event: Extract<LifecycleEvent, { type: 'FindingRaised' }>, state: State): Told => {
  const request = event.request === null ? undefined : state.requests.get(event.request);
  return {
    kind: 'finding.raised',
    request: event.request,
    to: request === undefined ? [] : ownersOf(state, request),
    detail: event.code,
  };
};

const fillersOf = (roster: Roster, request: RequestState): readonly string[] => {
  const filled = (seat: string): number => request.seats.filter((one) => one.seat === seat).length;
  return request.change.gate.seats
    .filter((seat) => filled(seat.name) < seat.count)
    .flatMap((seat) => couldFill(request, roster, seat.name));
};

const vetoersOf = (roster: Roster, { change }: RequestState): readonly string[] =>
  vetoers(change).flatMap((reference) => membersOf(roster, reference));

const requesterOf = (roster: Roster, { change }: RequestState): readonly string[] => {
  const person = personBehind(roster, change.requester);
  return person === undefined ? [] : [person];
};

const executorOf = (roster: Roster, { change }: RequestState): readonly string[] => {
  const person = change.executor === null ? undefined : personBehind(roster, change.executor.principal);
  return person === undefined ? [] : [person];
};

const actionOf = ({ policy }: State, { change }: RequestState) =>
  policy !== null && Object.hasOwn(policy.actions, change.action) ? policy.actions[change.action] : undefined;

const ownersOf = (state: State, request: RequestState): readonly string[] => {
  const owner = actionOf(state, request)?.owner;
  return owner === undefined ? [] : membersOf(state.roster, owner);
};

/** Whoever could close the review: the reviewers who had no part (SPEC E3). */
const reviewersOf = (state: State, request: RequestState): readonly string[] => {
  const reviewers = state.debts.get(request.id)?.reviewers ?? actionOf(state, request)?.reviewers ?? null;
  if (reviewers === null) return [];
  const involved = new Set([
    ...request.change.producers,
    ...request.votes.map((vote) => vote.person),
    ...executorOf(state.roster, request),
  ]);
  return membersOf(state.roster, reviewers).filter((person) => !involved.has(person));
};

// An emergency concerns whoever asks, commands, owns, may stop or will have to review it.
const concernedBy = (state: State, request: RequestState): readonly string[] => [
  ...requesterOf(state.roster, request),
  ...request.change.gate.seats.flatMap((seat) => membersOf(state.roster, seat.group)),
  ...vetoersOf(state.roster, request),
  ...ownersOf(state, request),
  ...reviewersOf(state, request),
];
