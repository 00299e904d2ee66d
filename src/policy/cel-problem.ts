// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from '../kernel/refusal-codes.ts';

/** Something wrong with a condition; `at` is the character where it begins to be. */
export type ConditionProblem = {
  readonly code: RefusalCode;
  readonly message: string;
  readonly help: string;
  readonly at: number;
};

const offsetOf = (error: unknown): number => {
  const location = (error as { readonly location?: { readonly start?: { readonly offset?: unknown } } } | null)
    ?.location;
  return typeof location?.start?.offset === 'number' ? location.start.offset : 0;
};

const example = 'write a condition such as `facts.migrations > 0 && size(facts.authors) > 5`';

/** What a slip looks like to somebody who has not seen the grammar; the parser only says which letter it stopped at. */
export const slipIn = (text: string, error: unknown): Omit<ConditionProblem, 'code'> => {
  if (!(error instanceof Error) || error instanceof RangeError)
    return { message: 'the condition is nested too deeply', help: 'split it into several rules', at: 0 };
  const at = offsetOf(error);
  const rest = text.slice(at);
  if (text.trim() === '') return { message: 'the condition is empty', help: example, at: 0 };
  const quote = unclosedQuote(text);
  if (quote !== undefined)
    return { message: 'a text is not closed', help: 'end it with the quote it begins with', at: quote };
  const bracket = unclosedBracket(text);
  if (bracket !== undefined) return { message: `\`${text[bracket] ?? ''}\` is not closed`, help: example, at: bracket };
  if (rest.trim() === '' || /^(?:[-+*/%<>=!&|?:.,]+|in\b)\s*$/.test(rest))
    return { message: 'the condition ends too early', help: `something has to follow; ${example}`, at };
  const word = /^(?:[\p{L}\p{N}_]+|[<>=!&|]+|[^])/u.exec(rest)?.[0] ?? '';
  return {
    message: `the condition cannot be read from \`${word.slice(0, 40)}\` on`,
    help: Object.hasOwn(meant, word) ? `write \`${meant[word] ?? ''}\`` : example,
    at,
  };
};

/** What people write who know it from elsewhere. */
const meant: { readonly [word: string]: string } = {
  '=': '==',
  '===': '==',
  '!==': '!=',
  '<>': '!=',
  '=>': '>=',
  '=<': '<=',
  '&': '&&',
  '|': '||',
  and: '&&',
  or: '||',
  AND: '&&',
  OR: '||',
  not: '!',
};

// Where a text begins that nothing ends. Brackets and words inside texts are not looked at.
const unclosedQuote = (text: string): number | undefined => {
  const open = withoutTexts(text).search(/["']/);
  return open < 0 ? undefined : open;
};

const unclosedBracket = (text: string): number | undefined => {
  const open: number[] = [];
  for (const [index, character] of withoutTexts(text).split('').entries()) {
    if ('([{'.includes(character)) open.push(index);
    if (')]}'.includes(character)) open.pop();
  }
  return open.at(-1);
};

/** The condition with every whole text in it blanked out, place for place. */
const withoutTexts = (text: string): string =>
  text.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, (one) => ' '.repeat(one.length));
