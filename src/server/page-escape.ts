// SPDX-License-Identifier: Apache-2.0

/**
 * Text that others wrote, made safe to look at. Characters that do not show, or that move their neighbours, become
 * visible escapes as JSON writes them: `\u202e`. So a reason or a name can neither hide words nor turn them around
 * (A35, C23; Trojan Source, CVE-2021-42574).
 */

// Controls, formats, surrogates, private use and unassigned; line separators; blanks that are not the space bar's;
// everything Unicode says may be left out when shown (fillers, variation selectors, tags); the blank Braille pattern;
// and marks from the third on in one place, which pile up over the lines above and below.
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}|(?<=\p{M}{2})\p{M}/u;
const unseenAll = new RegExp(unseen.source, 'gu');

const escapeOf = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');

/** Whether every character of it shows, so that what is seen is what it is. */
export const showsWhole = (text: string): boolean => !unseen.test(text);

/** Plain text with visible escapes, for mail and terminals. A line break becomes an escape as well. */
export const visibleText = (text: string): string => text.replace(unseenAll, escapeOf);

/** The same with everything beyond ASCII spelt out: tells `pаypal` with a Cyrillic letter from `paypal`. */
export const asciiText = (text: string): string => text.replace(/[^ -~]/gu, escapeOf);

/** Cuts after a whole character and says how much is gone. What somebody signs is never cut. */
export const clipped = (text: string, most: number): string => {
  if (text.length <= most) return text;
  const kept = text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
  return `${kept} … and ${text.length - kept.length} characters more`;
};

const entities: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};
const entitiesIn = (text: string): string => text.replace(/[&<>"'`]/g, (character) => entities[character] ?? '');

/** For the text of an element. Escapes stand in a frame, so that typing `\u202e` does not fake one. */
export const escapeHtml = (text: string): string => {
  let markup = '';
  let from = 0;
  for (const { 0: character, index } of text.matchAll(unseenAll)) {
    markup += `${entitiesIn(text.slice(from, index))}<span class="escape">${escapeOf(character)}</span>`;
    from = index + character.length;
  }
  return markup + entitiesIn(text.slice(from));
};

/** For the value of an attribute in double quotes, where no element can stand. */
export const escapeAttribute = (text: string): string => entitiesIn(visibleText(text));
