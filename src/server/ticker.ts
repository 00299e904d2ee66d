// SPDX-License-Identifier: Apache-2.0
import { addMs, instantFromMs, type Instant } from '../kernel/instant.ts';
import { resultWithinMs } from '../lifecycle/settle.ts';
import type { State } from '../lifecycle/state.ts';
import type { RequestState } from '../request/request-state.ts';
import type { LedgerSequencer } from './ledger-folder.ts';

/** When time will change this request next. */
const deadlineOf = ({ status, change, permit, consumedAt }: RequestState): Instant => {
  if (status === 'permitted' && permit !== null) return permit.expires_at;
  if (status === 'consumed' && consumedAt !== null) return addMs(consumedAt, resultWithinMs);
  return status === 'pending' ? change.answer_by : change.not_after;
};

/** Whether a `Tick` would find something to write down; a look that writes nothing, so that no entry says "nothing". */
export const somethingDue = (state: State, now: Instant): boolean => {
  for (const id of state.open.keys()) {
    const request = state.requests.get(id);
    if (request !== undefined && deadlineOf(request) <= now) return true;
  }
  for (const debt of state.debts.values()) if (!debt.overdue && debt.due_at <= now) return true;
  return false;
};

export type Ticker = { readonly stop: () => Promise<void> };

/**
 * Writes down what is already true (SPEC Q7): nothing is decided here, and nothing waits for it. After a change of
 * policy it ticks until every open request has its new revision.
 */
export const startTicker = (sequencer: LedgerSequencer, now: () => number, everyMs = 1000): Ticker => {
  let policy = sequencer.state().policy;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let busy = false;

  const tick = async (): Promise<void> => {
    const state = sequencer.state();
    if (sequencer.quarantine() !== undefined) return;
    if (state.policy === policy && !somethingDue(state, instantFromMs(now()))) return;
    const { decision } = await sequencer.submit({ type: 'Tick', attachments: [] });
    if (decision.kind === 'accepted') return stopped ? undefined : tick();
    if (decision.refusal.code === 'nothing-due') policy = state.policy;
  };

  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = tick().finally(() => {
      busy = false;
    });
  }, everyMs).unref();

  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
