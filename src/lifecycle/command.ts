// SPDX-License-Identifier: Apache-2.0
import {
  isObject,
  integer,
  listOf,
  literal,
  matching,
  nullable,
  recordOf,
  shape,
  text,
  type Checked,
} from '../kernel/shape.ts';
import { anyJson } from '../kernel/shape.ts';
import { ok, refuse, type JsonValue, type Result } from '../kernel/refusal.ts';
import { digest, envelope, principal, requestId } from '../kernel/statements.ts';
import { seenProof } from '../approve/seen.ts';
import { submitRequest } from '../request/submission.ts';

const attachments = listOf(digest, 32);
const signature = matching(/^[A-Za-z0-9+/=]{1,22000}$/, 'base64');

/** The first entry: the founders' signed statement; roster and policy are attached by digest. */
export const genesisCommand = shape({
  type: literal('Genesis'),
  statement: text(49152),
  signatures: listOf(signature, 64),
  attachments,
});
export const castVote = shape({ type: literal('CastVote'), envelope, seen_proof: nullable(seenProof), attachments });
/** A signed withdrawal or veto. */
export const stopRequest = shape({ type: literal('StopRequest'), envelope, attachments });
/** Needs no signature: everything it rests on is signed already. */
export const issuePermit = shape({ type: literal('IssuePermit'), request: requestId, attachments });
export const consumePermit = shape({ type: literal('ConsumePermit'), envelope, attachments });
export const recordResult = shape({ type: literal('RecordResult'), envelope, attachments });
export const closeReview = shape({ type: literal('CloseReview'), envelope, attachments });
/** Applies an approved change of roster or policy. */
export const activateChange = shape({ type: literal('ActivateChange'), request: requestId, attachments });
/** Writes down what time has made true; decides nothing that time alone has not decided. */
export const tick = shape({ type: literal('Tick'), attachments });
/** How many refusals of one principal went unrecorded in an hour. */
export const summariseRefusals = shape({
  type: literal('SummariseRefusals'),
  principal,
  count: integer(1),
  codes: recordOf(/^[a-z][a-z0-9-]{0,60}$/, anyJson, 64),
  attachments,
});

const commandShapes = {
  Genesis: genesisCommand,
  SubmitRequest: submitRequest,
  CastVote: castVote,
  StopRequest: stopRequest,
  IssuePermit: issuePermit,
  ConsumePermit: consumePermit,
  RecordResult: recordResult,
  CloseReview: closeReview,
  ActivateChange: activateChange,
  Tick: tick,
  SummariseRefusals: summariseRefusals,
} as const;

/** Everything that can be asked of the ledger. */
export type Command = {
  readonly [K in keyof typeof commandShapes]: Checked<(typeof commandShapes)[K]>;
}[keyof typeof commandShapes];
export type CommandOf<T extends Command['type']> = Extract<Command, { readonly type: T }>;

/** Reads a command back from an entry or a file. */
export const parseCommand = (value: JsonValue): Result<Command> => {
  const type = isObject(value) ? value['type'] : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(commandShapes, type))
    return refuse(
      'shape-mismatch',
      'K5',
      `\`${String(type)}\` is not a command`,
      {},
      `commands are ${Object.keys(commandShapes).join(', ')}`,
    );
  const checked = commandShapes[type as keyof typeof commandShapes](value, '');
  return checked.ok ? ok(checked.value) : checked;
};
