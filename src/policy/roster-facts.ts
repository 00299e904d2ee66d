// SPDX-License-Identifier: Apache-2.0
import type { KeyLevel } from './compiled.ts';

/**
 * What soundness needs to know of a roster, and no more: only active people, only active keys. `undefined` and empty
 * answers mean "nobody" and so make a gate harder to meet, never easier (INV4).
 */
export type PolicyRosterFacts = {
  /** Active persons of a group by its id without `group:`; undefined for a group that is not there. */
  readonly groupMembers: (id: string) => readonly string[] | undefined;
  /** Groups and active machines by id, for whoever misspelt one. */
  readonly groups: readonly string[];
  readonly machines: readonly string[];
  readonly hasMachine: (name: string) => boolean;
  /** The person accountable for an active machine. */
  readonly accountableFor: (name: string) => string | undefined;
  /** What people call this person where they write the roster, else the id. */
  readonly nameOf: (person: string) => string;
  readonly hasPerson: (id: string) => boolean;
  /** Levels of this person's active keys. */
  readonly keyLevelsOf: (person: string) => readonly KeyLevel[];
  readonly attributesOf: (person: string) => { readonly [name: string]: string };
  /** Active enforcement points by name, each with the actions it serves. */
  readonly instances: ReadonlyMap<string, readonly string[]>;
  /** Whether the roster lists a web origin that others operate. */
  readonly independentOrigins: boolean;
};

const levelOrder: Readonly<Record<KeyLevel, number>> = { 'own-key': 0, present: 1, hardware: 2 };
export const levelReaches = (level: KeyLevel, wanted: KeyLevel): boolean => levelOrder[level] >= levelOrder[wanted];

export const canSignAt = (roster: PolicyRosterFacts, person: string, wanted: KeyLevel): boolean =>
  roster.keyLevelsOf(person).some((level) => levelReaches(level, wanted));

/** Persons behind `group:…`, `person:…` and, through whoever is accountable, `machine:…`; each once, sorted. */
export const personsBehind = (roster: PolicyRosterFacts, references: readonly string[]): readonly string[] => {
  const persons = new Set<string>();
  for (const reference of references) {
    const id = reference.slice(reference.indexOf(':') + 1);
    if (reference.startsWith('group:')) for (const member of roster.groupMembers(id) ?? []) persons.add(member);
    if (reference.startsWith('person:') && roster.hasPerson(id)) persons.add(id);
    const accountable =
      reference.startsWith('machine:') && roster.hasMachine(id) ? roster.accountableFor(id) : undefined;
    if (accountable !== undefined && roster.hasPerson(accountable)) persons.add(accountable);
  }
  return [...persons].sort();
};

/**
 * Whether two persons share one of the attributes. One that either lacks counts as shared: independence is shown, not
 * assumed. `manager` also holds when one manages the other. The gate judges votes by this same rule (SPEC V3).
 */
export const sharesOne = (roster: PolicyRosterFacts, a: string, b: string, attributes: readonly string[]): boolean => {
  if (attributes.length === 0) return false;
  const left = roster.attributesOf(a);
  const right = roster.attributesOf(b);
  return attributes.some((attribute) => {
    const one = left[attribute];
    const other = right[attribute];
    if (one === undefined || other === undefined || one === other) return true;
    return attribute === 'manager' && (one === b || other === a);
  });
};
