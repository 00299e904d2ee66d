// SPDX-License-Identifier: Apache-2.0
import type { Decider, Rules } from './decider.ts';
import { ok, refuse, type JsonObject, type Result } from './refusal.ts';

/** The number of entries whose decider has no table: there was only ever one way to decide. */
const firstSemantics = 0;

/** The number that the next entry is decided under, by what the ledger says so far. */
export const semanticsInForce = <State, Command extends JsonObject, Event extends JsonObject>(
  { semantics }: Decider<State, Command, Event>,
  state: State,
): number => semantics?.inForce(state) ?? firstSemantics;

/**
 * The rules that an entry is decided and folded by: those of the number it names (SPEC L24). Refuses a number that this
 * program does not know, and one that is not in force where the entry stands, since whoever writes the entry must not
 * choose its rules.
 */
export const rulesFor = <State, Command extends JsonObject, Event extends JsonObject>(
  decider: Decider<State, Command, Event>,
  state: State,
  index: number,
  number: number,
): Result<Rules<State, Command, Event>> => {
  const { semantics } = decider;
  const known = [...(semantics?.released.keys() ?? [firstSemantics])];
  const rules = semantics === undefined && number === firstSemantics ? decider : semantics?.released.get(number);
  if (rules === undefined)
    return refuse(
      'semantics-unknown',
      'L24',
      `entry ${index} names semantics ${number}, this program knows ${known.join(', ')}`,
      { index, semantics: number, known },
      'take a release of Countersign that knows this number; nothing from this entry on can be judged by this one',
    );
  const inForce = semanticsInForce(decider, state);
  if (number !== inForce)
    return refuse(
      'semantics-not-in-force',
      'L24',
      `entry ${index} names semantics ${number}, where ${inForce} is in force`,
      { index, semantics: number, in_force: inForce },
      'do not act on it; whoever wrote it chose the rules it is judged by',
    );
  return ok(rules);
};
