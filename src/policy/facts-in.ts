// SPDX-License-Identifier: Apache-2.0
import type { Expression } from './compiled.ts';

/** The parts directly under an expression, in the order in which they are evaluated. */
export const partsOf = (expression: Expression): readonly Expression[] => {
  switch (expression.op) {
    case 'literal':
    case 'fact':
    case 'local':
      return [];
    case 'call':
      return expression.arguments;
    case 'list':
      return expression.items;
    case 'comprehension':
      return [expression.over, expression.body];
    default:
      return expression satisfies never;
  }
};

/** Names of the facts that a condition looks at, sorted, each once. */
export const factsIn = (expression: Expression): readonly string[] => {
  const names = new Set<string>();
  const visit = (one: Expression): void => {
    if (one.op === 'fact') names.add(one.name);
    partsOf(one).forEach(visit);
  };
  visit(expression);
  return [...names].sort();
};
