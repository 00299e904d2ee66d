// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject, type Check } from '../kernel/shape.ts';
import type { Expression } from './compiled.ts';
import { conditionFunctions } from './condition-functions.ts';

/** Bounds of one condition, so that no document makes the evaluator deep or slow (SPEC P3, T14). */
export const maxNodes = 2000;
export const maxDepth = 32;
export const maxText = 1000;
const nameForm = /^[a-z_][a-z0-9_]{0,62}$/;
const macros = ['all', 'exists', 'exists_one', 'filter', 'map'] as const;

const wrong = (path: string, why: string): Refused =>
  refuse(
    'policy-malformed',
    'P3',
    `condition \`${path}\` ${why}`,
    { field: path },
    'compile the policy documents again',
  );

/** A bounded syntax tree with known functions, known arities and no local name out of its place. */
export const expression: Check<Expression> = (given, path) => {
  let nodes = 0;
  const read = (
    one: JsonValue | undefined,
    at: string,
    depth: number,
    locals: ReadonlySet<string>,
  ): Result<Expression> => {
    nodes += 1;
    if (nodes > maxNodes) return wrong(path, `has more than ${maxNodes} parts`);
    if (depth > maxDepth) return wrong(path, `is nested deeper than ${maxDepth}`);
    if (!isObject(one)) return wrong(at, 'must be an expression');
    const many = (items: JsonValue | undefined): Result<readonly Expression[]> => {
      if (!Array.isArray(items)) return wrong(at, 'must have a list of expressions');
      const found: Expression[] = [];
      for (const [index, item] of (items as readonly JsonValue[]).entries()) {
        const checked = read(item, `${at}[${index}]`, depth + 1, locals);
        if (!checked.ok) return checked;
        found.push(checked.value);
      }
      return ok(found);
    };
    switch (one['op']) {
      case 'literal':
        return (
          fields(one, ['op', 'value'], at) ??
          (isLiteral(one['value'])
            ? ok({ op: 'literal', value: one['value'] })
            : wrong(at, 'has a literal that is neither a whole number, a text nor a truth value'))
        );
      case 'fact':
        return (
          fields(one, ['op', 'name'], at) ??
          (isName(one['name']) ? ok({ op: 'fact', name: one['name'] }) : wrong(at, 'needs a fact name'))
        );
      case 'local':
        return (
          fields(one, ['op', 'name'], at) ??
          (isName(one['name']) && locals.has(one['name'])
            ? ok({ op: 'local', name: one['name'] })
            : wrong(at, 'names a variable that is not there'))
        );
      case 'list': {
        const bad = fields(one, ['op', 'items'], at);
        if (bad !== undefined) return bad;
        const items = many(one['items']);
        return items.ok ? ok({ op: 'list', items: items.value }) : items;
      }
      case 'call': {
        const bad = fields(one, ['op', 'function', 'arguments'], at);
        if (bad !== undefined) return bad;
        const called = one['function'];
        const items = many(one['arguments']);
        if (!items.ok) return items;
        const arity =
          typeof called === 'string' && Object.hasOwn(conditionFunctions, called)
            ? conditionFunctions[called]
            : undefined;
        if (typeof called !== 'string' || arity === undefined)
          return wrong(at, `calls an unknown function \`${String(called).slice(0, 40)}\``);
        if (items.value.length < arity.min || items.value.length > arity.max)
          return wrong(at, `calls \`${called}\` with ${items.value.length} arguments`);
        return ok({ op: 'call', function: called, arguments: items.value });
      }
      case 'comprehension': {
        const bad = fields(one, ['op', 'macro', 'over', 'variable', 'body'], at);
        if (bad !== undefined) return bad;
        const macro = macros.find((known) => known === one['macro']);
        const { variable } = one;
        if (macro === undefined || !isName(variable)) return wrong(at, 'needs a known macro and a variable');
        const over = read(one['over'], `${at}.over`, depth + 1, locals);
        if (!over.ok) return over;
        const body = read(one['body'], `${at}.body`, depth + 1, new Set([...locals, variable]));
        return body.ok ? ok({ op: 'comprehension', macro, over: over.value, variable, body: body.value }) : body;
      }
      default:
        return wrong(at, 'has an unknown `op`');
    }
  };
  return read(given, path, 1, new Set());
};

const fields = (one: JsonObject, allowed: readonly string[], at: string): Refused | undefined => {
  const keys = Object.keys(one);
  return keys.length === allowed.length && keys.every((key) => allowed.includes(key))
    ? undefined
    : wrong(at, `must have exactly ${allowed.join(', ')}`);
};

const isName = (given: JsonValue | undefined): given is string => typeof given === 'string' && nameForm.test(given);
const isLiteral = (given: JsonValue | undefined): given is string | number | boolean =>
  typeof given === 'boolean' || Number.isSafeInteger(given) || (typeof given === 'string' && given.length <= maxText);
