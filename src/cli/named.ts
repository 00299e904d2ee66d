// SPDX-License-Identifier: Apache-2.0
import { visibleText } from '../client/visible-text.ts';

/** What the server calls people: for the eye, and always said to be its word. */
export type People = { readonly [person: string]: string };

const nameOf = (reference: string, people: People): string | undefined => {
  const id = reference.replace(/^person:/, '');
  return Object.hasOwn(people, id) ? people[id] : undefined;
};

/** An id, and behind it the name that the server gives. The id counts: a name is in nothing that anybody signs. */
export const named = (reference: string, people: People): string => {
  const name = nameOf(reference, people);
  const shown = visibleText(reference);
  return name === undefined ? shown : `${shown} (the server calls them ${visibleText(name.slice(0, 80))})`;
};

/** The same for several. */
export const namedAll = (references: readonly string[], people: People): string =>
  references.map((one) => named(one, people)).join(', ');
