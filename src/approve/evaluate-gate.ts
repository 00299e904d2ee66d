// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { CastVote, FilledSeat } from '../request/request-state.ts';
import {
  activeKey,
  activePerson,
  isAmong,
  levelAtLeast,
  personBehind,
  sharesAttribute,
  type Roster,
} from '../roster/roster.ts';
import { maxVotes, searchSeats, type Candidate } from './seat-search.ts';

/** Why a vote does not count at the moment it is looked at. */
export type Setback =
  | 'vote-expired'
  | 'vote-of-another-revision'
  | 'voter-not-active'
  | 'voter-is-producer'
  | 'voter-is-executor'
  | 'voter-lost-seat'
  | 'voter-not-independent'
  | 'key-not-active'
  | 'key-distrusted'
  | 'key-level-too-low';

export type GateEvaluation = {
  readonly result: 'met' | 'pending' | 'error';
  readonly filled: readonly FilledSeat[];
  readonly open: readonly string[];
  readonly setAside: readonly { readonly index: number; readonly person: string; readonly why: Setback }[];
};

/** What a gate is judged on: the roster of that moment, the signed change, the votes cast, and the entry's time. */
export type GateSetting = {
  readonly roster: Roster;
  readonly change: ChangeDocument;
  readonly votes: readonly CastVote[];
  readonly time: Instant;
};

/** Why this person's vote could fill no seat of this change, whatever it says; undefined if it could (SPEC V3). */
export const personSetback = (roster: Roster, change: ChangeDocument, person: string): Setback | undefined => {
  if (activePerson(roster, person) === undefined) return 'voter-not-active';
  if (change.producers.includes(person)) return 'voter-is-producer';
  if (change.executor !== null && personBehind(roster, change.executor.principal) === person)
    return 'voter-is-executor';
  if (seatsOpenTo(roster, change, person).length === 0) return 'voter-lost-seat';
  const shared = change.gate.must_not_share;
  if (change.producers.some((producer) => sharesAttribute(roster, person, producer, shared)))
    return 'voter-not-independent';
  return undefined;
};

/** Seats whose group this person is in now. */
export const seatsOpenTo = (roster: Roster, change: ChangeDocument, person: string): readonly string[] =>
  change.gate.seats.filter((seat) => isAmong(roster, `person:${person}`, [seat.group])).map((seat) => seat.name);

const voteSetback = ({ roster, change, time }: GateSetting, vote: CastVote): Setback | undefined => {
  if (vote.revision !== change.revision) return 'vote-of-another-revision';
  if (vote.not_after <= time) return 'vote-expired';
  const key = activeKey(roster, vote.key);
  if (key === undefined) return 'key-not-active';
  if (key.distrusted_from !== null && vote.index >= key.distrusted_from) return 'key-distrusted';
  if (key.holder !== `person:${vote.person}`) return 'key-not-active';
  if (!levelAtLeast(vote.level, change.gate.sign_with) || !levelAtLeast(key.level, change.gate.sign_with))
    return 'key-level-too-low';
  return personSetback(roster, change, vote.person);
};

/**
 * Whether the gate is met by these votes at this moment (SPEC V4–V6). Called at the vote, at the permit and at the
 * consumption, always with the roster of that moment: who left, lost the key or the seat in between counts no more
 * (A38, T9).
 */
export const evaluateGate = (setting: GateSetting): GateEvaluation => {
  const { roster, change } = setting;
  const setAside: GateEvaluation['setAside'][number][] = [];
  const candidates: Candidate[] = [];
  for (const vote of setting.votes) {
    if (vote.decision !== 'approve') continue;
    const why = voteSetback(setting, vote);
    if (why !== undefined) {
      setAside.push({ index: vote.index, person: vote.person, why });
      continue;
    }
    const open = new Set(seatsOpenTo(roster, change, vote.person));
    const seats = new Set(vote.seats.filter((seat) => open.has(seat)));
    if (candidates.length < maxVotes)
      candidates.push({ index: vote.index, person: vote.person, seats, independent: vote.independent });
  }
  const positions = change.gate.seats.flatMap((seat) => Array.from({ length: seat.count }, () => seat.name));
  const found = searchSeats({
    positions,
    candidates,
    conflict: (a, b) => sharesAttribute(roster, a, b, change.gate.must_not_share),
    independentWanted: change.gate.independent_surface,
  });
  const chosen: readonly (Candidate | null)[] =
    found.kind === 'met' ? found.chosen : found.kind === 'pending' ? found.best : positions.map(() => null);
  const filled = positions.flatMap((seat, at) => {
    const candidate = chosen[at];
    return candidate ? [{ seat, person: candidate.person, index: candidate.index }] : [];
  });
  return {
    result: found.kind === 'exhausted' ? 'error' : found.kind,
    filled,
    open: positions.filter((_, at) => !chosen[at]),
    setAside,
  };
};
