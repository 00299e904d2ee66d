// SPDX-License-Identifier: Apache-2.0
import { clipped } from './page-escape.ts';
import { html, type Html } from './page-html.ts';

type People = { readonly [person: string]: string };

/** A person by name and id; names can be alike, ids are what was signed. */
export const personName = (people: People, person: string): Html => {
  const name = Object.hasOwn(people, person) ? people[person] : undefined;
  return name === undefined
    ? html`<code>${person}</code>`
    : html`<bdi class="own">${clipped(name, 80)}</bdi> <code class="quiet">${person}</code>`;
};

/** `person:p_…` or `machine:…` in words. */
export const principalName = (people: People, principal: string): Html =>
  principal.startsWith('person:')
    ? personName(people, principal.slice('person:'.length))
    : html`the machine <code>${principal.replace(/^machine:/, '')}</code>`;

/** Several persons in one sentence; more than a dozen are counted. */
export const personNames = (people: People, persons: readonly string[]): Html => {
  const shown = persons.slice(0, 12).map((person) => personName(people, person));
  const rest = persons.length - shown.length;
  return joined(rest > 0 ? [...shown, html`${rest} more`] : shown, 'or');
};

/** `group:platform`, `person:p_…` or `machine:ci`, as policy names whom it means. */
export const referenceName = (people: People, reference: string): Html =>
  reference.startsWith('group:')
    ? html`group <code>${reference.slice('group:'.length)}</code>`
    : principalName(people, reference);

/** `a, b or c`. */
export const joined = (parts: readonly Html[], last: string): Html =>
  html`${parts.map((part, at) => html`${at === 0 ? '' : at === parts.length - 1 ? ` ${last} ` : ', '}${part}`)}`;
