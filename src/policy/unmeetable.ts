// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import { didYouMean, nearest } from './diagnostic.ts';
import { anybodyReaches, type GateQuestion } from './reach.ts';
import { canSignAt, personsBehind, type PolicyRosterFacts } from './roster-facts.ts';

/** Why nobody who may ask could meet a gate, in words that follow `tier …`, and what to do about it. */
export type WhyUnmeetable = {
  readonly cause:
    | 'too-few-members'
    | 'key-level'
    | 'attribute-unknown'
    | 'same-people'
    | 'nobody-asks'
    | 'not-independent'
    | 'executor'
    | 'requester';
  readonly message: string;
  readonly help: string;
  readonly facts: JsonObject;
};

type Gate = Omit<GateQuestion, 'seats'> & {
  readonly seats: readonly { readonly name: string; readonly group: string; readonly count: number }[];
};

/**
 * The first thing that stands in the way of a gate that `reach` found unmeetable (SPEC P7): numbers, then keys, then
 * attributes that nobody has, then people who would have to sit twice, then who asks and who runs it. Only explains;
 * whether a gate can be met is for `reach` alone to say.
 */
export const whyUnmeetable = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable =>
  shortSeat(roster, gate) ??
  unknownAttribute(roster, gate) ??
  samePeople(roster, gate) ??
  nobodyAsks(roster, gate) ??
  notIndependent(roster, gate) ??
  ranOrAsked(roster, gate);

type Seat = Gate['seats'][number];
const signersOf = (roster: PolicyRosterFacts, gate: Gate, seat: Seat): readonly string[] =>
  personsBehind(roster, [seat.group]).filter((id) => canSignAt(roster, id, gate.sign_with));

const shortSeat = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable | undefined => {
  for (const seat of gate.seats) {
    const members = personsBehind(roster, [seat.group]);
    const signers = signersOf(roster, gate, seat);
    const facts = { seat: seat.name, group: seat.group, count: seat.count };
    const has = (count: number): string => `${count} ${count === 1 ? 'member' : 'members'}`;
    if (members.length < seat.count)
      return {
        cause: 'too-few-members',
        message: `\`${seat.group}\` has ${has(members.length)}, seat \`${seat.name}\` asks for ${seat.count}`,
        help: 'add people to the group, or ask for fewer',
        facts: { ...facts, members },
      };
    if (signers.length < seat.count)
      return {
        cause: 'key-level',
        message:
          signers.length === 0
            ? `no active key at level \`${gate.sign_with}\` in \`${seat.group}\``
            : `only ${signers.length} of \`${seat.group}\` ${signers.length === 1 ? 'has' : 'have'} an active key at level \`${gate.sign_with}\`, seat \`${seat.name}\` asks for ${seat.count}`,
        help: 'enrol keys of that level, or let `sign-with` take a lower one',
        facts: { ...facts, members: signers },
      };
  }
  return undefined;
};

const unknownAttribute = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable | undefined => {
  const people = personsBehind(roster, [...gate.ask, ...gate.seats.map((seat) => seat.group)]);
  const known = [...new Set(people.flatMap((id) => Object.keys(roster.attributesOf(id))))].sort();
  const some = known.slice(0, mostNamed);
  const attribute = gate.must_not_share.find((one) => !known.includes(one));
  if (attribute === undefined) return undefined;
  return {
    cause: 'attribute-unknown',
    message: `nobody who asks or approves has the attribute \`${attribute}\``,
    help:
      nearest(attribute, some) === undefined
        ? 'give people the attribute in the roster; who lacks it counts as sharing it'
        : didYouMean(attribute, some),
    facts: { attribute, known: some },
  };
};

// Names are compared, and lists of people are told, up to this many: the ledger explains while everybody waits (A44).
const mostNamed = 32;

/**
 * The fewest seats that fewer people could fill than they ask for (Hall's condition). A seat with as many people as
 * the whole gate asks for is never one of them, so this goes through 4096 sets of twelve seats with eleven people each
 * at most.
 */
const samePeople = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable | undefined => {
  const wanted = wantedOf(gate.seats);
  const seats = gate.seats.filter((seat) => signersOf(roster, gate, seat).length < wanted);
  const signers = seats.map((seat) => signersOf(roster, gate, seat));
  let fewest: readonly Seat[] | undefined;
  for (let set = 1; set < 2 ** Math.min(seats.length, maxSeats); set += 1) {
    const chosen = seats.filter((_, at) => (set >> at) % 2 === 1);
    const people = new Set(seats.flatMap((_, at) => ((set >> at) % 2 === 1 ? (signers[at] ?? []) : [])));
    if (people.size < wantedOf(chosen) && (fewest === undefined || chosen.length < fewest.length)) fewest = chosen;
  }
  if (fewest === undefined) return undefined;
  const persons = [...new Set(fewest.flatMap((seat) => signersOf(roster, gate, seat)))].sort();
  const names = together(fewest.map((seat) => seat.name));
  return {
    cause: 'same-people',
    message:
      persons.length === 1
        ? `${spoken(roster, persons)} is the only one for ${names}`
        : `${names} ask for ${wantedOf(fewest)} people, and only ${spoken(roster, persons)} could fill them`,
    help: 'one person fills one seat; add people to one of the groups',
    facts: { seats: fewest.map((seat) => seat.name), persons },
  };
};

const maxSeats = 12;
const wantedOf = (seats: readonly Seat[]): number => seats.reduce((sum, seat) => sum + seat.count, 0);

const nobodyAsks = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable | undefined =>
  personsBehind(roster, gate.ask).length > 0
    ? undefined
    : {
        cause: 'nobody-asks',
        message: 'nobody who may ask is active',
        help: 'name people who may ask; who answers for a machine has to be active too',
        facts: { ask: gate.ask },
      };

const notIndependent = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable | undefined => {
  const passes = (must_not_share: readonly string[]): boolean => anybodyReaches(roster, { ...gate, must_not_share });
  if (!passes([])) return undefined;
  const alone = gate.must_not_share.filter((one) => !passes([one]));
  const shared = together(alone.length > 0 ? alone : gate.must_not_share);
  return {
    cause: 'not-independent',
    message: `too few who could approve share no ${shared} with who asks and with each other`,
    help: 'add people of another kind to the groups, or correct their attributes; who lacks one counts as sharing it',
    facts: { attributes: alone.length > 0 ? alone : gate.must_not_share },
  };
};

const ranOrAsked = (roster: PolicyRosterFacts, gate: Gate): WhyUnmeetable => {
  const runners = personsBehind(roster, gate.run);
  if (anybodyReaches(roster, { ...gate, must_not_share: [], run: [] }))
    return {
      cause: 'executor',
      message:
        runners.length === 1
          ? `${spoken(roster, runners)} runs it, and without them too few are left to approve`
          : 'whoever runs it, too few others are left to approve',
      help: 'who runs it, or answers for the machine that does, fills no seat; add people to the groups, or let others run it',
      facts: { persons: runners.slice(0, mostNamed) },
    };
  const askers = personsBehind(roster, gate.ask);
  const signers = [...new Set(gate.seats.flatMap((seat) => signersOf(roster, gate, seat)))];
  const only = askers.length === 1 && signers.length === 1;
  return {
    cause: 'requester',
    message: only
      ? `whoever may ask, ${spoken(roster, askers)}, is the only one who could approve`
      : 'whoever asks, too few others are left to approve',
    help: 'who asks, or answers for the machine that does, fills no seat; add people to the groups, or let others ask',
    facts: { persons: askers.slice(0, mostNamed) },
  };
};

const together = (names: readonly string[]): string => {
  const quoted = names.map((one) => `\`${one}\``);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1) ?? ''}`;
};
const spoken = (roster: PolicyRosterFacts, persons: readonly string[]): string => together(persons.map(roster.nameOf));
