// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledTier } from './compiled.ts';
import { about } from './consistency.ts';

const minuteMs = 60_000;

/**
 * What is sound and probably not meant: warnings for whoever writes the policy. Nothing is ever refused for them, and
 * the ledger does not look. `runbook` is the document's, since compiled policy has no prose.
 */
export const worthALook = (action: CompiledAction, runbook: unknown): readonly Refusal[] => [
  ...shortWaits(action),
  ...authorsLeftOut(action),
  ...missingRunbook(action, runbook),
  ...unreachedTiers(action),
];

const shortWaits = (action: CompiledAction): readonly Refusal[] =>
  action.tiers.flatMap((tier) =>
    tier.time_lock === null || tier.time_lock.wait_ms >= minuteMs
      ? []
      : [
          about(
            action,
            'policy-time-lock',
            'P10',
            `the time lock of tier \`${tier.name}\` is shorter than a minute`,
            'nobody looks and vetoes that fast; write for example `15m`',
            { tier: tier.name, where: `tiers.${tier.name}.time_lock.wait` },
          ),
        ],
  );

const authorsLeftOut = (action: CompiledAction): readonly Refusal[] =>
  Object.entries(action.facts).flatMap(([name, { source }]) =>
    source.kind === 'adapter' && source.adapter === 'git' && !action.made_by.includes(`facts.${name}`)
      ? [
          about(
            action,
            'policy-made-by',
            'P4',
            `\`facts.${name}\` says who wrote the commits, and \`made-by\` does not name it`,
            `add \`facts.${name}\` to \`made-by\`; otherwise authors may approve their own change`,
            { where: 'made_by' },
          ),
        ]
      : [],
  );

const missingRunbook = (action: CompiledAction, runbook: unknown): readonly Refusal[] =>
  action.tiers.length < 2 || runbook !== undefined
    ? []
    : [
        about(
          action,
          'policy-runbook-missing',
          'P17',
          `nothing tells approvers of tier \`${action.tiers[1]?.name ?? ''}\` what to look at`,
          'name a `runbook`, such as `runbook: runbooks/deploy.md`; it is shown beside every request',
        ),
      ];

const unreachedTiers = (action: CompiledAction): readonly Refusal[] => {
  const { tiers, risk } = action;
  const most = risk.add.reduce((sum, rule) => sum + rule.points, risk.start);
  const scores = reachableScores(action);
  const reached = (tier: CompiledTier, next: CompiledTier | undefined): boolean =>
    risk.never_below.some((rule) => rule.tier === tier.name) ||
    scores.some((score) => score >= tier.from_score && (next === undefined || score < next.from_score));
  return tiers.flatMap((tier, at) =>
    reached(tier, tiers[at + 1])
      ? []
      : [
          about(
            action,
            'policy-tier-unreachable',
            'P17',
            `tier \`${tier.name}\` can never be reached`,
            `it is for scores ${from(tier, tiers[at + 1])}, and ${most === risk.start ? `the score is always ${most}` : `scores go from ${risk.start} to ${most}`}; change \`from-score\` or the points, or name the tier under \`never-below\``,
            { tier: tier.name },
          ),
        ],
  );
};

const from = (tier: CompiledTier, next: CompiledTier | undefined): string =>
  next === undefined ? `from ${tier.from_score}` : `${tier.from_score} to ${next.from_score - 1}`;

const manySums = 4096;

/** Every score that some of the rules add up to; of very many, one in every tier between the least and the most. */
const reachableScores = ({ risk, tiers }: CompiledAction): readonly number[] => {
  let sums = new Set([risk.start]);
  for (const { points } of risk.add) {
    sums = new Set([...sums, ...[...sums].map((sum) => sum + points)]);
    if (sums.size <= manySums) continue;
    const most = risk.add.reduce((sum, rule) => sum + rule.points, risk.start);
    return [risk.start, most, ...tiers.map((tier) => tier.from_score).filter((at) => at > risk.start && at < most)];
  }
  return [...sums];
};
