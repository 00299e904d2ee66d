// SPDX-License-Identifier: Apache-2.0
import { addMs, type Instant } from '../kernel/instant.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { RequestState } from '../request/request-state.ts';
import { activePerson, levelAtLeast, membersOf, type Roster } from '../roster/roster.ts';
import { evaluateGate, personSetback, seatsOpenTo, type GateEvaluation } from './evaluate-gate.ts';
import type { KeyRecord } from '../roster/records.ts';

export type ExplanationStatus = 'met' | 'pending' | 'refused' | 'error' | 'not-applicable';

/** One thing that was checked: a code, what came of it, the values it looked at, and what it rests on. No prose. */
export type Explanation = {
  readonly code: string;
  readonly status: ExplanationStatus;
  readonly values: JsonObject;
  readonly children: readonly Explanation[];
};

const node = (
  code: string,
  status: ExplanationStatus,
  values: JsonObject = {},
  children: readonly Explanation[] = [],
): Explanation => ({
  code,
  status,
  values,
  children,
});

/** Why a request stands where it stands: risk, seats, votes set aside, time lock. Made when shown, never stored. */
export const explain = (request: RequestState, roster: Roster, time: Instant): Explanation => {
  const { change, votes, status } = request;
  const gate = evaluateGate({ roster, change, votes, time });
  const rejection = votes.find((vote) => vote.decision === 'reject' && vote.revision === change.revision);
  const children = [
    node('risk', 'met', {
      score: change.risk.score,
      tier: change.tier,
      outcomes: change.risk.outcomes,
      worst_case: change.risk.worst_case,
    }),
    explainSeats(request, roster, gate),
    ...explainSurface(request, gate),
    ...gate.setAside.map((vote) => node(vote.why, 'refused', { person: vote.person, index: vote.index })),
    ...(rejection === undefined
      ? []
      : [node('rejected', 'refused', { person: rejection.person, index: rejection.index })]),
    explainLock(request, time),
  ];
  return node(
    `request-${status}`,
    overallStatus(request, gate),
    { tier: change.tier, revision: change.revision },
    children,
  );
};

const overallStatus = ({ status }: RequestState, gate: GateEvaluation): ExplanationStatus => {
  if (status === 'refused' || status === 'vetoed' || status === 'withdrawn' || status === 'expired') return 'refused';
  return gate.result;
};

const explainSeats = (request: RequestState, roster: Roster, gate: GateEvaluation): Explanation =>
  node(
    'seats',
    gate.result,
    { filled: gate.filled.length, wanted: gate.filled.length + gate.open.length },
    request.change.gate.seats.map((seat) => {
      const filled = gate.filled
        .filter((one) => one.seat === seat.name)
        .map(({ person, index }) => ({ person, index }));
      const open = filled.length < seat.count;
      return node('seat', open ? 'pending' : 'met', {
        seat: seat.name,
        group: seat.group,
        wanted: seat.count,
        filled,
        could_fill: open ? couldFill(request, roster, seat.name) : [],
      });
    }),
  );

/** Who could still fill a seat: entitled, independent, not yet voted, and holding a key of the level asked for. */
export const couldFill = ({ change, votes }: RequestState, roster: Roster, seat: string): readonly string[] => {
  const group = change.gate.seats.find((one) => one.name === seat)?.group;
  if (group === undefined) return [];
  const voted = new Set(votes.filter((vote) => vote.revision === change.revision).map((vote) => vote.person));
  return membersOf(roster, group).filter(
    (person) =>
      !voted.has(person) &&
      personSetback(roster, change, person) === undefined &&
      holdsKey(roster, person, change.gate.sign_with),
  );
};

const holdsKey = (roster: Roster, person: string, level: KeyRecord['level']): boolean => {
  for (const [key, value] of roster.records) {
    if (!key.startsWith('key/')) continue;
    const record = value as unknown as KeyRecord;
    if (record.holder === `person:${person}` && record.status === 'active' && levelAtLeast(record.level, level))
      return true;
  }
  return false;
};

const explainSurface = ({ change, votes }: RequestState, gate: GateEvaluation): readonly Explanation[] => {
  const wanted = change.gate.independent_surface;
  if (wanted === 0) return [];
  const counted = new Set(gate.filled.map((seat) => seat.index));
  const have = votes.filter((vote) => counted.has(vote.index) && vote.independent).length;
  return [node('independent-surface', have >= wanted ? 'met' : 'pending', { wanted, have })];
};

const explainLock = ({ change, metAt }: RequestState, time: Instant): Explanation => {
  const lock = change.gate.time_lock;
  if (lock === null) return node('time-lock', 'not-applicable');
  const until = metAt === null ? null : addMs(metAt, lock.wait_ms);
  const over = until !== null && time >= until;
  return node('time-lock', over ? 'met' : 'pending', { wait_ms: lock.wait_ms, until, veto: lock.veto });
};

/** Whether this person may vote on it now, with the seats open to them, or the rule that says no. */
export const canDecide = (
  request: RequestState,
  roster: Roster,
  person: string,
): { readonly may: boolean; readonly why: string; readonly seats: readonly string[] } => {
  const { change, votes, status } = request;
  if (activePerson(roster, person) === undefined) return { may: false, why: 'voter-not-active', seats: [] };
  if (status !== 'pending' && status !== 'met') return { may: false, why: `request-${status}`, seats: [] };
  if (votes.some((vote) => vote.person === person && vote.revision === change.revision))
    return { may: false, why: 'vote-already-cast', seats: [] };
  const setback = personSetback(roster, change, person);
  if (setback !== undefined) return { may: false, why: setback, seats: [] };
  return { may: true, why: 'entitled', seats: seatsOpenTo(roster, change, person) };
};
