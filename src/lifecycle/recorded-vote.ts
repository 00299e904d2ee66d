// SPDX-License-Identifier: Apache-2.0
import type { FoldedEntry } from '../kernel/decider.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { voteStatement, type VoteStatement } from '../kernel/statements.ts';
import type { CastVote } from '../request/request-state.ts';
import { readStatement } from '../roster/authenticate.ts';
import type { Command, CommandOf } from './command.ts';
import type { EventOf, LifecycleEvent } from './event.ts';

/** The vote as it is counted, from the signed statement and what `decide` found out about its signature. */
export const recordedVote = (
  command: CommandOf<'CastVote'>,
  event: EventOf<'ApprovalRecorded'> | EventOf<'RejectionRecorded'>,
  entry: FoldedEntry<Command, LifecycleEvent>,
): CastVote => {
  const { seats, not_after } = readVoteStatement(command.envelope.statement, entry.index);
  const cast = {
    person: event.person,
    key: event.key,
    seats,
    not_after,
    revision: event.revision,
    index: entry.index,
    leaf: entry.leafHash,
  };
  return event.type === 'ApprovalRecorded'
    ? { ...cast, decision: 'approve', level: event.level, independent: event.independent }
    : { ...cast, decision: 'reject', level: 'own-key', independent: false };
};

const readVoteStatement = (text: string, index: number): VoteStatement => {
  const statement = readStatement(text, voteStatement);
  if (!statement.ok) throw new BrokenInvariant(`the vote of entry ${index} can't be read again`);
  return statement.value;
};
