// SPDX-License-Identifier: Apache-2.0
import type { CompiledFact, Expression, FactType } from './compiled.ts';
import { conditionFunctions } from './condition-functions.ts';

/** What a part of a condition can be. `any` is the item of an empty list, which fits everywhere. */
export type ConditionType = 'bool' | 'int' | 'text' | 'any' | { readonly list: ConditionType };

export const typeOfFact = (type: FactType): ConditionType => {
  if (type === 'int' || type === 'bool') return type;
  return type.startsWith('list<') ? { list: 'text' } : 'text';
};

/**
 * Why a condition could only ever fail or is not a yes or no; undefined when it is sound (SPEC P15). A condition that
 * fails counts as true, so this is not for safety: it saves people a tier nobody understands.
 */
export const typeProblem = (
  expression: Expression,
  facts: { readonly [name: string]: CompiledFact },
): string | undefined => {
  const problems: string[] = [];
  const type = infer(expression, new Map(), { facts, problems });
  if (problems.length === 0 && !same(type, 'bool')) problems.push(`the condition is ${show(type)}, not a yes or no`);
  return problems[0];
};

type Setting = { readonly facts: { readonly [name: string]: CompiledFact }; readonly problems: string[] };
type Locals = ReadonlyMap<string, ConditionType>;

const show = (type: ConditionType): string => {
  if (typeof type !== 'string')
    return type.list === 'any' ? 'a list' : `a list of ${show(type.list).replace(/^an? /, '')}`;
  return { bool: 'a yes or no', int: 'a whole number', text: 'a text', any: 'anything' }[type];
};

const same = (a: ConditionType, b: ConditionType): boolean => {
  if (a === 'any' || b === 'any') return true;
  return typeof a === 'string' || typeof b === 'string' ? a === b : same(a.list, b.list);
};

const infer = (one: Expression, locals: Locals, setting: Setting): ConditionType => {
  switch (one.op) {
    case 'literal':
      return typeof one.value === 'boolean' ? 'bool' : typeof one.value === 'number' ? 'int' : 'text';
    case 'fact': {
      const fact = Object.hasOwn(setting.facts, one.name) ? setting.facts[one.name] : undefined;
      return fact === undefined ? 'any' : typeOfFact(fact.type);
    }
    case 'local':
      return locals.get(one.name) ?? 'any';
    case 'list': {
      const items = one.items.map((item) => infer(item, locals, setting));
      const first = items[0] ?? 'any';
      if (items.some((item) => !same(item, first))) setting.problems.push('a list mixes types');
      return { list: first };
    }
    case 'call':
      return inferCall(
        one.function,
        one.arguments.map((item) => infer(item, locals, setting)),
        setting,
      );
    case 'comprehension': {
      const over = infer(one.over, locals, setting);
      if (typeof over === 'string' && over !== 'any')
        setting.problems.push(`\`${one.macro}\` goes through a list, not ${show(over)}`);
      const item = typeof over === 'string' ? 'any' : over.list;
      const body = infer(one.body, new Map(locals).set(one.variable, item), setting);
      if (one.macro === 'map') return { list: body };
      if (!same(body, 'bool'))
        setting.problems.push(`\`${one.macro}\` asks a yes or no of each item, not ${show(body)}`);
      return one.macro === 'filter' ? over : 'bool';
    }
    default:
      return one satisfies never;
  }
};

const inferCall = (name: string, given: readonly ConditionType[], { problems }: Setting): ConditionType => {
  const [a = 'any', b = 'any', c = 'any'] = given;
  const arity = Object.hasOwn(conditionFunctions, name) ? conditionFunctions[name] : undefined;
  if (arity === undefined || given.length < arity.min || given.length > arity.max)
    problems.push(`\`${name}\` is called with ${given.length} arguments`);
  const want = (type: ConditionType, wanted: ConditionType): void => {
    if (!same(type, wanted))
      problems.push(`\`${name === 'neg' ? '-' : name}\` takes ${show(wanted)}, not ${show(type)}`);
  };
  const alike = (left: ConditionType, right: ConditionType): void => {
    if (!same(left, right)) problems.push(`\`${name}\` compares ${show(left)} with ${show(right)}`);
  };
  switch (name) {
    case '&&':
    case '||':
    case '!':
      for (const type of given) want(type, 'bool');
      return 'bool';
    case '?:':
      want(a, 'bool');
      alike(b, c);
      return b === 'any' ? c : b;
    case '==':
    case '!=':
      alike(a, b);
      return 'bool';
    case 'in':
      alike({ list: a }, b);
      return 'bool';
    case 'size':
      if (a === 'int' || a === 'bool') problems.push(`\`size\` takes a list or a text, not ${show(a)}`);
      return 'int';
    case 'startsWith':
    case 'endsWith':
    case 'contains':
      want(a, 'text');
      want(b, 'text');
      return 'bool';
    case '<':
    case '<=':
    case '>':
    case '>=':
      alike(a, b);
      if (a === 'bool' || typeof a !== 'string') problems.push(`\`${name}\` compares numbers or texts, not ${show(a)}`);
      return 'bool';
    case '+':
      alike(a, b);
      if (a === 'bool') problems.push('`+` adds numbers and joins texts or lists');
      return a === 'any' ? b : a;
    default:
      for (const type of given) want(type, 'int');
      return 'int';
  }
};
