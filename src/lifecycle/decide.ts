// SPDX-License-Identifier: Apache-2.0
import type { Attachments, Decision, Moment } from '../kernel/decider.ts';
import { BrokenInvariant, refuse } from '../kernel/refusal.ts';
import type { Command } from './command.ts';
import type { LifecycleEvent } from './event.ts';
import { decideGenesis } from './genesis.ts';
import { decideActivate } from './governance.ts';
import { accepted, refused, type Outcome, type Setting } from './outcome.ts';
import { decideConsume, decideIssue, decideResult } from './permit.ts';
import { hourOf, type State } from './state.ts';
import { decideStop } from './stop.ts';
import { decideSubmit } from './submit.ts';
import { decideReview, decideTick } from './tick.ts';
import { decideVote } from './vote.ts';

/** Refusals of one principal that are recorded one by one within an hour; the rest is counted (design 5). */
export const refusalsAnHour = 60;

/** The one place where anything is decided: same state, command, moment and attachments, same answer, always (INV12). */
export const decide = (
  state: State,
  command: Command,
  moment: Moment,
  attachments: Attachments,
): Decision<LifecycleEvent> => {
  const outcome = outcomeOf(state, command, moment, attachments);
  if (outcome.ok) return { kind: 'accepted', events: outcome.events };
  return {
    kind: 'refused',
    refusal: outcome.refusal,
    events: [...outcome.events, ...recordRefusal(state, command, moment, outcome)],
  };
};

const outcomeOf = (state: State, command: Command, moment: Moment, attachments: Attachments): Outcome => {
  if (command.type === 'Genesis') return decideGenesis(command, attachments, moment.index);
  const { identity } = state;
  if (identity === null)
    return refused(
      refuse('genesis-missing', 'N1', 'this ledger has no genesis yet', {}, 'start it with `countersign init`'),
    );
  const setting: Setting = { state, identity, moment, attachments };
  switch (command.type) {
    case 'SubmitRequest':
      return decideSubmit(setting, command);
    case 'CastVote':
      return decideVote(setting, command);
    case 'StopRequest':
      return decideStop(setting, command);
    case 'IssuePermit':
      return decideIssue(setting, command);
    case 'ConsumePermit':
      return decideConsume(setting, command);
    case 'RecordResult':
      return decideResult(setting, command);
    case 'CloseReview':
      return decideReview(setting, command);
    case 'ActivateChange':
      return decideActivate(setting, command);
    case 'Tick':
      return decideTick(setting);
    case 'SummariseRefusals':
      return accepted({ type: 'RefusalsSummarised', principal: command.principal, count: command.count });
    default:
      throw new BrokenInvariant(`unknown command \`${(command satisfies never as { type: string }).type}\``);
  }
};

// LC2: a refused ask is recorded too, for whoever signed it; nobody can fill the ledger with refusals.
const recordRefusal = (
  state: State,
  command: Command,
  moment: Moment,
  outcome: Extract<Outcome, { ok: false }>,
): readonly LifecycleEvent[] => {
  const { principal, refusal } = outcome;
  if (principal === null) return [];
  const before = state.refusals.get(principal);
  const count = before !== undefined && before.hour === hourOf(moment.time) ? before.count : 0;
  if (count >= refusalsAnHour) return [];
  const { code, rule } = refusal;
  return [
    {
      type: 'CommandRefused',
      principal,
      command: command.type,
      code,
      rule,
      limit_reached: count + 1 === refusalsAnHour,
    },
  ];
};
