// SPDX-License-Identifier: Apache-2.0
import { addMs, earlier, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import type { RequestStatement } from '../kernel/statements.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { effectiveDigest } from '../policy/policy-shape.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { Facts } from '../request/facts.ts';
import { producersOf } from '../request/producers.ts';
import type { Submission } from '../request/submission.ts';
import type { LedgerIdentity, Signed } from '../roster/authenticate.ts';
import { isAmong, personBehind, type Roster } from '../roster/roster.ts';
import { assess } from './assess.ts';
import { checkExecution } from './execution.ts';
import { checkFactValue } from './fact-value.ts';
import { emergencyGate, tierGate } from './required-gate.ts';
import { strictestTier } from './strictest.ts';
import { fillTarget } from './target.ts';

export type ChangeSetting = {
  readonly identity: LedgerIdentity;
  readonly roster: Roster;
  readonly action: CompiledAction;
  readonly submission: Submission;
  readonly requester: Signed<RequestStatement>;
  readonly facts: Facts;
  readonly revision: number;
  readonly time: Instant;
  /** Whether an emergency's review is still owed; it raises the gate of the next emergency. */
  readonly debtOpen: boolean;
};

export const maxValidityMs = 30 * 86_400_000;
export const isGovernance = (action: string): boolean => action.startsWith('governance.');

/**
 * Builds the bytes that everybody signs (SPEC Q1–Q9). Pure in its setting, so that the server, an approver's command
 * line and the offline verifier each build it and get the same digest.
 */
export const buildChange = (setting: ChangeSetting): Result<ChangeDocument> => {
  const { identity, roster, action, submission, requester, facts, time } = setting;
  const { statement } = requester;
  const asked = checkAsking(setting);
  if (asked !== undefined) return asked;
  const run = executorOf(setting);
  if (!run.ok) return run;
  for (const [name, declared] of Object.entries(action.facts)) {
    const checked = checkFactValue(name, declared, facts[name]?.value ?? null);
    if (!checked.ok) return checked;
  }
  const target = fillTarget(action.target, facts);
  if (!target.ok) return target;
  const producers = producersOf(roster, action, statement, facts);
  if (!producers.ok) return producers;
  const assessed = assess(action, facts);
  const strictest = strictestTier(action);
  const tier = statement.emergency ? strictest : action.tiers.find((one) => one.name === assessed.tier);
  if (tier === undefined) return noTier(action.name, assessed.tier);
  const gate = statement.emergency
    ? emergencyGate(action, strictest, roster, unsteered(setting, producers.value), setting.debtOpen)
    : tierGate(tier);
  if (gate === undefined)
    return refuse(
      'emergency-not-offered',
      'E1',
      `action \`${action.name}\` has no emergency path`,
      { action: action.name },
      'ask without `--emergency`, or add an `emergency` section to its policy',
    );
  const lasts = statement.emergency && action.emergency ? action.emergency.lasts_ms : action.timing.permit_valid_ms;
  return ok({
    type: 'countersign.dev/change/v0',
    ...identity,
    request: submission.request,
    revision: setting.revision,
    action: action.name,
    emergency: statement.emergency,
    target: target.value,
    facts,
    from_state: fromState(submission),
    content: statement.content,
    audience: statement.audience,
    executor: run.value,
    enforced: action.enforced,
    policy: effectiveDigest(action),
    roster: { version: roster.version, root: roster.root },
    risk: { score: assessed.score, outcomes: assessed.outcomes, worst_case: assessed.worst_case },
    tier: statement.emergency ? 'emergency' : tier.name,
    gate,
    producers: producers.value,
    requester: statement.by,
    reason: statement.reason,
    nonce: statement.nonce + submission.server_nonce,
    requested_at: time,
    answer_by: earlier(addMs(time, action.timing.answer_within_ms), statement.not_after),
    not_after: statement.not_after,
    permit_valid_ms: Math.min(action.timing.permit_valid_ms, lasts),
    consume: action.consume,
  });
};

// Drivers are what a requester says of itself. They add producers; they must not make it look as if nobody were left to
// command from another team, which would lower the gate (INV9).
const unsteered = ({ roster, requester }: ChangeSetting, producers: readonly string[]): readonly string[] => {
  const { by, drivers } = requester.statement;
  const asker = personBehind(roster, by);
  return producers.filter((person) => person === asker || !drivers.includes(person));
};

const noTier = (action: string, tier: string) =>
  refuse(
    'policy-missing',
    'P1',
    `action \`${action}\` has no tier \`${tier}\``,
    { action, tier },
    'mend the policy; without a tier there is no gate and nothing is allowed',
  );

// LC2: only whom the policy lets ask, and for a time that has not passed and is not for ever (SPEC Q1, Q2).
const checkAsking = ({ roster, action, requester, time }: ChangeSetting): Refused | undefined => {
  const { statement } = requester;
  const may = statement.emergency ? (action.emergency?.ask ?? []) : action.ask;
  if (!isAmong(roster, statement.by, may))
    return refuse(
      'ask-not-allowed',
      'Q1',
      `\`${statement.by}\` may not ask for \`${action.name}\`${statement.emergency ? ' in an emergency' : ''}`,
      { by: statement.by, action: action.name, ask: may },
      `let one of ${may.join(', ') || 'nobody'} ask`,
    );
  if (statement.not_after <= time)
    return refuse(
      'request-expired',
      'Q2',
      `the request was only valid until \`${statement.not_after}\``,
      { not_after: statement.not_after, time },
      'ask again',
    );
  if (statement.not_after > addMs(time, maxValidityMs))
    return refuse(
      'validity-too-long',
      'Q2',
      `a request valid until \`${statement.not_after}\` would live longer than 30 days`,
      { not_after: statement.not_after },
      'choose an earlier `not_after`',
    );
  return undefined;
};

// The permit will name one key and one enforcement point; both are part of what people approve (SPEC Q4).
const executorOf = ({ roster, action, requester }: ChangeSetting): Result<ChangeDocument['executor']> => {
  const { audience, executor, content } = requester.statement;
  if (isGovernance(action.name)) {
    if (audience === null && executor === null && content !== null) return ok(null);
    return refuse(
      'executor-not-allowed',
      'Q4',
      `\`${action.name}\` names content and neither audience nor executor: the ledger applies it itself`,
      { action: action.name },
      'leave audience and executor out and attach the change',
    );
  }
  return checkExecution(roster, action, audience, executor);
};

const fromState = (submission: Submission): JsonObject | null => {
  const seen = submission.gathered.filter((item) => Object.keys(item.detail).length > 0);
  return seen.length === 0 ? null : Object.fromEntries(seen.map((item) => [item.fact, item.detail]));
};
