// SPDX-License-Identifier: Apache-2.0
import type { Expression } from './compiled.ts';
import { partsOf } from './facts-in.ts';

/** Most steps a condition may need at worst; below the evaluator's own limit, so that that one is never reached. */
export const maxCost = 250_000;

/**
 * Steps that evaluating a condition takes at most, when a list fact has at most `listMax(name)` items (SPEC P3).
 * `Infinity` when no bound can be told.
 */
export const costOf = (expression: Expression, listMax: (fact: string) => number): number => {
  if (expression.op !== 'comprehension')
    return 1 + partsOf(expression).reduce((sum, part) => sum + costOf(part, listMax), 0);
  const items = sizeOf(expression.over, listMax);
  return 1 + costOf(expression.over, listMax) + items * costOf(expression.body, listMax);
};

// How many items a list expression has at most.
const sizeOf = (expression: Expression, listMax: (fact: string) => number): number => {
  switch (expression.op) {
    case 'fact':
      return listMax(expression.name);
    case 'list':
      return expression.items.length;
    case 'call':
      return expression.arguments.reduce((sum, part) => sum + sizeOf(part, listMax), 0);
    case 'comprehension':
      return sizeOf(expression.over, listMax);
    case 'literal':
      return 0;
    case 'local':
      // A variable that is itself a list: lists in lists are not worth a bound.
      return Number.POSITIVE_INFINITY;
    default:
      return expression satisfies never;
  }
};
