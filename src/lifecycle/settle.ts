// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import { addMs } from '../kernel/instant.ts';
import { refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { digestOf } from '../crypto/digest.ts';
import { buildChange } from '../assess/build-change.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { effectiveDigest } from '../policy/policy-shape.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import { isOver, type RequestState } from '../request/request-state.ts';
import { openDebt, reviewOwed } from '../review/debt.ts';
import type { LifecycleEvent } from './event.ts';
import { refused, requestUnknown, type Outcome, type Setting } from './outcome.ts';
import { signatureLost } from './request-signatures.ts';
import { emergencyDebtOpen, type Identity, type State } from './state.ts';

/** How long a consumed permit may go without a result before the result is written down as unknown. */
export const resultWithinMs = 86_400_000;

export const changeDigest = (change: ChangeDocument): string => digestOf(canonicalize(change));

export const actionOf = (state: State, name: string): CompiledAction | undefined =>
  state.policy !== null && Object.hasOwn(state.policy.actions, name) ? state.policy.actions[name] : undefined;

/**
 * What time, policy and roster have made of a request since it was last touched (SPEC Q7, Q8, V5). Every command that touches a
 * request comes through here first, so that nothing depends on a timer having run.
 */
export const due = (
  { state, identity, moment }: Omit<Setting, 'attachments'>,
  request: RequestState,
): readonly LifecycleEvent[] => {
  const { id, status, change, permit, consumedAt } = request;
  const { time } = moment;
  if (isOver(status)) return [];
  const ended: readonly LifecycleEvent[] = change.emergency ? [{ type: 'BreakGlassEnded', request: id }] : [];
  if (status === 'consumed' && permit !== null && consumedAt !== null) {
    if (time < addMs(consumedAt, resultWithinMs)) return [];
    return [
      { type: 'ResultRecorded', request: id, permit: permit.permit, outcome: 'unknown' },
      { type: 'FindingRaised', code: 'result-missing', request: id },
      ...reviewAfter(state, request, time),
    ];
  }
  if (status === 'permitted' && permit !== null) {
    if (time >= permit.expires_at) return [{ type: 'PermitExpired', request: id, permit: permit.permit }, ...ended];
    const code = signatureLost(state.roster, request)?.code ?? (policyMoved(state, change) ? 'policy-changed' : null);
    return code === null ? [] : [{ type: 'PermitVoided', request: id, permit: permit.permit, code }, ...ended];
  }
  if (time >= (status === 'pending' ? change.answer_by : change.not_after))
    return [{ type: 'RequestExpired', request: id }, ...ended];
  const lost = signatureLost(state.roster, request);
  if (lost !== undefined) return [{ type: 'RequestRefused', request: id, code: lost.code }, ...ended];
  return policyMoved(state, change) ? revise(state, identity, request, moment.time) : [];
};

/** The review that a use owes once it is over, whoever tells of its end (SPEC E2); an emergency's is open already. */
export const reviewAfter = (
  state: State,
  request: RequestState,
  time: RequestState['change']['requested_at'],
): readonly LifecycleEvent[] => {
  const action = actionOf(state, request.change.action);
  if (action === undefined || request.change.emergency || !reviewOwed(request)) return [];
  const debt = openDebt(request, action, time);
  return debt === undefined ? [] : [{ type: 'ReviewOpened', debt }];
};

const policyMoved = (state: State, change: ChangeDocument): boolean => {
  const action = actionOf(state, change.action);
  return action === undefined || effectiveDigest(action) !== change.policy;
};

/** The same request under the policy in force now: a new revision, for which nobody has voted yet (INV3). */
export const revisedChange = (
  state: State,
  identity: Identity,
  request: RequestState,
  time: RequestState['change']['requested_at'],
): Result<ChangeDocument> => {
  const action = actionOf(state, request.change.action);
  if (action === undefined) return policyGone(request.change.action);
  const { facts } = request.change;
  const declared = Object.keys(action.facts).sort().join(' ');
  const sameFacts =
    declared === Object.keys(facts).sort().join(' ') &&
    Object.entries(action.facts).every(([name, fact]) => facts[name]?.source === sourceName(fact.source));
  if (!sameFacts) return policyGone(request.change.action);
  return buildChange({
    identity: { ledger: identity.ledger, tenant: identity.tenant },
    roster: state.roster,
    action,
    submission: request.submission,
    requester: request.requester,
    facts,
    revision: request.change.revision + 1,
    time,
    debtOpen: emergencyDebtOpen(state),
  });
};

const sourceName = (source: CompiledAction['facts'][string]['source']): string =>
  source.kind === 'requester'
    ? 'requester'
    : source.kind === 'attested'
      ? `attested(${source.by})`
      : `${source.adapter}(${source.argument})`;

const policyGone = (action: string): Refused =>
  refuse(
    'policy-changed',
    'Q8',
    `the policy of \`${action}\` now asks for other facts`,
    { action },
    'ask again under the new policy',
  );

const revise = (
  state: State,
  identity: Identity,
  request: RequestState,
  time: RequestState['change']['requested_at'],
): readonly LifecycleEvent[] => {
  const revised = revisedChange(state, identity, request, time);
  if (!revised.ok) return [{ type: 'RequestRefused', request: request.id, code: revised.refusal.code }];
  const { revision, tier, gate, answer_by } = revised.value;
  const voided = request.votes.filter((vote) => vote.revision === request.change.revision).length;
  return [
    {
      type: 'RequestRevised',
      request: request.id,
      revision,
      change: changeDigest(revised.value),
      tier,
      raised: gate.raised,
      answer_by,
      votes_voided: voided,
    },
  ];
};

const dueCodes = {
  RequestRevised: [
    'revision-stale',
    'the policy changed, so that the request is now at a new revision and its votes are void',
    'look at the new revision and sign that',
  ],
  RequestRefused: [
    'policy-changed',
    'the policy changed so that this can no longer be asked as it was',
    'ask again under the new policy',
  ],
  PermitVoided: ['permit-void', 'the permit is void', 'ask again'],
  PermitExpired: ['permit-expired', 'the permit has expired', 'ask again; an expired permit is never renewed'],
  RequestExpired: ['request-expired', 'the request has expired', 'ask again'],
  ResultRecorded: ['request-over', 'its result is recorded already', 'look at the request with `countersign show`'],
} as const;

/** Finds a request and settles it; a request that just changed refuses the command and records the change. */
export const touch = (
  setting: Setting,
  id: string,
  principal: string | null,
): { readonly request: RequestState } | { readonly outcome: Outcome } => {
  const request = setting.state.requests.get(id);
  if (request === undefined) return { outcome: refused(requestUnknown(id), principal) };
  const events = due(setting, request);
  const first = events[0];
  if (first === undefined) return { request };
  const lost = first.type === 'RequestRefused' ? signatureLost(setting.state.roster, request) : undefined;
  const [code, why, help] =
    lost === undefined
      ? dueCodes[first.type as keyof typeof dueCodes]
      : ([lost.code, lost.message, lost.help] as const);
  return {
    outcome: refused(refuse(code, 'Q7', `request \`${id}\`: ${why}`, { request: id }, help), principal, events),
  };
};

const overCodes = {
  refused: 'request-refused',
  withdrawn: 'request-withdrawn',
  vetoed: 'request-vetoed',
  expired: 'request-expired',
  finished: 'request-over',
} as const;

/** Refuses a command on a request that is over; what is over stays so (INV6). */
export const refuseOver = (request: RequestState): Refused | undefined =>
  isOver(request.status)
    ? refuse(
        overCodes[request.status as keyof typeof overCodes],
        'Q9',
        `request \`${request.id}\` is over: ${request.status}`,
        { request: request.id, status: request.status },
        'what is over is never taken up again; ask anew',
      )
    : undefined;
