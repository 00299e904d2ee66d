// SPDX-License-Identifier: Apache-2.0
// What holds for every policy there could be: risk only adds up, documents never throw, bytes come back as they went.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { assess } from '../../src/assess/assess.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import type { CompiledAction, CompiledPolicy, Expression } from '../../src/policy/compiled.ts';
import { placeFinding, formatDiagnostic, nearest } from '../../src/policy/diagnostic.ts';
import { canFillSeats } from '../../src/policy/fill-seats.ts';
import { parsePolicyFile } from '../../src/policy/parse.ts';
import { formatCompiledPolicy, parseCompiledPolicy, policyDigest } from '../../src/policy/policy-shape.ts';
import { reachOfTier } from '../../src/policy/reach.ts';
import { parsePolicyChange } from '../../src/policy/policy-change.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { base, cases } from './diagnostic-cases.ts';
import { compiled, trialPolicyFiles } from './policy-files.ts';
import {
  actionWith,
  call,
  fact,
  int,
  policyWith,
  record,
  rosterFacts,
  sampleRoster,
  tierWith,
} from './policy-sample.ts';

const condition: fc.Arbitrary<Expression> = fc.oneof(
  fc.constantFrom<Expression>(
    { op: 'literal', value: true },
    { op: 'literal', value: false },
    fact('tested'),
    call('!', fact('tested')),
    fact('gone'),
  ),
  fc
    .tuple(fc.constantFrom('migrations', 'service'), fc.constantFrom('>', '<=', '=='), fc.integer({ min: 0, max: 3 }))
    .map(([name, op, n]) => call(op, fact(name), int(n))),
);
const points = fc.integer({ min: 0, max: 40 });
const addRule = fc.record({ points, when: condition });
const floorRule = fc.record({ tier: fc.constantFrom('standard', 'strict', 'critical', 'gone'), when: condition });
const risk = fc.record({
  start: points,
  add: fc.array(addRule, { maxLength: 4 }),
  never_below: fc.array(floorRule, { maxLength: 3 }),
});
const tiers = [
  tierWith(),
  tierWith({ name: 'strict', from_score: 30 }),
  tierWith({ name: 'critical', from_score: 60 }),
];
const facts = fc.record({
  service: fc.constantFrom(record('shop', 'requester'), record('shop', 'attested')),
  tested: fc
    .tuple(fc.boolean(), fc.constantFrom('requester' as const, 'attested' as const))
    .map(([yes, who]) => record(yes, who)),
  migrations: fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom('requester' as const, 'attested' as const))
    .map(([n, who]) => record(n, who)),
});
const rank = (tier: string): number => tiers.findIndex((one) => one.name === tier);
const judged = (of: CompiledAction['risk'], given: Parameters<typeof assess>[1]) =>
  assess(actionWith({ risk: of, tiers }), given);

test('R1, R4, INV2: another factor or floor never lowers score or tier', () => {
  fc.assert(
    fc.property(risk, facts, addRule, floorRule, (of, given, added, floor) => {
      const before = judged(of, given);
      const scored = judged({ ...of, add: [...of.add, added] }, given);
      const floored = judged({ ...of, never_below: [...of.never_below, floor] }, given);
      assert.ok(scored.score >= before.score && rank(scored.tier) >= rank(before.tier));
      assert.ok(floored.score === before.score && rank(floored.tier) >= rank(before.tier));
    }),
  );
});

test('R1: more points for a factor never lower score or tier', () => {
  fc.assert(
    fc.property(risk, facts, fc.nat({ max: 3 }), points, (of, given, at, more) => {
      const before = judged(of, given);
      const add = of.add.map((rule, index) => (index === at ? { ...rule, points: rule.points + more } : rule));
      const after = judged({ ...of, add, start: of.start + more }, given);
      assert.ok(after.score >= before.score && rank(after.tier) >= rank(before.tier));
    }),
  );
});

test('F6, R2: whatever a requester types for a fact, the tier is that of the worst he could have typed', () => {
  fc.assert(
    fc.property(risk, facts, fc.integer({ min: 0, max: 3 }), (of, given, other) => {
      const typed = { ...given, migrations: record(given.migrations.value, 'requester') };
      const vouched = { ...given, migrations: record(other, 'attested') };
      assert.ok(rank(judged(of, typed).tier) >= rank(judged(of, vouched).tier));
      assert.deepEqual(judged(of, typed), judged(of, { ...typed, migrations: record(other, 'requester') }));
    }),
  );
});

test('R3: a floor whose condition cannot be worked out holds, and a floor at no tier is the strictest', () => {
  const given = { tested: record(true, 'attested') };
  const floor = (when: Expression, tier = 'strict') =>
    judged({ start: 0, add: [], never_below: [{ tier, when }] }, given).tier;
  assert.equal(floor(fact('gone')), 'strict');
  assert.equal(floor(call('>', fact('tested'), int(1))), 'strict');
  assert.equal(floor({ op: 'literal', value: true }, 'gone'), 'critical');
  assert.equal(floor({ op: 'literal', value: false }, 'gone'), 'standard');
});

test('K3: formatCompiledPolicy and parseCompiledPolicy are each other’s inverse', () => {
  fc.assert(
    fc.property(
      risk.filter((of) => of.never_below.every((rule) => rule.tier !== 'gone')),
      (of) => {
        const policy = policyWith(actionWith({ risk: of, tiers }));
        const text = formatCompiledPolicy(policy);
        const read = parseCompiledPolicy(Buffer.from(text));
        assert.ok(read.ok, read.ok ? '' : read.refusal.message);
        assert.equal(formatCompiledPolicy(read.value), text);
        assert.equal(policyDigest(read.value), policyDigest(policy));
      },
    ),
    { numRuns: 50 },
  );
});

test('P14: no text makes reading or compiling throw, and what is refused has a place in the text', () => {
  const lines = base.split('\n');
  const bits = [
    ...lines,
    ...cases.map(([, , to]) => to.replace('«', '')),
    '- a',
    '? b',
    '{',
    '[',
    '}',
    ']',
    '|',
    '>',
    '"',
    "'",
    '&a',
    '*a',
    '!!binary',
    '%YAML 1.1',
    '---',
    '...',
    '\t',
    '\u0000',
    '\ud800',
    '😀: 1',
    '__proto__: {a: 1}',
    'constructor: 1',
    ': :',
    '<<: *x',
  ];
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.array(fc.constantFrom(...bits), { maxLength: 20 }).map((parts) => parts.join('\n')),
    fc
      .tuple(fc.nat({ max: base.length }), fc.nat({ max: 30 }), fc.constantFrom('', ...bits))
      .map(([at, length, put]) => base.slice(0, at) + put + base.slice(at + length)),
  );
  fc.assert(
    fc.property(text, (given) => {
      const result = compilePolicy([{ name: 'x.yaml', text: given }], { commit: null });
      if (result.ok) {
        assert.ok(parseCompiledPolicy(Buffer.from(formatCompiledPolicy(result.policy))).ok);
        return;
      }
      assert.ok(result.diagnostics.length > 0);
      for (const one of result.diagnostics) {
        assert.ok(one.line >= 1 && one.line <= given.split('\n').length && one.column >= 1, formatDiagnostic(one));
        assert.ok(one.message.length > 0 && one.help.length > 0, formatDiagnostic(one));
      }
    }),
    { numRuns: 600 },
  );
});

test('P7: the search for seats finds people exactly when trying every way does', () => {
  const person = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const seats = fc.array(fc.uniqueArray(person, { maxLength: 5 }), { maxLength: 4 });
  const pairs = fc.array(fc.tuple(person, person), { maxLength: 5 });
  fc.assert(
    fc.property(seats, pairs, (positions, enemies) => {
      const conflict = (a: string, b: string): boolean =>
        enemies.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
      const tryAll = (at: number, sitting: readonly string[]): boolean =>
        at === positions.length ||
        (positions[at] ?? []).some(
          (one) => !sitting.some((other) => other === one || conflict(one, other)) && tryAll(at + 1, [...sitting, one]),
        );
      assert.equal(canFillSeats({ positions, conflict }), tryAll(0, []) ? 'yes' : 'no');
    }),
    { numRuns: 500 },
  );
});

test('P7, INV4: taking people out of a group never makes a gate meetable', () => {
  const members = fc.subarray([...(sampleRoster.groups['platform'] ?? [])]);
  const tier = tierWith({ seats: [{ name: 'platform', count: 2, group: 'group:platform' }] });
  fc.assert(
    fc.property(members, fc.nat({ max: 2 }), (some, drop) => {
      const of = (list: readonly string[]) =>
        reachOfTier(
          rosterFacts({ ...sampleRoster, groups: { ...sampleRoster.groups, platform: list } }),
          actionWith(),
          tier,
        ).can;
      const fewer = of(some.filter((_, at) => at !== drop));
      const all = of(some);
      assert.ok(fewer.every((one) => all.includes(one)));
    }),
  );
});

test('a deep condition that a policy may hold can also be activated by a policy change', () => {
  let when: Expression = fact('tested');
  for (let depth = 0; depth < 31; depth += 1) when = call('!', when);
  const policy: CompiledPolicy = policyWith(
    actionWith({ risk: { start: 0, add: [{ points: 1, when }], never_below: [] } }),
  );
  assert.ok(parseCompiledPolicy(Buffer.from(formatCompiledPolicy(policy))).ok);
  const change = {
    type: 'countersign.dev/policy-change/v0',
    from: { version: 1, policy: null },
    policy: policy as unknown as JsonObject,
  };
  const read = parsePolicyChange(Buffer.from(canonicalize(change)));
  assert.ok(read.ok, read.ok ? '' : read.refusal.message);
});

test('a place is exact for every character of a file', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', '\n', '\t', 'é', '😀', 'bc'), { maxLength: 20 }),
      fc.nat(),
      (parts, where) => {
        const text = parts.join('');
        const at = text.length === 0 ? 0 : where % (text.length + 1);
        const { line, column, frame } = placeFinding({ name: 'x', text }, at, {
          code: 'policy-malformed',
          rule: 'P2',
          message: 'm',
          help: 'h',
        });
        const start =
          text
            .split('\n')
            .slice(0, line - 1)
            .join('\n').length + (line > 1 ? 1 : 0);
        assert.equal(start + column - 1, at);
        assert.equal(frame.split('\n').length, 2);
      },
    ),
  );
});

test('the nearest name is found through one slip, and a stranger is not guessed', () => {
  const known = ['requester', 'platform', 'security', 'name'];
  for (const [slip, meant] of [
    ['requestr', 'requester'],
    ['reqeuster', 'requester'],
    ['platfrom', 'platform'],
    ['nmae', 'name'],
    ['securitty', 'security'],
  ] as const)
    assert.equal(nearest(slip, known), meant);
  for (const stranger of ['x', 'billing', 'a'.repeat(10_000)]) assert.equal(nearest(stranger, known), undefined);
});

test('reading the same files twice gives the same bytes', () => {
  assert.equal(
    formatCompiledPolicy(compiled(...trialPolicyFiles).policy),
    formatCompiledPolicy(compiled(...trialPolicyFiles).policy),
  );
  for (const file of trialPolicyFiles) assert.deepEqual(parsePolicyFile(file).errors, []);
});
