// SPDX-License-Identifier: Apache-2.0
import type { ServerContext } from './server-context.ts';

/**
 * Display names of the persons that an answer tells of. They are the operator's word and stand beside the ids, never
 * in their place; nothing that is signed holds one.
 */
export const namesIn = (
  { names }: Pick<ServerContext, 'names'>,
  answer: unknown,
): { readonly [person: string]: string } => {
  const people = names.people();
  const told: { [person: string]: string } = {};
  for (const [person] of JSON.stringify(answer).matchAll(/(?<![a-z0-9_])p_[a-z0-9_]{4,40}(?![a-z0-9_])/g)) {
    const name = Object.hasOwn(people, person) ? people[person] : undefined;
    if (name !== undefined) told[person] = name;
  }
  return told;
};
