// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../kernel/refusal.ts';
import type { Expression } from './compiled.ts';
import { applyFunction } from './condition-functions.ts';
import { failure, value, type Outcome } from './condition-outcome.ts';

export type FactLookup = (name: string) => Outcome;

/**
 * More steps than any condition may need that `checkConsistency` lets through (its static bound is lower), so that
 * running out is a broken bound and never a way to choose an outcome.
 */
export const maxSteps = 1_000_000;

type Locals = ReadonlyMap<string, Outcome>;
type Run = { readonly facts: FactLookup; steps: number };

/** Evaluates a condition; never throws. Whole numbers only, exact within the safe range; beyond it is an error. */
export const evaluateCondition = (expression: Expression, facts: FactLookup): Outcome =>
  walk(expression, new Map(), { facts, steps: maxSteps });

const walk = (expression: Expression, locals: Locals, run: Run): Outcome => {
  if (run.steps <= 0) return failure('too-many-steps');
  run.steps -= 1;
  switch (expression.op) {
    case 'literal':
      return value(expression.value);
    case 'fact':
      return run.facts(expression.name);
    case 'local':
      return locals.get(expression.name) ?? failure('no-such-name');
    case 'list':
      return collect(expression.items.map((item) => walk(item, locals, run)));
    case 'call':
      return walkCall(expression, locals, run);
    case 'comprehension':
      return walkComprehension(expression, locals, run);
    default:
      return expression satisfies never;
  }
};

const walkCall = (call: Extract<Expression, { op: 'call' }>, locals: Locals, run: Run): Outcome => {
  if (call.function === '&&') return allHold(call.arguments.map((item) => walk(item, locals, run)));
  if (call.function === '||') return anyHolds(call.arguments.map((item) => walk(item, locals, run)));
  if (call.function === '?:') {
    const [when, then, otherwise] = call.arguments;
    if (when === undefined || then === undefined || otherwise === undefined) return failure('wrong-type');
    const asked = walk(when, locals, run);
    if (asked.kind !== 'value') return asked;
    if (typeof asked.value !== 'boolean') return failure('wrong-type');
    return walk(asked.value ? then : otherwise, locals, run);
  }
  const items = collect(call.arguments.map((item) => walk(item, locals, run)));
  return items.kind === 'value' ? applyFunction(call.function, items.value as readonly JsonValue[]) : items;
};

/** All values, or else the first unknown, or else the first error. An unknown inside a list makes all of it unknown. */
const collect = (items: readonly Outcome[]): Outcome => {
  const values: JsonValue[] = [];
  let worst: Outcome | undefined;
  for (const item of items) {
    if (item.kind === 'value') values.push(item.value);
    else if (worst === undefined || item.kind === 'unknown') worst = item;
  }
  return worst ?? value(values);
};

// Kleene's `and`: one `false` decides whatever the others are, errors included, as CEL has it. `or` is its mirror.
const allHold = (items: readonly Outcome[]): Outcome => decideBy(items, false);
const anyHolds = (items: readonly Outcome[]): Outcome => decideBy(items, true);

const decideBy = (items: readonly Outcome[], decisive: boolean): Outcome => {
  let open: Outcome | undefined;
  for (const item of items) {
    if (item.kind === 'value' && item.value === decisive) return item;
    const one = item.kind === 'value' && typeof item.value !== 'boolean' ? failure('wrong-type') : item;
    if (one.kind !== 'value' && (open === undefined || one.kind === 'unknown')) open = one;
  }
  return open ?? value(!decisive);
};

const walkComprehension = (
  expression: Extract<Expression, { op: 'comprehension' }>,
  locals: Locals,
  run: Run,
): Outcome => {
  const over = walk(expression.over, locals, run);
  if (over.kind !== 'value') return over;
  if (!Array.isArray(over.value)) return failure('wrong-type');
  const items = over.value as readonly JsonValue[];
  const bodies = items.map((item) => walk(expression.body, new Map(locals).set(expression.variable, value(item)), run));
  if (expression.macro === 'all') return allHold(bodies);
  if (expression.macro === 'exists') return anyHolds(bodies);
  const results = collect(bodies);
  if (results.kind !== 'value' || expression.macro === 'map') return results;
  const holds = results.value as readonly JsonValue[];
  if (holds.some((one) => typeof one !== 'boolean')) return failure('wrong-type');
  if (expression.macro === 'filter') return value(items.filter((_, at) => holds[at] === true));
  return value(holds.filter((one) => one === true).length === 1);
};
