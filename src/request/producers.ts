// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { RequestStatement } from '../kernel/statements.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { activePerson, personBehind, type Roster } from '../roster/roster.ts';
import type { Facts } from './facts.ts';

/**
 * Everybody who had a hand in the change: none of them may fill a seat (INV1, SPEC Q3). A producer nobody can name
 * is everybody, so the request is refused (C4).
 */
export const producersOf = (
  roster: Roster,
  action: CompiledAction,
  statement: RequestStatement,
  facts: Facts,
): Result<readonly string[]> => {
  const producers = new Set<string>();
  const requester = personBehind(roster, statement.by);
  if (requester === undefined) return unknown(action.name, statement.by);
  producers.add(requester);
  for (const driver of statement.drivers) {
    if (activePerson(roster, driver) === undefined) return unknown(action.name, driver);
    producers.add(driver);
  }
  for (const source of action.made_by) {
    if (source === 'requester') continue;
    const value = facts[source.slice('facts.'.length)]?.value;
    if (!Array.isArray(value)) return unknown(action.name, source);
    for (const person of value) {
      if (typeof person !== 'string' || person === 'unknown') return unknown(action.name, source);
      producers.add(person);
    }
  }
  return ok([...producers].sort());
};

const unknown = (action: string, source: string) =>
  refuse(
    'producer-unknown',
    'Q3',
    `\`${source}\` of \`${action}\` includes somebody the roster can't name`,
    { action, source },
    'sign every commit with an enrolled key (`git config gpg.format ssh`), or enrol the key that signed',
  );
