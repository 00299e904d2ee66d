// SPDX-License-Identifier: Apache-2.0
// Conditions: what parses, what it means, and what is said when a fact is unknown (three-valued, SPEC R2 and R3).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { parseCondition } from '../../src/policy/cel.ts';
import type { CompiledFact, Expression } from '../../src/policy/compiled.ts';
import { costOf, maxCost } from '../../src/policy/condition-cost.ts';
import { failure, unknown, value, type Outcome } from '../../src/policy/condition-outcome.ts';
import { typeProblem } from '../../src/policy/condition-type.ts';
import { evaluateCondition } from '../../src/policy/condition.ts';
import { expression as expressionShape } from '../../src/policy/expression-shape.ts';
import { factsIn } from '../../src/policy/facts-in.ts';

const names = ['n', 'm', 's', 'b', 'c', 'xs', 'ys', 'x1'];
const parsed = (text: string): Expression => {
  const read = parseCondition(text, names);
  assert.ok(read.ok, read.ok ? '' : `${text}: ${read.problem.message}`);
  return read.expression;
};
const known: { readonly [name: string]: JsonValue } = {
  n: 3,
  m: 0,
  s: 'shop',
  b: true,
  c: false,
  xs: ['ann', 'bob', 'cyd'],
  ys: [],
};
/** Facts that are not among these are unknown; `x1` does not even exist. */
const lookup =
  (facts: { readonly [name: string]: JsonValue }) =>
  (name: string): Outcome =>
    name === 'x1' ? failure('no-such-fact') : Object.hasOwn(facts, name) ? value(facts[name] ?? null) : unknown;
const outcome = (text: string, facts = known): JsonValue => {
  const result = evaluateCondition(parsed(text), lookup(facts));
  if (result.kind === 'value') return result.value;
  return result.kind === 'unknown' ? 'UNKNOWN' : `ERROR ${result.why}`;
};

const table: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['n > 2 && n < 4', true],
  ['facts.n >= 3 || facts.n <= 0', true],
  ['n == 3 ? s == "shop" : c', true],
  ['!(b && c)', true],
  ['-n == -3', true],
  ['n * 2 + 1 == 7', true],
  ['7 / 2 == 3 && -7 / 2 == -3', true],
  ['7 % 3 == 1 && -7 % 3 == -1', true],
  ['9007199254740991 / 3 == 3002399751580330', true],
  ['"a" + "b" == "ab"', true],
  ['[1, 2] + [3] == [1, 2, 3]', true],
  ['[[1], [2]] == [[1], [2]]', true],
  ['"bob" in xs && !("zoe" in xs)', true],
  ['s in ["shop", "bank"]', true],
  ['size(xs) == 3 && size(ys) == 0 && xs.size() == 3', true],
  ['size("héé😀") == 4', true],
  ['s.startsWith("sh") && s.endsWith("op") && s.contains("ho")', true],
  ['s.startsWith("Sh")', false],
  ['"a" < "b" && "😀" > "\\uFFFD"', true],
  ['xs.all(x, size(x) == 3)', true],
  ['xs.exists(x, x == "bob") && !xs.exists(x, x == "zoe")', true],
  ['xs.exists_one(x, x > "bob")', true],
  ['xs.exists_one(x, x >= "bob")', false],
  ['xs.filter(x, x != "bob") == ["ann", "cyd"]', true],
  ['xs.map(x, x + "!") == ["ann!", "bob!", "cyd!"]', true],
  ['xs.map(x, x != "bob", size(x)) == [3, 3]', true],
  ['ys.all(y, false) && !ys.exists(y, true)', true],
  ['xs.all(x, xs.exists(y, x == y))', true],
  ['1 == "1"', false],
  ['b == 1', false],
  // what cannot be worked out is an error, and an error is never a `false`
  ['n / m > 1', 'ERROR division-by-zero'],
  ['n % m > 1', 'ERROR division-by-zero'],
  ['9007199254740991 + 1 > 0', 'ERROR overflow'],
  ['9007199254740991 * 9007199254740991 > 0', 'ERROR overflow'],
  ['n > "a"', 'ERROR wrong-type'],
  ['size(n) > 1', 'ERROR wrong-type'],
  ['n && true', 'ERROR wrong-type'],
  ['n ? true : false', 'ERROR wrong-type'],
  ['n.exists(x, true)', 'ERROR wrong-type'],
  ['xs.filter(x, 1) == []', 'ERROR wrong-type'],
  ['x1 == 1', 'ERROR no-such-fact'],
  // Kleene's logic: what is decided without it is decided despite the error (CEL's commutative `&&` and `||`)
  ['n / m > 1 || b', true],
  ['b || n / m > 1', true],
  ['n / m > 1 && c', false],
  ['n / m > 1 && b', 'ERROR division-by-zero'],
  ['xs.exists(x, x == "bob" || n / m > 1)', true],
  ['xs.all(x, x == "zoe" && n / m > 1)', false],
];
for (const [text, expected] of table)
  test(`a condition: ${text} → ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(outcome(text), expected);
  });

const withUnknown: readonly (readonly [string, JsonValue])[] = [
  ['n > 0', 'UNKNOWN'],
  ['!(n > 0)', 'UNKNOWN'],
  ['n > 0 || true', true],
  ['n > 0 && false', false],
  ['n > 0 || false', 'UNKNOWN'],
  ['n == n', 'UNKNOWN'],
  ['n > 0 ? true : true', 'UNKNOWN'],
  ['[n, 1] == [1]', 'UNKNOWN'],
  ['size(xs) > 0', 'UNKNOWN'],
  ['xs.exists(x, true)', 'UNKNOWN'],
  ['xs.all(x, true)', 'UNKNOWN'],
  ['1 in [n]', 'UNKNOWN'],
  // an unknown next to an error stays unknown: it could turn out either way
  ['n > 0 && 1 / 0 > 1', 'UNKNOWN'],
  ['n > 0 || 1 / 0 > 1', 'UNKNOWN'],
];
for (const [text, expected] of withUnknown)
  test(`R2: with every fact unknown, ${text} → ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(outcome(text, {}), expected);
  });

// Expressions of yes or no over four facts, three of them whole numbers and truth values.
const numbers: fc.Arbitrary<string> = fc.letrec<{ n: string }>((tie) => ({
  n: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('n', 'm', '0', '1', '2', '7'),
    fc.tuple(tie('n'), fc.constantFrom('+', '-', '*', '/', '%'), tie('n')).map(([a, op, b]) => `(${a} ${op} ${b})`),
  ),
})).n;
const questions: fc.Arbitrary<string> = fc.letrec<{ q: string }>((tie) => ({
  q: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('b', 'c', 'true', 'false'),
    fc.tuple(numbers, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), numbers).map((parts) => parts.join(' ')),
    fc.tuple(tie('q'), fc.constantFrom('&&', '||'), tie('q')).map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie('q').map((q) => `!(${q})`),
    fc.tuple(tie('q'), tie('q'), tie('q')).map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
    fc.tuple(numbers, fc.array(numbers, { maxLength: 3 })).map(([a, list]) => `${a} in [${list.join(', ')}]`),
    fc
      .tuple(fc.constantFrom('all', 'exists', 'exists_one'), numbers)
      .map(([macro, n]) => `[1, 2, 7].${macro}(x, b || x > ${n})`),
  ),
})).q;
const values = fc.record({
  n: fc.constantFrom(0, 1, 2, 7),
  m: fc.constantFrom(0, 1, 7),
  b: fc.boolean(),
  c: fc.boolean(),
});

test('R2: an outcome that is a value with facts unknown is that value whatever they are', () => {
  fc.assert(
    fc.property(questions, values, fc.subarray(['n', 'm', 'b', 'c']), (text, facts, hidden) => {
      const tree = parsed(text);
      const seen = Object.fromEntries(Object.entries(facts).filter(([name]) => !hidden.includes(name)));
      const before = evaluateCondition(tree, lookup(seen));
      const after = evaluateCondition(tree, lookup(facts));
      if (before.kind === 'value') assert.deepEqual(after, before);
      // And an error stays an error or was decided without: never does hiding a fact turn a problem into a "no".
      if (after.kind === 'error') assert.notEqual(before.kind, 'value');
    }),
    { numRuns: 400 },
  );
});

test('what parses has a shape that the core reads, names its facts, and is well typed', () => {
  const facts: { readonly [name: string]: CompiledFact } = Object.fromEntries(
    (['n', 'm'] as const)
      .map((name) => [name, { type: 'int', source: { kind: 'requester' }, max: null }] as [string, CompiledFact])
      .concat([
        ['b', { type: 'bool', source: { kind: 'requester' }, max: null }],
        ['c', { type: 'bool', source: { kind: 'requester' }, max: null }],
      ]),
  );
  fc.assert(
    fc.property(questions, (text) => {
      const tree = parsed(text);
      const read = expressionShape(tree, 'when');
      assert.ok(read.ok, read.ok ? '' : read.refusal.message);
      assert.deepEqual(read.value, tree);
      assert.ok(factsIn(tree).every((name) => ['n', 'm', 'b', 'c'].includes(name)));
      assert.equal(typeProblem(tree, facts), undefined, text);
    }),
    { numRuns: 200 },
  );
});

test('parsing never throws, whatever the text', () => {
  const pieces = fc.constantFrom(
    'n',
    'facts.',
    'xs',
    '.all(',
    'x, ',
    ')',
    '(',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '&&',
    '||',
    '?',
    ':',
    '!',
    '-',
    '1',
    '1.5',
    '1u',
    '@in',
    '__proto__',
    'b"',
    'r"',
    '\\',
    '\n',
    '//',
    '\u0000',
    '😀',
    '\ud800',
    'in',
    'null',
    'has(',
    ',',
    '.',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ maxLength: 60 }),
        fc.array(pieces, { maxLength: 25 }).map((parts) => parts.join('')),
      ),
      (text) => {
        const read = parseCondition(text, names);
        if (read.ok)
          assert.ok(['value', 'unknown', 'error'].includes(evaluateCondition(read.expression, lookup(known)).kind));
        else assert.ok(read.problem.at >= 0 && read.problem.at <= text.length && read.problem.help.length > 0);
      },
    ),
    { numRuns: 1500 },
  );
});

const unsupported: readonly (readonly [string, RegExp])[] = [
  ['during("business-hours")', /`during\(…\)`/],
  ['s.matches("(a+)+$")', /`matches\(…\)`/],
  ['has(facts.n)', /`has\(…\)`/],
  ['timestamp("2026-01-01T00:00:00Z") > timestamp("2025-01-01T00:00:00Z")', /`timestamp\(…\)`/],
  ['duration("1h") > duration("1m")', /`duration\(…\)`/],
  ['1.5 > 1.0', /a number with a fraction/],
  ['1u > 0u', /an unsigned number/],
  ['{"a": 1} == {"a": 1}', /a map/],
  ['xs[0] == "ann"', /`\[…\]`/],
  ['null == null', /`null`/],
  ['b"x" == b"x"', /a byte string/],
  ['string(n) == "3"', /`string\(…\)`/],
  ['int(s) == 3', /`int\(…\)`/],
  ['double(n) == 3', /`double\(…\)`/],
  ['dyn(n) == 3', /`dyn\(…\)`/],
  ['type(n) == int', /`type\(…\)`/],
  ['exec("rm")', /`exec\(…\)`/],
];
for (const [text, what] of unsupported)
  test(`P15: ${text} is refused by name, with what to write instead`, () => {
    const read = parseCondition(text, names);
    assert.ok(!read.ok);
    assert.equal(read.problem.code, 'policy-unsupported');
    assert.match(read.problem.message, what);
    assert.ok(read.problem.help.length > 10);
  });

test('P15: a loop variable hides neither a fact nor another variable', () => {
  for (const text of ['xs.all(n, true)', 'xs.all(facts, true)', 'xs.all(x, xs.all(x, true))', 'xs.all(X, true)'])
    assert.equal(parseCondition(text, names).ok, false, text);
});

test('P15: names that JavaScript objects carry are no facts', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])
    for (const text of [`${name} == 1`, `facts.${name} == 1`, `${name}(1)`, `s.${name}("a")`])
      assert.equal(parseCondition(text, names).ok, false, text);
});

const typed: { readonly [name: string]: CompiledFact } = {
  n: { type: 'int', source: { kind: 'requester' }, max: null },
  s: { type: 'name', source: { kind: 'requester' }, max: null },
  b: { type: 'bool', source: { kind: 'requester' }, max: null },
  xs: { type: 'list<person>', source: { kind: 'requester' }, max: null },
};
const mistyped: readonly (readonly [string, RegExp])[] = [
  ['n', /a whole number, not a yes or no/],
  ['s', /a text, not a yes or no/],
  ['xs', /a list of text, not a yes or no/],
  ['n == s', /compares a whole number with a text/],
  ['n in xs', /compares/],
  ['b < true', /compares numbers or texts/],
  ['!n', /`!` takes a yes or no, not a whole number/],
  ['b && n', /`&&` takes/],
  ['-s == s', /`-` takes a whole number/],
  ['n + s == s', /compares/],
  ['b + b', /adds numbers/],
  ['size(n) > 0', /takes a list or a text/],
  ['n.startsWith("a")', /takes a text/],
  ['n.all(x, true)', /goes through a list/],
  ['xs.all(x, 1)', /asks a yes or no/],
  ['xs.all(x, x > 1)', /compares a text with a whole number/],
  ['[1, "a"] == [1]', /mixes types/],
  ['n > 0 ? n : b', /compares|not a yes or no/],
];
for (const [text, problem] of mistyped)
  test(`P15: ${text} is mistyped`, () => {
    assert.match(typeProblem(parsed(text), typed) ?? 'nothing', problem);
  });

test('P3: the static cost bounds the steps, and lists in lists have no bound', () => {
  const bound = (text: string, listMax = 200): number => costOf(parsed(text), () => listMax);
  assert.equal(bound('n > 0'), 3);
  assert.ok(bound('xs.all(x, x == "a")') >= 200 * 3);
  assert.ok(bound('xs.all(x, ys.all(y, x == y))') >= 200 * 200);
  assert.ok(bound('xs.all(x, ys.all(y, xs.all(z, y == z)))') > maxCost);
  assert.equal(bound('[xs].all(x, x.all(y, y == "a"))'), Number.POSITIVE_INFINITY);
  assert.ok(bound('(xs + ys).all(x, true)', 10) >= 20);
});

test('P3: what the cost lets through never runs out of steps', () => {
  const many = Array.from({ length: 200 }, (_, at) => `p_${String(at).padStart(4, '0')}`);
  const text = 'xs.all(x, ys.exists(y, x == y))';
  assert.ok(costOf(parsed(text), () => 200) <= maxCost);
  assert.equal(outcome(text, { xs: many, ys: many }), true);
});

test('the order of parts joined by && and || changes no outcome', () => {
  fc.assert(
    fc.property(
      fc.array(questions, { minLength: 2, maxLength: 4 }),
      values,
      fc.subarray(['n', 'm', 'b', 'c']),
      fc.constantFrom('&&', '||'),
      (parts, facts, hidden, op) => {
        const seen = Object.fromEntries(Object.entries(facts).filter(([name]) => !hidden.includes(name)));
        const joined = (list: readonly string[]): Outcome =>
          evaluateCondition(parsed(list.map((part) => `(${part})`).join(` ${op} `)), lookup(seen));
        const [one, other] = [joined(parts), joined(parts.toReversed())];
        assert.equal(one.kind, other.kind);
        if (one.kind === 'value') assert.deepEqual(one, other);
      },
    ),
    { numRuns: 150 },
  );
});
