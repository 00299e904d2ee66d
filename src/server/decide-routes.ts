// SPDX-License-Identifier: Apache-2.0
import type { CastVoteBody, CloseReviewBody, EnvelopeBody, StopRequestBody } from '../contract/api.ts';
import { refuse } from '../kernel/refusal.ts';
import { consumptionStatement, resultStatement, reviewStatement } from '../kernel/statements.ts';
import { stopStatement, voteStatement } from '../kernel/statements.ts';
import type { Command } from '../lifecycle/command.ts';
import { acceptedReply, openingsOf, submitCommand, votedReply } from './answer-command.ts';
import { json, problemReply } from './reply.ts';
import type { Handler } from './server-context.ts';
import { mismatch, normaliseEnvelope, readEnvelope } from './signed-envelope.ts';

/** `POST /v1/requests/{id}/votes`. A vote holds for the request that was signed, and no other (SPEC V1). */
export const vote: Handler = async (context, call) => {
  const body = call.body as CastVoteBody;
  const read = await readEnvelope(context, body.envelope, voteStatement);
  if (!read.ok) return problemReply(read.refusal);
  const { envelope, signed } = read.value;
  const id = call.params['id'] ?? '';
  if (signed.statement.request !== id)
    return problemReply(
      refuse(
        'vote-wrong-request',
        'V1',
        `the vote was signed for request \`${signed.statement.request}\`, not \`${id.slice(0, 80)}\``,
        { request: signed.statement.request },
        'a vote holds for the request that was signed, and no other',
      ).refusal,
    );
  const openings = openingsOf(body.comment, signed.statement.comment);
  if (!openings.ok) return problemReply(openings.refusal);
  const command: Command = {
    type: 'CastVote',
    envelope,
    seen_proof: body.seen_proof ?? null,
    attachments: [],
  };
  const recorded = await submitCommand(context, call, signed.principal, command, { openings: openings.value });
  return recorded.ok ? votedReply(context, id, recorded) : recorded.reply;
};

const stop =
  (kind: 'veto' | 'withdrawal'): Handler =>
  async (context, call) => {
    const body = call.body as StopRequestBody;
    const read = await readEnvelope(context, body.envelope, stopStatement);
    if (!read.ok) return problemReply(read.refusal);
    const { envelope, signed } = read.value;
    const { statement, principal } = signed;
    const id = call.params['id'] ?? '';
    if (statement.type !== `countersign.dev/${kind}/v0`)
      return problemReply(mismatch('a', statement.type, kind).refusal);
    if (statement.request !== id) return problemReply(mismatch('request', statement.request, id).refusal);
    const openings = openingsOf(body.reason, statement.reason);
    if (!openings.ok) return problemReply(openings.refusal);
    const command: Command = { type: 'StopRequest', envelope, attachments: [] };
    const recorded = await submitCommand(context, call, principal, command, { openings: openings.value });
    return recorded.ok ? acceptedReply(context, id, recorded) : recorded.reply;
  };

export const veto = stop('veto');
export const withdraw = stop('withdrawal');

/** `POST /v1/requests/{id}/review`: closes the review that an emergency or a sample left. */
export const review: Handler = async (context, call) => {
  const body = call.body as CloseReviewBody;
  const read = await readEnvelope(context, body.envelope, reviewStatement);
  if (!read.ok) return problemReply(read.refusal);
  const { envelope, signed } = read.value;
  const id = call.params['id'] ?? '';
  if (signed.statement.request !== id) return problemReply(mismatch('request', signed.statement.request, id).refusal);
  const openings = openingsOf(body.summary, signed.statement.summary);
  if (!openings.ok) return problemReply(openings.refusal);
  const command: Command = { type: 'CloseReview', envelope, attachments: [] };
  const recorded = await submitCommand(context, call, signed.principal, command, { openings: openings.value });
  return recorded.ok ? acceptedReply(context, id, recorded) : recorded.reply;
};

/** `POST /v1/permits/{id}/consume`: the receipt is what the enforcement point acts on (SPEC X2). */
export const consume: Handler = async (context, call) => {
  const { envelope: given } = call.body as { readonly envelope: EnvelopeBody };
  const read = await readEnvelope(context, given, consumptionStatement);
  if (!read.ok) return problemReply(read.refusal);
  const { envelope, signed } = read.value;
  const id = call.params['id'] ?? '';
  if (signed.statement.permit !== id) return problemReply(mismatch('permit', signed.statement.permit, id).refusal);
  const command: Command = { type: 'ConsumePermit', envelope, attachments: [] };
  const recorded = await submitCommand(context, call, signed.principal, command);
  if (!recorded.ok) return recorded.reply;
  context.permitProofs.delete(id);
  return acceptedReply(context, context.sequencer.state().permits.get(id) ?? '', recorded);
};

/** `POST /v1/executions/{id}/result`: an execution has the id of its permit. */
export const result: Handler = async (context, call) => {
  const { envelope: given } = call.body as { readonly envelope: EnvelopeBody };
  const read = await readEnvelope(context, given, resultStatement);
  if (!read.ok) return problemReply(read.refusal);
  const { envelope, signed } = read.value;
  const id = call.params['id'] ?? '';
  if (signed.statement.permit !== id) return problemReply(mismatch('permit', signed.statement.permit, id).refusal);
  const command: Command = { type: 'RecordResult', envelope, attachments: [] };
  const recorded = await submitCommand(context, call, signed.principal, command);
  return recorded.ok
    ? acceptedReply(context, context.sequencer.state().permits.get(id) ?? '', recorded)
    : recorded.reply;
};

/** `GET /v1/challenge` and `POST /v1/sessions`: a session lets its holder read, and nothing else (SPEC H7). */
export const challenge: Handler = (context) =>
  json({ challenge: context.sessions.challenge(), server: context.publicUrl() }, 200, { 'cache-control': 'no-store' });

export const openSession: Handler = async (context, call) => {
  const { envelope: given } = call.body as { readonly envelope: EnvelopeBody };
  const envelope = normaliseEnvelope(given);
  if (!envelope.ok) return problemReply(envelope.refusal);
  const opened = await context.sessions.open(context.sequencer.state(), envelope.value, context.publicUrl());
  if (!opened.ok) return problemReply(opened.refusal);
  const { token, principal, expiresAt } = opened.value;
  return json({ token, principal, expires_at: expiresAt }, 201);
};
