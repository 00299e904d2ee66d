// SPDX-License-Identifier: Apache-2.0
import type { KeyLevel } from '../policy/compiled.ts';
import type { PolicyRosterFacts } from '../policy/soundness.ts';
import type { InstanceRecord, KeyRecord } from './records.ts';
import { activeMachine, activePerson, membersOf, type Roster } from './roster.ts';

/**
 * What the soundness of a policy depends on in a roster: active people, their keys' levels, their attributes. Whoever
 * has the roster's document gives its handles, so that people are spoken of as they are written there.
 */
export const policyFactsOf = (roster: Roster, ids: { readonly [handle: string]: string } = {}): PolicyRosterFacts => {
  const handles = new Map(Object.entries(ids).map(([handle, id]) => [id, handle]));
  const levels = new Map<string, KeyLevel[]>();
  for (const [key, value] of roster.records) {
    const record = value as unknown as KeyRecord;
    if (!key.startsWith('key/') || record.status !== 'active' || !record.holder.startsWith('person:')) continue;
    const person = record.holder.slice('person:'.length);
    levels.set(person, [...(levels.get(person) ?? []), record.level]);
  }
  return {
    groupMembers: (id) => (roster.records.has(`group/${id}`) ? membersOf(roster, `group:${id}`) : undefined),
    groups: idsOf(roster, 'group/'),
    machines: idsOf(roster, 'machine/').filter((name) => activeMachine(roster, name) !== undefined),
    nameOf: (person) => handles.get(person) ?? person,
    hasMachine: (name) => activeMachine(roster, name) !== undefined,
    accountableFor: (name) => activeMachine(roster, name)?.accountable,
    hasPerson: (id) => activePerson(roster, id) !== undefined,
    keyLevelsOf: (person) => levels.get(person) ?? [],
    attributesOf: (person) => activePerson(roster, person)?.attributes ?? {},
    instances: new Map(
      [...roster.records].flatMap(([key, value]) => {
        const record = value as unknown as InstanceRecord;
        return key.startsWith('instance/') && record.status === 'active'
          ? [[key.slice('instance/'.length), record.actions] as const]
          : [];
      }),
    ),
    independentOrigins: [...roster.records].some(
      ([key, value]) => key.startsWith('origin/') && value['independent'] === true,
    ),
  };
};

const idsOf = (roster: Roster, prefix: string): readonly string[] =>
  [...roster.records.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
