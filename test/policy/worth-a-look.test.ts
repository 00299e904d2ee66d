// SPDX-License-Identifier: Apache-2.0
// What is sound and probably not meant: warnings that stop nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { githubDiagnostic, prettyDiagnostic } from '../../src/cli/diagnostics.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { worthALook } from '../../src/policy/worth-a-look.ts';
import { base } from './diagnostic-cases.ts';
import { compiled } from './policy-files.ts';
import { actionWith, call, criticalTier, fact, int, tierWith } from './policy-sample.ts';

const codesOf = (changes: Partial<CompiledAction>, runbook: unknown) =>
  worthALook(actionWith(changes), runbook).map((one) => one.code);
const when = call('>', fact('migrations'), int(0));
const rule = (points: number) => ({ points, when });
const tiers = (...scores: readonly number[]) =>
  scores.map((from_score, at) => tierWith({ name: `t${at}`, from_score }));
const unreached = (start: number, add: readonly number[], floors: readonly string[], scores: readonly number[]) =>
  worthALook(
    actionWith({
      tiers: tiers(...scores),
      risk: { start, add: add.map(rule), never_below: floors.map((tier) => ({ tier, when })) },
    }),
    'x',
  ).map((one) => [one.code, one.facts['tier']]);

test('P17: a wait shorter than a minute is worth a look, one of a minute is not', () => {
  const lock = (wait_ms: number) => ({ tiers: [tierWith({ time_lock: { wait_ms, veto: ['group:risk'] } })] });
  assert.deepEqual(codesOf(lock(59_999), undefined), ['policy-time-lock']);
  assert.deepEqual(codesOf(lock(60_000), undefined), []);
});

test('P17: authors that are known and may approve are worth a look', () => {
  assert.deepEqual(codesOf({ tiers: [tierWith()], made_by: ['requester'] }, undefined), ['policy-made-by']);
  assert.deepEqual(codesOf({ tiers: [tierWith()] }, undefined), []);
});

test('P17: several tiers without a runbook are worth a look, one tier is not', () => {
  const risk = { start: 0, add: [rule(60)], never_below: [] };
  const two = { tiers: [tierWith(), criticalTier()], risk };
  assert.deepEqual(codesOf(two, undefined), ['policy-runbook-missing']);
  assert.deepEqual(codesOf(two, 'runbooks/deploy.md'), []);
  assert.deepEqual(codesOf({ tiers: [tierWith()] }, undefined), []);
});

test('P17: a tier that no score and no rule leads to is worth a look', () => {
  const t1 = ['policy-tier-unreachable', 't1'];
  assert.deepEqual(unreached(0, [], [], [0, 60]), [t1]);
  assert.deepEqual(unreached(0, [59], [], [0, 60]), [t1]);
  assert.deepEqual(unreached(0, [60], [], [0, 60]), []);
  assert.deepEqual(unreached(0, [30, 30], [], [0, 60]), []);
  assert.deepEqual(unreached(0, [], ['t1'], [0, 60]), []);
  // Nothing adds up to the tier between, and nothing begins below the second.
  assert.deepEqual(unreached(0, [10, 100], [], [0, 20, 60]), [t1]);
  assert.deepEqual(unreached(60, [], [], [0, 60]), [['policy-tier-unreachable', 't0']]);
  // Sums that nobody wants to list: 2^40 of them.
  assert.deepEqual(
    unreached(
      0,
      Array.from({ length: 40 }, (_, at) => 2 ** Math.min(at, 19)),
      [],
      [0, 3, 1_000_000],
    ),
    [],
  );
});

test('a warning is shown as one, at its place', () => {
  const file = {
    name: 'policy.yaml',
    text: base.replace('made-by: [requester, facts.authors]', 'made-by: [requester]'),
  };
  const found = lintPolicy([file], compiled(file).policy, {});
  assert.deepEqual(
    found.map((one) => [one.severity, one.code, one.line]),
    [
      ['warning', 'policy-made-by', 11],
      ['warning', 'policy-runbook-missing', 2],
    ],
  );
  const [first] = found;
  assert.ok(first);
  assert.match(prettyDiagnostic(first), /warning\[policy-made-by\]:/);
  assert.match(githubDiagnostic(first), /^::warning file=policy\.yaml,line=11,/);
});
