// SPDX-License-Identifier: Apache-2.0
import { refuse } from '../kernel/refusal.ts';
import { voteStatement } from '../kernel/statements.ts';
import { evaluateGate } from '../approve/evaluate-gate.ts';
import { checkVote } from '../approve/check-vote.ts';
import { maxVotes } from '../approve/seat-search.ts';
import { checkSeen } from '../approve/seen.ts';
import type { CastVote } from '../request/request-state.ts';
import { authenticate } from '../roster/authenticate.ts';
import { lockEndsAt } from '../timelock/time-lock.ts';
import type { CommandOf } from './command.ts';
import type { LifecycleEvent } from './event.ts';
import { accepted, refused, type Outcome, type Setting } from './outcome.ts';
import { refuseOver, touch } from './settle.ts';
import { rootAt } from './state.ts';

/** LC4: one signed vote, and whether it meets the gate. */
export const decideVote = (setting: Setting, command: CommandOf<'CastVote'>): Outcome => {
  const { state, identity, moment } = setting;
  const signed = authenticate(state.roster, identity, command.envelope, voteStatement);
  if (!signed.ok) return refused(signed);
  const { statement, principal, key, level, independent } = signed.value;
  const touched = touch(setting, statement.request, principal);
  if ('outcome' in touched) return touched.outcome;
  const { request } = touched;
  const over = refuseOver(request);
  if (over !== undefined) return refused(over, principal);
  if (request.status !== 'pending' && request.status !== 'met')
    return refused(
      refuse(
        'vote-too-late',
        'V2',
        `request \`${request.id}\` is already ${request.status}`,
        { status: request.status },
        'to stop it now, veto it',
      ),
      principal,
    );
  const { change, digest, votes } = request;
  const person = checkVote({ roster: state.roster, change, digest, votes, time: moment.time }, signed.value);
  if (!person.ok) return refused(person, principal);
  const seen = checkSeen((size) => rootAt(state, size), statement.seen, command.seen_proof);
  if (!seen.ok) return refused(seen, principal);
  const cast = { request: request.id, revision: change.revision, person: person.value, key };
  if (statement.decision === 'reject')
    return accepted(
      { type: 'RejectionRecorded', ...cast },
      { type: 'RequestRefused', request: request.id, code: 'request-rejected' },
    );
  if (votes.length >= maxVotes)
    return refused(
      refuse(
        'votes-exhausted',
        'V6',
        `request \`${request.id}\` already has ${maxVotes} votes`,
        { limit: maxVotes },
        'ask anew',
      ),
      principal,
    );
  const { decision, seats, not_after, revision } = statement;
  const vote: CastVote = {
    person: person.value,
    key,
    decision,
    seats,
    level,
    independent,
    not_after,
    revision,
    index: moment.index,
    leaf: '',
  };
  const of = { request: request.id, revision: change.revision };
  const recorded: LifecycleEvent = { type: 'ApprovalRecorded', ...cast, level, independent };
  const gateWith = (counted: readonly CastVote[]) =>
    evaluateGate({ roster: state.roster, change, votes: counted, time: moment.time });
  const stillMet = request.status === 'met' && gateWith(votes).result === 'met';
  if (stillMet) return accepted(recorded);
  // T1: the votes it was met by fell in the meantime, and the lock counts from votes that hold.
  const lost: readonly LifecycleEvent[] = request.status === 'met' ? [{ type: 'GateLost', ...of }] : [];
  const gate = gateWith([...votes, vote]);
  if (gate.result !== 'met') return accepted(...lost, recorded);
  const lock: readonly LifecycleEvent[] =
    change.gate.time_lock === null ? [] : [{ type: 'TimelockStarted', ...of, until: lockEndsAt(change, moment.time) }];
  return accepted(...lost, recorded, { type: 'GateMet', ...of, seats: gate.filled }, ...lock);
};
