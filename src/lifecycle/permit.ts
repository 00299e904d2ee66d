// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refusal } from '../kernel/refusal.ts';
import { consumptionStatement, resultStatement } from '../kernel/statements.ts';
import { evaluateGate } from '../approve/evaluate-gate.ts';
import { isGovernance } from '../assess/build-change.ts';
import { checkExecution } from '../assess/execution.ts';
import { checkConsumption, makePermit } from '../execute/permit.ts';
import type { RequestState } from '../request/request-state.ts';
import { openDebt } from '../review/debt.ts';
import { authenticate } from '../roster/authenticate.ts';
import { lockEndsAt } from '../timelock/time-lock.ts';
import type { CommandOf } from './command.ts';
import type { LifecycleEvent } from './event.ts';
import { accepted, refused, requestUnknown, type Outcome, type Setting } from './outcome.ts';
import { actionOf, due, refuseOver, reviewAfter, touch } from './settle.ts';
import type { State } from './state.ts';

/** Whether the gate that was met is still met, and its lock has run out; else why not. */
export const readyToAct = (setting: Setting, request: RequestState): Outcome | ReturnType<typeof evaluateGate> => {
  const { state, moment } = setting;
  const over = refuseOver(request);
  if (over !== undefined) return refused(over);
  const gate = evaluateGate({ roster: state.roster, change: request.change, votes: request.votes, time: moment.time });
  if (request.status === 'pending' || request.metAt === null)
    return refused(
      refuse(
        'gate-pending',
        'X1',
        `the gate of \`${request.id}\` is not met yet`,
        { open: gate.open },
        'wait for the votes it still needs',
      ),
    );
  if (gate.result !== 'met')
    return refused(
      refuse(
        'gate-lost',
        'X1',
        `the gate of \`${request.id}\` was met, but votes that it rested on count no more`,
        { open: gate.open },
        'let others vote',
      ),
      null,
      [{ type: 'GateLost', request: request.id, revision: request.change.revision }],
    );
  const until = lockEndsAt(request.change, request.metAt);
  if (moment.time < until)
    return refused(
      refuse(
        'timelock-running',
        'T1',
        `the time lock of \`${request.id}\` runs until \`${until}\``,
        { until, time: moment.time },
        'wait; whoever may veto can still stop it',
      ),
    );
  return gate;
};

/** LC5, first half: the single-use right to carry out one change. */
export const decideIssue = (setting: Setting, command: CommandOf<'IssuePermit'>): Outcome => {
  const { state, moment } = setting;
  const touched = touch(setting, command.request, null);
  if ('outcome' in touched) return touched.outcome;
  const { request } = touched;
  if (isGovernance(request.change.action))
    return refused(
      refuse(
        'permit-not-for-governance',
        'X1',
        `\`${request.change.action}\` is applied by the ledger itself and has no permit`,
        {},
        'activate the change instead',
      ),
    );
  if (request.permit !== null && request.status !== 'met')
    return refused(
      refuseOver(request) ??
        refuse(
          'permit-issued',
          'X1',
          `request \`${request.id}\` already has its permit`,
          { permit: request.permit.permit },
          'fetch that permit; there is one only',
        ),
    );
  const gate = readyToAct(setting, request);
  if ('ok' in gate) return gate;
  const lost = executionLost(state, request);
  if (lost !== undefined) return refused({ ok: false, refusal: lost });
  const permit = makePermit(request, gate.filled, state.governance, moment.time);
  const issued: LifecycleEvent = { type: 'PermitIssued', permit };
  const action = actionOf(state, request.change.action);
  const debt = request.change.emergency && action !== undefined ? openDebt(request, action, moment.time) : undefined;
  return debt === undefined ? accepted(issued) : accepted(issued, { type: 'ReviewOpened', debt });
};

/** LC5, second half: the permit is used up before anything happens (C25). */
export const decideConsume = (setting: Setting, command: CommandOf<'ConsumePermit'>): Outcome => {
  const { state, identity, moment } = setting;
  const signed = authenticate(state.roster, identity, command.envelope, consumptionStatement);
  if (!signed.ok) return refused(signed);
  const { statement, principal } = signed.value;
  const id = state.permits.get(statement.permit);
  const request = id === undefined ? undefined : state.requests.get(id);
  if (request === undefined || request.permit === null)
    return refused(
      refuse(
        'permit-unknown',
        'X2',
        `there is no permit \`${statement.permit}\``,
        { permit: statement.permit },
        'look whether this is the right ledger, or ask for the permit first',
      ),
      principal,
    );
  const { permit } = request;
  const checked = checkConsumption(permit, signed.value, moment.time);
  const settled = due(setting, request);
  if (!checked.ok) return refused(checked, principal, settled);
  const lateReport = checked.value.late && request.status === 'expired';
  if (request.status === 'consumed' || request.status === 'finished')
    return refused(
      refuse(
        'permit-used',
        'X2',
        `permit \`${permit.permit}\` was used already`,
        { permit: permit.permit },
        'a permit is used once; ask again',
      ),
      principal,
    );
  const over = lateReport ? undefined : refuseOver(request);
  if (over !== undefined) return refused(over, principal);
  const ended: readonly LifecycleEvent[] = request.change.emergency
    ? [{ type: 'BreakGlassEnded', request: request.id }]
    : [];
  const consumed: LifecycleEvent = {
    type: 'PermitConsumed',
    request: request.id,
    permit: permit.permit,
    challenge: statement.challenge,
    late: checked.value.late,
  };
  if (checked.value.late) return accepted(consumed, ...(lateReport ? [] : ended));
  if (settled.length > 0)
    return refused(
      refuse('permit-void', 'X2', `permit \`${permit.permit}\` holds no more`, { permit: permit.permit }, 'ask again'),
      principal,
      settled,
    );
  const voided = (refusal: Refusal): Outcome =>
    refused({ ok: false, refusal }, principal, [
      { type: 'PermitVoided', request: request.id, permit: permit.permit, code: refusal.code },
      ...ended,
    ]);
  const lost = executionLost(state, request);
  if (lost !== undefined) return voided(lost);
  const gate = evaluateGate({ roster: state.roster, change: request.change, votes: request.votes, time: moment.time });
  if (gate.result === 'met') return accepted(consumed, ...ended);
  const why = `votes that permit \`${permit.permit}\` rested on count no more`;
  return voided(refuse('gate-lost', 'X2', why, { permit: permit.permit }, 'ask again').refusal);
};

/** Why executor and enforcement point that people approved may not do it any more, by the roster of this moment (A38). */
const executionLost = (state: State, { change }: RequestState): Refusal | undefined => {
  const action = actionOf(state, change.action);
  if (action === undefined)
    return refuse('policy-missing', 'P1', `there is no action \`${change.action}\` any more`, {}, 'ask again').refusal;
  const may = checkExecution(state.roster, action, change.audience, change.executor?.key ?? null);
  return may.ok ? undefined : may.refusal;
};

/** What came of it, signed by whoever ran it. Said once. */
export const decideResult = (setting: Setting, command: CommandOf<'RecordResult'>): Outcome => {
  const { state, identity, moment } = setting;
  const signed = authenticate(state.roster, identity, command.envelope, resultStatement);
  if (!signed.ok) return refused(signed);
  const { statement, principal } = signed.value;
  const id = state.permits.get(statement.permit);
  if (id === undefined) return refused(requestUnknown(statement.permit), principal);
  const touched = touch(setting, id, principal);
  if ('outcome' in touched) return touched.outcome;
  const { request } = touched;
  if (request.permit === null || principal !== request.permit.executor.principal)
    return refused(
      refuse(
        'permit-wrong-executor',
        'X5',
        `\`${principal}\` did not run permit \`${statement.permit}\``,
        { permit: statement.permit },
        'whoever consumed the permit reports its result',
      ),
      principal,
    );
  if (request.status !== 'consumed')
    return refused(
      refuse(
        'result-not-expected',
        'X5',
        `permit \`${statement.permit}\` is ${request.status}; a result follows a consumption, once`,
        { status: request.status },
        'look at the request with `countersign show`',
      ),
      principal,
    );
  const { outcome } = statement;
  const events: LifecycleEvent[] = [
    { type: 'ResultRecorded', request: request.id, permit: request.permit.permit, outcome },
  ];
  if (outcome === 'unknown') events.push({ type: 'FindingRaised', code: 'outcome-unknown', request: request.id });
  return accepted(...events, ...reviewAfter(state, request, moment.time));
};
