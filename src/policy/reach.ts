// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, CompiledTier, KeyLevel } from './compiled.ts';
import { canFillSeats, type Work } from './fill-seats.ts';
import { canSignAt, personsBehind, sharesOne, type PolicyRosterFacts } from './roster-facts.ts';

/** For whom, as requester, a gate could be met by others, and for whom not. */
export type Reach = { readonly can: readonly string[]; readonly cannot: readonly string[] };

export type GateQuestion = {
  readonly ask: readonly string[];
  readonly run: readonly string[];
  readonly seats: readonly { readonly group: string; readonly count: number }[];
  readonly must_not_share: readonly string[];
  readonly sign_with: KeyLevel;
};

/** Who could ask for this tier and find enough other people for its seats (SPEC P7). */
export const reachOfTier = (roster: PolicyRosterFacts, action: CompiledAction, tier: CompiledTier): Reach =>
  reach(roster, { ...tier, ask: action.ask, run: action.run });

/** The same for the emergency path, whose commanders sign at the strictest tier's level (SPEC E1). */
export const reachOfEmergency = (roster: PolicyRosterFacts, action: CompiledAction): Reach => {
  const gate = emergencyQuestion(action);
  return gate === undefined ? { can: [], cannot: [] } : reach(roster, gate);
};

/** What the emergency path asks for, or undefined where there is none. */
export const emergencyQuestion = ({ emergency, run, tiers }: CompiledAction): GateQuestion | undefined =>
  emergency === null
    ? undefined
    : {
        ask: emergency.ask,
        run,
        seats: [emergency.confirm],
        must_not_share: [],
        sign_with: tiers.at(-1)?.sign_with ?? 'hardware',
      };

// Comparisons of people that the ledger spends on one gate while everybody waits, a veto included (A44). A gate for
// which they run out counts as one that nobody meets (INV4).
const mostWork = 100_000;

/** Whether anybody at all who may ask could find enough other people; stops at the first, and after bounded work. */
export const anybodyReaches = (roster: PolicyRosterFacts, gate: GateQuestion): boolean => {
  const work: Work = { left: mostWork };
  const members = signersOf(roster, gate);
  return personsBehind(roster, gate.ask).some(
    (requester) => work.left > 0 && canPass(roster, gate, { members, requester, work }),
  );
};

/** The same for any gate. */
export const reach = (roster: PolicyRosterFacts, gate: GateQuestion): Reach => {
  const can: string[] = [];
  const cannot: string[] = [];
  const answers = new Map<string, boolean>();
  const members = signersOf(roster, gate);
  const everybody = new Set(members.flat());
  const runners = new Set(personsBehind(roster, gate.run));
  for (const requester of personsBehind(roster, gate.ask)) {
    // Requesters who sit at no seat and share the same attributes meet the same gate.
    const kind = JSON.stringify([
      everybody.has(requester) || gate.must_not_share.includes('manager') ? requester : '',
      gate.must_not_share.map((attribute) => roster.attributesOf(requester)[attribute] ?? null),
      runners.has(requester),
    ]);
    const known = answers.get(kind) ?? canPass(roster, gate, { members, requester });
    answers.set(kind, known);
    (known ? can : cannot).push(requester);
  }
  return { can, cannot };
};

const signersOf = (roster: PolicyRosterFacts, gate: GateQuestion): readonly (readonly string[])[] =>
  gate.seats.map((seat) => personsBehind(roster, [seat.group]).filter((id) => canSignAt(roster, id, gate.sign_with)));

type Asked = { readonly members: readonly (readonly string[])[]; readonly requester: string; readonly work?: Work };

const canPass = (roster: PolicyRosterFacts, gate: GateQuestion, { members, requester, work }: Asked): boolean => {
  const conflict = (a: string, b: string): boolean => sharesOne(roster, a, b, gate.must_not_share);
  const positions = gate.seats.flatMap((seat, at) => {
    const options = (members[at] ?? []).filter((id) => id !== requester && !conflict(id, requester));
    return Array.from({ length: Math.max(0, Math.min(seat.count, maxCount)) }, () => options);
  });
  const compared = positions.reduce((sum, options) => sum + options.length, 1);
  return executorsOf(roster, gate.run, requester).some((executor) => {
    if (work !== undefined && (work.left -= compared) <= 0) return false;
    const apart = positions.map((options) => options.filter((id) => id !== executor));
    return canFillSeats({ positions: apart, conflict, ...(work === undefined ? {} : { work }) }) === 'yes';
  });
};

// More than any tier may have (SPEC P6), so that a huge count costs nothing before it is refused.
const maxCount = 64;

// Whoever runs it fills no seat, nor does whoever answers for the machine that does. A requester is left out already.
const executorsOf = (roster: PolicyRosterFacts, run: readonly string[], requester: string): readonly string[] => {
  const persons = personsBehind(roster, run);
  return run.length === 0 || persons.includes(requester) ? [requester] : persons;
};
