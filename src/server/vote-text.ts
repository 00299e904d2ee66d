// SPDX-License-Identifier: Apache-2.0
import { seatsOpenTo } from '../approve/evaluate-gate.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { addMs, earlier } from '../kernel/instant.ts';
import { namespaces } from '../kernel/statements.ts';
import type { RequestState } from '../request/request-state.ts';
import { identityOf, timeOf, type ServerContext } from './server-context.ts';

const voteValidMs = 24 * 3_600_000;

export const voteNamespace = namespaces['countersign.dev/vote/v0'];

/** The statement that this person would sign to approve or reject, as canonical text without a line break. */
export const voteText = (
  context: ServerContext,
  { id, change, digest }: RequestState,
  person: string,
  decision: 'approve' | 'reject',
): string => {
  const state = context.sequencer.state();
  const { ledger, tenant } = identityOf(state);
  const { size, root } = context.sequencer.signedHead() ?? context.sequencer.head();
  return canonicalize({
    type: 'countersign.dev/vote/v0',
    ledger,
    tenant,
    by: `person:${person}`,
    request: id,
    revision: change.revision,
    change: digest,
    decision,
    seats: decision === 'approve' ? seatsOpenTo(state.roster, change, person) : [],
    seen: { size, root },
    comment: null,
    not_after: earlier(addMs(timeOf(context), voteValidMs), change.not_after),
  });
};
