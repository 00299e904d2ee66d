// SPDX-License-Identifier: Apache-2.0
import { parse } from '@bufbuild/cel';
import type { RefusalCode } from '../kernel/refusal-codes.ts';
import { slipIn, type ConditionProblem } from './cel-problem.ts';
import type { Expression } from './compiled.ts';
import { didYouMean } from './diagnostic.ts';
import { maxDepth, maxNodes, maxText } from './expression-shape.ts';
import { partsOf } from './facts-in.ts';

const maxBrackets = 200;

/** The parser's tree; only its type is taken from the library, and only this file sees it. */
type Parsed = ReturnType<typeof parse>['expr'];
type Comprehension = Extract<Parsed['exprKind'], { case: 'comprehensionExpr' }>['value'];
type Call = Extract<Parsed['exprKind'], { case: 'callExpr' }>['value'];

export type ParsedCondition =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problem: ConditionProblem };

class Problem extends Error {
  readonly code: RefusalCode;
  readonly help: string;
  readonly at: number;
  constructor(code: RefusalCode, message: string, help: string, at: number) {
    super(message);
    this.code = code;
    this.help = help;
    this.at = at;
  }
}

/**
 * Reads a CEL condition and turns it into our own tree (SPEC P15). The library only parses; what it knows and we do
 * not is refused by name, never ignored. Throws nothing: a problem comes back with its place in the text.
 */
export const parseCondition = (text: string, facts: readonly string[]): ParsedCondition => {
  try {
    // The parser recurses and brackets leave no trace in its tree: without a bound, the room left on the stack decides.
    if ((text.match(/[([{]/g)?.length ?? 0) > maxBrackets)
      throw new Problem(
        'policy-condition-malformed',
        `the condition opens more than ${maxBrackets} brackets`,
        'split it into several rules',
        0,
      );
    const { expr, sourceInfo } = parse(text);
    const at = (one: Parsed): number => sourceInfo?.positions[String(one.id)] ?? 0;
    const expression = new Reader(facts, at).read(expr, new Set());
    const { nodes, depth } = extentOf(expression);
    if (nodes > maxNodes || depth > maxDepth)
      throw new Problem(
        'policy-condition-malformed',
        `the condition has ${nodes} parts in ${depth} levels, more than ${maxNodes} in ${maxDepth}`,
        'split it into several rules',
        0,
      );
    return { ok: true, expression };
  } catch (error) {
    if (error instanceof Problem) {
      const { code, message, help, at } = error;
      return { ok: false, problem: { code, message, help, at } };
    }
    return {
      ok: false,
      problem: { code: 'policy-condition-malformed', ...slipIn(text, error) },
    };
  }
};

const extentOf = (expression: Expression): { readonly nodes: number; readonly depth: number } => {
  const parts = partsOf(expression).map(extentOf);
  return {
    nodes: 1 + parts.reduce((sum, part) => sum + part.nodes, 0),
    depth: 1 + Math.max(0, ...parts.map((part) => part.depth)),
  };
};

const operators: { readonly [name: string]: string } = {
  '_&&_': '&&',
  '_||_': '||',
  '!_': '!',
  '-_': 'neg',
  '_+_': '+',
  '_-_': '-',
  '_*_': '*',
  '_/_': '/',
  '_%_': '%',
  '_==_': '==',
  '_!=_': '!=',
  '_<_': '<',
  '_<=_': '<=',
  '_>_': '>',
  '_>=_': '>=',
  '@in': 'in',
  '_?_:_': '?:',
};
const methods: ReadonlySet<string> = new Set(['size', 'startsWith', 'endsWith', 'contains']);

/** What CEL has and we do not, with what to do instead. */
const instead: { readonly [name: string]: string } = {
  during: 'leave the hours out, or let somebody attest a fact that says them',
  matches: 'use `startsWith`, `endsWith`, `contains` or a list with `in`',
  timestamp: 'let somebody attest a whole number or a truth value',
  duration: 'write a whole number of seconds',
  has: 'every declared fact is there; leave `has` out',
  double: 'write whole numbers',
  uint: 'write whole numbers without `u`',
  '_[_]': 'use `in`, or `exists(…)`; a fact is written `facts.name`',
};

class Reader {
  private readonly facts: readonly string[];
  private readonly at: (one: Parsed) => number;
  constructor(facts: readonly string[], at: (one: Parsed) => number) {
    this.facts = facts;
    this.at = at;
  }

  read(one: Parsed, locals: ReadonlySet<string>): Expression {
    const { exprKind } = one;
    switch (exprKind.case) {
      case 'constExpr':
        return { op: 'literal', value: this.literal(one, exprKind.value.constantKind) };
      case 'identExpr':
        return this.identifier(one, exprKind.value.name, locals);
      case 'selectExpr': {
        const { operand, field, testOnly } = exprKind.value;
        if (testOnly) throw this.unsupported(one, '`has(…)`', instead['has']);
        if (operand?.exprKind.case === 'identExpr' && operand.exprKind.value.name === 'facts' && !locals.has('facts'))
          return this.fact(one, field);
        throw new Problem(
          'policy-condition-malformed',
          `\`.${field}\` is not a field of anything here`,
          'facts are written `facts.name` and have no fields of their own',
          this.at(one),
        );
      }
      case 'callExpr':
        return this.call(one, exprKind.value, locals);
      case 'listExpr':
        return { op: 'list', items: exprKind.value.elements.map((item) => this.read(item, locals)) };
      case 'comprehensionExpr':
        return this.comprehension(one, exprKind.value, locals);
      default:
        throw this.unsupported(one, 'a map or a message', 'use facts, lists, whole numbers, texts and truth values');
    }
  }

  private unsupported(
    one: Parsed,
    what: string,
    help = 'use comparisons, `in`, `size`, `startsWith`, `endsWith`, `contains`, `all`, `exists`, `exists_one`, `filter`, `map`',
  ): Problem {
    return new Problem('policy-unsupported', `${what} is not supported yet`, help, this.at(one));
  }

  private literal(
    one: Parsed,
    constant: Extract<Parsed['exprKind'], { case: 'constExpr' }>['value']['constantKind'],
  ): string | number | boolean {
    if (constant.case === 'stringValue' && constant.value.length > maxText)
      throw new Problem(
        'policy-condition-malformed',
        `a text has more than ${maxText} characters`,
        'write a shorter one',
        this.at(one),
      );
    if (constant.case === 'boolValue' || constant.case === 'stringValue') return constant.value;
    if (constant.case === 'int64Value') {
      const whole = Number(constant.value);
      if (Number.isSafeInteger(whole)) return whole + 0;
      throw new Problem(
        'policy-condition-malformed',
        `\`${constant.value}\` is beyond the whole numbers that can be held exactly`,
        'write a number up to 9007199254740991',
        this.at(one),
      );
    }
    if (constant.case === 'doubleValue') throw this.unsupported(one, 'a number with a fraction', instead['double']);
    if (constant.case === 'uint64Value') throw this.unsupported(one, 'an unsigned number', instead['uint']);
    throw this.unsupported(
      one,
      constant.case === 'nullValue' ? '`null`' : 'a byte string',
      'use facts, lists, whole numbers, texts and truth values',
    );
  }

  private identifier(one: Parsed, name: string, locals: ReadonlySet<string>): Expression {
    return locals.has(name) ? { op: 'local', name } : this.fact(one, name);
  }

  private fact(one: Parsed, name: string): Expression {
    if (this.facts.includes(name)) return { op: 'fact', name };
    throw new Problem(
      'policy-fact-unknown',
      `fact \`${name}\` is not declared`,
      didYouMean(name, this.facts),
      this.at(one),
    );
  }

  private call(one: Parsed, call: Call, locals: ReadonlySet<string>): Expression {
    const given = [...(call.target === undefined ? [] : [call.target]), ...call.args];
    const name = Object.hasOwn(operators, call.function)
      ? operators[call.function]
      : methods.has(call.function)
        ? call.function
        : undefined;
    if (name === undefined) {
      const shown = call.function === '_[_]' ? '`[…]`' : `\`${call.function}(…)\``;
      throw this.unsupported(one, shown, Object.hasOwn(instead, call.function) ? instead[call.function] : undefined);
    }
    if (methods.has(name) && given.length !== (name === 'size' ? 1 : 2))
      throw new Problem(
        'policy-condition-malformed',
        `\`${name}\` has ${given.length} arguments`,
        name === 'size' ? 'write `size(facts.authors)`' : `write \`facts.service.${name}("…")\``,
        this.at(one),
      );
    const read = given.map((item) => this.read(item, locals));
    if (name !== '&&' && name !== '||') return { op: 'call', function: name, arguments: read };
    // `a && b && c` means the same however it is bracketed; one call keeps trees shallow.
    const flat = read.flatMap((item) => (item.op === 'call' && item.function === name ? item.arguments : [item]));
    if (flat.length > 64)
      throw new Problem(
        'policy-condition-malformed',
        `more than 64 parts joined by \`${name}\``,
        'use a list with `in`, or several rules',
        this.at(one),
      );
    return { op: 'call', function: name, arguments: flat };
  }

  /** The parser has already turned macros into loops; their forms are fixed, and any other form is refused. */
  private comprehension(one: Parsed, loop: Comprehension, locals: ReadonlySet<string>): Expression {
    const { iterVar: variable, iterVar2, iterRange, accuInit, loopStep } = loop;
    if (iterVar2 !== '' || iterRange === undefined || loopStep?.exprKind.case !== 'callExpr')
      throw this.unsupported(one, 'this loop');
    if (
      !/^[a-z_][a-z0-9_]{0,62}$/.test(variable) ||
      variable === 'facts' ||
      this.facts.includes(variable) ||
      locals.has(variable)
    )
      throw new Problem(
        'policy-condition-malformed',
        `the variable \`${variable}\` hides a fact or another variable`,
        'choose another lowercase name',
        this.at(one),
      );
    const over = this.read(iterRange, locals);
    const inner = new Set([...locals, variable]);
    const make = (
      macro: Extract<Expression, { op: 'comprehension' }>['macro'],
      from: Expression,
      body: Parsed | undefined,
    ): Expression => {
      if (body === undefined) throw this.unsupported(one, 'this loop');
      return { op: 'comprehension', macro, over: from, variable, body: this.read(body, inner) };
    };
    const step = loopStep.exprKind.value;
    const [first, second] = step.args;
    const start = accuInit?.exprKind;
    if (step.function === '_&&_') return make('all', over, second);
    if (step.function === '_||_') return make('exists', over, second);
    if (start?.case === 'constExpr' && step.function === '_?_:_') return make('exists_one', over, first);
    if (start?.case !== 'listExpr') throw this.unsupported(one, 'this loop');
    if (step.function === '_+_') return make('map', over, itemAdded(loopStep));
    if (step.function !== '_?_:_' || second === undefined) throw this.unsupported(one, 'this loop');
    const kept = make('filter', over, first);
    const item = itemAdded(second);
    return item?.exprKind.case === 'identExpr' && item.exprKind.value.name === variable
      ? kept
      : make('map', kept, item);
  }
}

// The `e` of `@result + [e]`.
const itemAdded = (step: Parsed): Parsed | undefined => {
  const added = step.exprKind.case === 'callExpr' ? step.exprKind.value.args[1] : undefined;
  return added?.exprKind.case === 'listExpr' ? added.exprKind.value.elements[0] : undefined;
};
