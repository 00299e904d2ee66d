// SPDX-License-Identifier: Apache-2.0
import type { RequestSummary, RequestView } from '../contract/api.ts';
import { keptText } from '../app/texts.ts';
import { canDecide, explain } from '../approve/explain.ts';
import { evaluateGate } from '../approve/evaluate-gate.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { Instant } from '../kernel/instant.ts';
import { due } from '../lifecycle/settle.ts';
import type { RequestState } from '../request/request-state.ts';
import { lockEndsAt } from '../timelock/time-lock.ts';
import type { Reader } from './access.ts';
import { namesIn } from './answer-names.ts';
import { closedReview } from './closed-review.ts';
import { tenant } from './ledger-folder.ts';
import { identityOf, timeOf, type ServerContext } from './server-context.ts';

// What time has decided is shown as decided, whether or not it is written down yet (SPEC Q7).
const ends: { readonly [event: string]: RequestState['status'] } = {
  RequestExpired: 'expired',
  PermitExpired: 'expired',
  PermitVoided: 'refused',
  RequestRefused: 'refused',
  ResultRecorded: 'finished',
};

/** The request's status at this moment. */
export const statusOf = (context: ServerContext, request: RequestState, time: Instant): RequestState['status'] => {
  const state = context.sequencer.state();
  const [first] = due({ state, identity: identityOf(state), moment: { index: state.edge.size, time } }, request);
  return first === undefined ? request.status : (ends[first.type] ?? request.status);
};

// Votes end by themselves within days; a gate that has done its part is shown as it was when it did (SPEC V2, V4).
const judgedAt = ({ status, permit, metAt }: RequestState, time: Instant): Instant =>
  permit?.issued_at ?? (status === 'finished' && metAt !== null ? metAt : time);

export const summaryOf = (context: ServerContext, request: RequestState, time: Instant): RequestSummary => {
  const { change, votes } = request;
  const { roster } = context.sequencer.state();
  const gate = evaluateGate({ roster, change, votes, time: judgedAt(request, time) });
  return {
    request: request.id,
    status: statusOf(context, request, time),
    action: change.action,
    title: context.names.proseOf(change.action)?.title ?? '',
    target: change.target,
    tier: change.tier,
    emergency: change.emergency,
    enforced: change.enforced,
    requester: change.requester,
    requested_at: change.requested_at,
    answer_by: change.answer_by,
    not_after: change.not_after,
    revision: change.revision,
    change: request.digest,
    seats_filled: gate.filled.length,
    seats_wanted: gate.filled.length + gate.open.length,
  };
};

const permitOf = ({ permit }: RequestState): RequestView['permit'] =>
  permit === null
    ? null
    : {
        permit: permit.permit,
        issued_at: permit.issued_at,
        expires_at: permit.expires_at,
        persons: permit.persons,
      };

/** All there is to see of a request, for whoever reads: the bytes that people sign, and why it stands where it stands. */
export const viewOf = async (
  context: ServerContext,
  request: RequestState,
  reader: Reader | null,
): Promise<RequestView> => {
  const time = timeOf(context);
  const state = context.sequencer.state();
  const { change, digest, metAt } = request;
  const person = reader?.principal?.startsWith('person:') === true ? reader.principal.slice('person:'.length) : null;
  const reason = await keptText(context.ledger.store, tenant, change.reason);
  const debt = state.debts.get(request.id);
  const view = {
    ...summaryOf(context, request, time),
    change_text: canonicalize(change),
    words: [...fingerprintWords(digest)],
    reason: 'text' in reason ? reason.text : null,
    reason_salt: 'text' in reason ? reason.salt : null,
    reason_state: reason.state,
    reason_erased: 'why' in reason ? { at: reason.at, why: reason.why } : null,
    runbook: context.names.proseOf(change.action)?.runbook ?? null,
    votes: request.votes.map(({ person: voter, decision, revision, level, index }) => ({
      person: voter,
      decision,
      revision,
      level,
      index,
    })),
    explanation: explain(request, state.roster, judgedAt(request, time)),
    can_decide: person === null ? null : { ...canDecide(request, state.roster, person) },
    met_at: metAt,
    locked_until: metAt === null || change.gate.time_lock === null ? null : lockEndsAt(change, metAt),
    permit: permitOf(request),
    outcome: request.status === 'finished' ? request.endedBy : null,
    ended_by: request.endedBy,
    debt:
      debt === undefined
        ? null
        : { reviewers: debt.reviewers, due_at: debt.due_at, overdue: debt.overdue || time >= debt.due_at },
    review: await closedReview(context, request),
    entries: [...request.entries],
  };
  return { ...view, people: namesIn(context, view) } as RequestView;
};
