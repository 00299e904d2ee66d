// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant } from '../kernel/refusal.ts';
import { escapeAttribute, escapeHtml } from './page-escape.ts';

/** Markup that was built by `html`; the only thing that goes into a page as it is. A class, so that JSON is never one. */
class Markup {
  readonly markup: string;

  constructor(text: string) {
    this.markup = text;
  }
}
export type Html = Markup;

type Part = Html | string | number | null | undefined | false | readonly Part[];

const render = (part: Part, inAttribute: boolean): string => {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string') return inAttribute ? escapeAttribute(part) : escapeHtml(part);
  if (typeof part === 'number') return String(part);
  if (part instanceof Markup) return part.markup;
  return part.map((one) => render(one, inAttribute)).join('');
};

// What is put in holds no angle bracket, so that these are the template's own.
const inTag = (text: string): boolean => text.lastIndexOf('<') > text.lastIndexOf('>');

/**
 * Builds markup from a template. Everything put in is escaped, by where it stands; only what `html` made itself goes
 * in as it is. Attribute values must stand in double quotes.
 */
export const html = (parts: TemplateStringsArray, ...values: readonly Part[]): Html => {
  let text = written(parts[0]);
  for (const [at, value] of values.entries()) text += render(value, inTag(text)) + written(parts[at + 1]);
  return new Markup(text);
};

// A stray backslash, as in `\\u`, makes JavaScript leave the whole piece out; nothing of a page shall vanish so.
const written = (part: string | undefined): string => {
  if (part === undefined) throw new BrokenInvariant('a template of a page holds an escape that is none');
  return part;
};

/** Text of an own stylesheet: it has no values in it and must not end its element. */
export const stylesheet = (css: string): Html => new Markup(css.replaceAll('</', ''));
