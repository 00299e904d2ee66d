// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, Expression } from '../policy/compiled.ts';
import { evaluateCondition, type FactLookup } from '../policy/condition.ts';
import { failure, unknown, value } from '../policy/condition-outcome.ts';
import { factsIn } from '../policy/facts-in.ts';
import type { FactRecord } from '../request/change-document.ts';

/** How risky a change is taken to be, and so which tier's gate it has to pass. */
export type Assessment = {
  readonly score: number;
  /** One code for each `add` rule, then for each `never-below` rule: `add[0]:true`, `never_below[0]:worst-case`. */
  readonly outcomes: readonly string[];
  /** Facts that nobody but the requester vouches for and that were therefore counted at their worst, sorted. */
  readonly worst_case: readonly string[];
  readonly tier: string;
};

type Facts = { readonly [name: string]: FactRecord };
type Verdict = 'true' | 'false' | 'worst-case' | 'error';

/**
 * Score and tier of a change (SPEC R1–R4, LC3). Every condition can only add points or raise the tier, so the worst
 * case of a condition is that it holds. A fact vouched for by nobody but the requester stands for any value: its
 * condition counts unless it is false whatever that value is (A32). An error counts as well, and so does a fact that
 * is missing (INV4).
 */
export const assess = (action: CompiledAction, facts: Facts): Assessment => {
  const lookup = lookupIn(facts);
  const worst = new Set<string>();
  const judge = (when: Expression): Verdict => {
    const verdict = verdictOf(when, lookup);
    if (verdict === 'worst-case')
      for (const name of factsIn(when)) if (lookup(name).kind === 'unknown') worst.add(name);
    return verdict;
  };
  const added = action.risk.add.map((rule) => ({ points: rule.points, verdict: judge(rule.when) }));
  const raised = action.risk.never_below.map((rule) => ({ tier: rule.tier, verdict: judge(rule.when) }));
  const score = added.reduce((sum, rule) => (rule.verdict === 'false' ? sum : sum + rule.points), action.risk.start);
  const floors = raised.filter((rule) => rule.verdict !== 'false').map((rule) => rule.tier);
  return {
    score,
    outcomes: [
      ...added.map((rule, at) => `add[${at}]:${rule.verdict}`),
      ...raised.map((rule, at) => `never_below[${at}]:${rule.verdict}`),
    ],
    worst_case: [...worst].sort(),
    tier: tierFor(action, score, floors),
  };
};

const lookupIn =
  (facts: Facts): FactLookup =>
  (name) => {
    const record = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (record === undefined) return failure('no-such-fact');
    return record.vouched === 'adapter' || record.vouched === 'attested' ? value(record.value) : unknown;
  };

const verdictOf = (when: Expression, lookup: FactLookup): Verdict => {
  const outcome = evaluateCondition(when, lookup);
  if (outcome.kind === 'unknown') return 'worst-case';
  if (outcome.kind === 'error' || typeof outcome.value !== 'boolean') return 'error';
  return outcome.value ? 'true' : 'false';
};

// Tiers are in order, weakest first. A rule that names a tier there is not raises to the strictest one (INV4).
const tierFor = (action: CompiledAction, score: number, floors: readonly string[]): string => {
  const { tiers } = action;
  let at = 0;
  tiers.forEach((tier, index) => {
    if (tier.from_score <= score) at = index;
  });
  for (const floor of floors) {
    const index = tiers.findIndex((tier) => tier.name === floor);
    at = Math.max(at, index === -1 ? tiers.length - 1 : index);
  }
  return tiers[at]?.name ?? '';
};
