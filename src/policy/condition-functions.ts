// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../kernel/refusal.ts';
import { failure, value, type Outcome } from './condition-outcome.ts';

/** Every function a condition may call, with how many arguments it takes. `&&` and `||` take two or more. */
export const conditionFunctions: { readonly [name: string]: { readonly min: number; readonly max: number } } = {
  '&&': { min: 2, max: 64 },
  '||': { min: 2, max: 64 },
  '?:': { min: 3, max: 3 },
  '!': { min: 1, max: 1 },
  neg: { min: 1, max: 1 },
  '+': { min: 2, max: 2 },
  '-': { min: 2, max: 2 },
  '*': { min: 2, max: 2 },
  '/': { min: 2, max: 2 },
  '%': { min: 2, max: 2 },
  '==': { min: 2, max: 2 },
  '!=': { min: 2, max: 2 },
  '<': { min: 2, max: 2 },
  '<=': { min: 2, max: 2 },
  '>': { min: 2, max: 2 },
  '>=': { min: 2, max: 2 },
  in: { min: 2, max: 2 },
  size: { min: 1, max: 1 },
  startsWith: { min: 2, max: 2 },
  endsWith: { min: 2, max: 2 },
  contains: { min: 2, max: 2 },
};

const maxText = 100_000;
const maxItems = 10_000;
const wrongType = failure('wrong-type');

/** Applies a function to values that are all known. What it cannot do with them is an error, never a guess. */
export const applyFunction = (name: string, given: readonly JsonValue[]): Outcome => {
  const [a, b] = given;
  if (a === undefined) return wrongType;
  if (name === '!') return typeof a === 'boolean' ? value(!a) : wrongType;
  if (name === 'neg') return typeof a === 'number' ? whole(-a) : wrongType;
  if (name === 'size') return sizeOf(a);
  if (b === undefined) return wrongType;
  if (name === '==') return value(equal(a, b));
  if (name === '!=') return value(!equal(a, b));
  if (name === 'in') return isList(b) ? value(b.some((item) => equal(item, a))) : wrongType;
  if (name === '+' && typeof a === 'string' && typeof b === 'string')
    return a.length + b.length > maxText ? failure('too-large') : value(a + b);
  if (name === '+' && isList(a) && isList(b))
    return a.length + b.length > maxItems ? failure('too-large') : value([...a, ...b]);
  if (typeof a === 'number' && typeof b === 'number') return calculate(name, a, b);
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(name, a, b);
  return wrongType;
};

const isList = (one: JsonValue): one is readonly JsonValue[] => Array.isArray(one);

const sizeOf = (one: JsonValue): Outcome => {
  if (typeof one === 'string') return value(Array.from(one).length);
  return isList(one) ? value(one.length) : wrongType;
};

// CEL has 64-bit numbers; ours are those that signed JSON can hold. What leaves that range is an overflow.
const whole = (result: number): Outcome => (Number.isSafeInteger(result) ? value(result + 0) : failure('overflow'));

const calculate = (name: string, a: number, b: number): Outcome => {
  switch (name) {
    case '+':
      return whole(a + b);
    case '-':
      return whole(a - b);
    case '*':
      return whole(a * b);
    case '/':
      // Subtracting the remainder first keeps the quotient exact; doubles would round some large ones.
      return b === 0 ? failure('division-by-zero') : whole((a - (a % b)) / b);
    case '%':
      return b === 0 ? failure('division-by-zero') : whole(a % b);
    default:
      return ordered(name, a - b);
  }
};

const compareTexts = (name: string, a: string, b: string): Outcome => {
  switch (name) {
    case 'startsWith':
      return value(a.startsWith(b));
    case 'endsWith':
      return value(a.endsWith(b));
    case 'contains':
      return value(a.includes(b));
    default:
      return ordered(name, byCodePoint(a, b));
  }
};

const ordered = (name: string, order: number): Outcome => {
  switch (name) {
    case '<':
      return value(order < 0);
    case '<=':
      return value(order <= 0);
    case '>':
      return value(order > 0);
    case '>=':
      return value(order >= 0);
    default:
      return wrongType;
  }
};

// CEL orders strings by code point; UTF-16 order differs beyond the basic plane.
const byCodePoint = (a: string, b: string): number => {
  const left = Array.from(a);
  const right = Array.from(b);
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const order = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
    if (order !== 0) return order;
  }
  return left.length - right.length;
};

const equal = (a: JsonValue, b: JsonValue): boolean => {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, at) => equal(item, b[at] ?? null));
  return typeof a !== 'object' && a === b;
};
