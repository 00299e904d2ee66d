// SPDX-License-Identifier: Apache-2.0

/**
 * Text from elsewhere as people may see it: whatever a terminal would hide, move, reverse or draw like something else
 * is written as `\u{…}` (A35, C23: what is shown is what runs). Plain printable ASCII stays as it is; so do letters of
 * other scripts, unless one word mixes scripts or a letter looks like an ASCII one.
 */
// Control, format (bidi among them), surrogate, private, unassigned, separators, blanks other than U+0020, and
// combining marks, which change what stands before them.
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{M}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
// Scripts whose letters are drawn like Latin ones, and compatibility forms: full-width, mathematical, enclosed.
const lookalike = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Lisu}]/u;
// Drawn as nothing at all, although Unicode counts them as letters or symbols.
const blank = /[\u115f\u1160\u3164\uffa0\u2800]/u;
// Latin letters and signs that are drawn like another ASCII character.
const deceptive = /[ıȷɑɡɩʟǀǃ‐‑‒–—−∕⁄∶ː։׃ꓸ․‚‘’“”′″ˈ]/u;

const escape = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

const hidden = (character: string): boolean =>
  unseen.test(character) ||
  blank.test(character) ||
  lookalike.test(character) ||
  deceptive.test(character) ||
  character.normalize('NFKC') !== character;

/** One line, safe to print: control, bidi, invisible and lookalike characters escaped, a backslash doubled. */
export const visibleText = (text: string): string => {
  let shown = '';
  for (const character of text) {
    if (character === '\\') shown += '\\\\';
    else if (character >= ' ' && character <= '~') shown += character;
    else shown += hidden(character) ? escape(character) : character;
  }
  return shown;
};

/** Whether anything had to be escaped: worth a warning beside the value. */
export const needsEscaping = (text: string): boolean => visibleText(text) !== text.replaceAll('\\', '\\\\');

/** Several lines: line breaks stay, all else as in `visibleText`. */
export const visibleLines = (text: string): readonly string[] => text.split('\n').map(visibleText);
