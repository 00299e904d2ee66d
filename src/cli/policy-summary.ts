// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, CompiledPolicy, CompiledTier, Expression } from '../policy/compiled.ts';
import { spoken } from './duration.ts';

/** Compiled policy in words, action by action. Everything that decides is named; nothing is taken from prose. */
export const policySummary = (policy: CompiledPolicy, titles: { readonly [action: string]: string } = {}): string[] =>
  Object.values(policy.actions).flatMap((action) => actionLines(action, titles[action.name]));

const together = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '));

const actionLines = (action: CompiledAction, title: string | undefined): string[] => {
  const { timing, risk, emergency } = action;
  const lines = [
    `${action.name}${title === undefined ? '' : `  (${title})`}`,
    `  target ${action.target} · enforced ${action.enforced} · consumed ${action.consume} · owner ${action.owner}`,
    `  may ask: ${together(action.ask)}`,
    `  may carry out: ${together(action.run)}`,
    `  made by, so never approving: ${together(action.made_by)}`,
  ];
  for (const [name, { type, source, max }] of Object.entries(action.facts)) {
    const from =
      source.kind === 'adapter'
        ? `${source.adapter}(${source.argument})`
        : source.kind === 'attested'
          ? `attested(${source.by})`
          : 'requester';
    lines.push(`  fact ${name}: ${type} from ${from}${max === null ? '' : `, at most ${max}`}`);
  }
  lines.push(`  risk starts at ${risk.start}`);
  for (const { points, when } of risk.add) lines.push(`  risk +${points} when ${expressionText(when)}`);
  for (const { tier, when } of risk.never_below) lines.push(`  never below ${tier} when ${expressionText(when)}`);
  for (const tier of action.tiers) lines.push(...tierLines(tier));
  lines.push(
    `  answer within ${spoken(timing.answer_within_ms)} · permit valid ${spoken(timing.permit_valid_ms)}` +
      (action.reviewers === null ? '' : ` · reviewed by ${action.reviewers} within ${spoken(timing.review_within_ms)}`),
  );
  if (emergency !== null)
    lines.push(
      `  emergency: asked by ${together(emergency.ask)}, confirmed by ${emergency.confirm.count} of ${emergency.confirm.group}, ` +
        `lasts ${spoken(emergency.lasts_ms)}, reviewed within ${spoken(emergency.review_within_ms)}`,
    );
  return lines;
};

const tierLines = (tier: CompiledTier): string[] => {
  const seats = tier.seats.map(({ name, count, group }) => `${name}: ${count} of ${group}`).join(' and ');
  const lines = [`  tier ${tier.name} from score ${tier.from_score}: ${seats}; keys ${tier.sign_with} or better`];
  if (tier.must_not_share.length > 0) lines.push(`    who approves shares no ${tier.must_not_share.join(', no ')}`);
  if (tier.independent_surface > 0) lines.push(`    ${tier.independent_surface} signed on an independent surface`);
  if (tier.time_lock !== null)
    lines.push(`    waits ${spoken(tier.time_lock.wait_ms)}; vetoed by ${together(tier.time_lock.veto)}`);
  if (tier.review_percent > 0) lines.push(`    ${tier.review_percent} % are reviewed afterwards`);
  return lines;
};

/** A condition as text again: not what somebody typed, but what will be evaluated. */
export const expressionText = (expression: Expression): string => {
  switch (expression.op) {
    case 'literal':
      return JSON.stringify(expression.value);
    case 'fact':
      return `facts.${expression.name}`;
    case 'local':
      return expression.name;
    case 'list':
      return `[${expression.items.map(expressionText).join(', ')}]`;
    case 'call':
      return `${expression.function}(${expression.arguments.map(expressionText).join(', ')})`;
    default:
      return `${expressionText(expression.over)}.${expression.macro}(${expression.variable}, ${expressionText(expression.body)})`;
  }
};
