// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, CompiledTier, KeyLevel } from './compiled.ts';
import { canFillSeats } from './fill-seats.ts';
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
  const { emergency } = action;
  if (emergency === null) return { can: [], cannot: [] };
  const sign_with = action.tiers.at(-1)?.sign_with ?? 'hardware';
  return reach(roster, {
    ask: emergency.ask,
    run: action.run,
    seats: [emergency.confirm],
    must_not_share: [],
    sign_with,
  });
};

/** The same for any gate. */
export const reach = (roster: PolicyRosterFacts, gate: GateQuestion): Reach => {
  const can: string[] = [];
  const cannot: string[] = [];
  const answers = new Map<string, boolean>();
  const members = gate.seats.map((seat) =>
    personsBehind(roster, [seat.group]).filter((id) => canSignAt(roster, id, gate.sign_with)),
  );
  const everybody = new Set(members.flat());
  const runners = new Set(personsBehind(roster, gate.run));
  for (const requester of personsBehind(roster, gate.ask)) {
    // Requesters who sit at no seat and share the same attributes meet the same gate.
    const kind = JSON.stringify([
      everybody.has(requester) || gate.must_not_share.includes('manager') ? requester : '',
      gate.must_not_share.map((attribute) => roster.attributesOf(requester)[attribute] ?? null),
      runners.has(requester),
    ]);
    const known = answers.get(kind) ?? canPass(roster, gate, members, requester);
    answers.set(kind, known);
    (known ? can : cannot).push(requester);
  }
  return { can, cannot };
};

const canPass = (
  roster: PolicyRosterFacts,
  gate: GateQuestion,
  members: readonly (readonly string[])[],
  requester: string,
): boolean => {
  const conflict = (a: string, b: string): boolean => sharesOne(roster, a, b, gate.must_not_share);
  const positions = gate.seats.flatMap((seat, at) => {
    const options = (members[at] ?? []).filter((id) => id !== requester && !conflict(id, requester));
    return Array.from({ length: Math.max(0, Math.min(seat.count, maxCount)) }, () => options);
  });
  return executorsOf(roster, gate.run, requester).some((executor) => {
    const apart = positions.map((options) => options.filter((id) => id !== executor));
    return canFillSeats({ positions: apart, conflict }) === 'yes';
  });
};

// More than any tier may have (SPEC P6), so that a huge count costs nothing before it is refused.
const maxCount = 64;

// Whoever runs it fills no seat, nor does whoever answers for the machine that does. A requester is left out already.
const executorsOf = (roster: PolicyRosterFacts, run: readonly string[], requester: string): readonly string[] => {
  const persons = personsBehind(roster, run);
  return run.length === 0 || persons.includes(requester) ? [requester] : persons;
};
