// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { SubmitRequestBody, Submitted } from '../contract/api.ts';
import { digestOf } from '../crypto/digest.ts';
import { decodeBase64 } from '../kernel/base64.ts';
import { requestIdFrom } from '../kernel/ids.ts';
import { BrokenInvariant, ok, refuse, type Result } from '../kernel/refusal.ts';
import { requestStatement, type Envelope } from '../kernel/statements.ts';
import type { Command } from '../lifecycle/command.ts';
import { openingsOf, submitCommand } from './answer-command.ts';
import { gatherFacts } from './gather-facts.ts';
import { json, problemReply } from './reply.ts';
import type { Handler } from './server-context.ts';
import { normaliseEnvelope, readEnvelope } from './signed-envelope.ts';

const maxNamed = 16;

/** `POST /v1/requests`: the server adds its half of the nonce and what its adapters know, and decides nothing. */
export const submitRequest: Handler = async (context, call) => {
  const body = call.body as SubmitRequestBody;
  const read = await readEnvelope(context, body.envelope, requestStatement);
  if (!read.ok) return problemReply(read.refusal);
  const { envelope, signed } = read.value;
  const { statement, principal } = signed;
  const openings = openingsOf(body.reason, statement.reason);
  if (!openings.ok) return problemReply(openings.refusal);
  const attested = normaliseAll(body.attested ?? []);
  if (!attested.ok) return problemReply(attested.refusal);
  const given = readAttachments(body.attachments ?? {});
  if (!given.ok) return problemReply(given.refusal);
  const facts = await gatherFacts(context, statement);
  if (!facts.ok) return problemReply(facts.refusal);
  const attachments = new Map([...given.value, ...facts.value.evidence]);
  const named = new Set(attachments.keys());
  if (statement.content !== null) named.add(statement.content);
  if (named.size > maxNamed)
    return problemReply(
      refuse(
        'attachment-too-large',
        'L7',
        `${named.size} attachments are more than ${maxNamed}`,
        { limit: maxNamed },
        'attach what the statement names, and nothing else',
      ).refusal,
    );
  const server_nonce = randomBytes(8).toString('hex');
  const command: Command = {
    type: 'SubmitRequest',
    request: requestIdFrom(statement.nonce + server_nonce),
    envelope,
    server_nonce,
    gathered: facts.value.gathered,
    attested: attested.value,
    attachments: [...named],
  };
  const recorded = await submitCommand(context, call, principal, command, { attachments, openings: openings.value });
  if (!recorded.ok) return recorded.reply;
  const event = recorded.events.find((one) => one.type === 'RequestSubmitted');
  if (event === undefined) throw new BrokenInvariant('a request was accepted and not submitted');
  const { request, revision, change, tier } = event;
  const answer: Submitted = { request, revision, change, tier, receipt: recorded.receipt };
  return json(answer, 201);
};

const normaliseAll = (given: readonly SubmitRequestBody['envelope'][]): Result<readonly Envelope[]> => {
  const envelopes: Envelope[] = [];
  for (const one of given) {
    const envelope = normaliseEnvelope(one);
    if (!envelope.ok) return envelope;
    envelopes.push(envelope.value);
  }
  return ok(envelopes);
};

const readAttachments = (given: { readonly [digest: string]: string }): Result<ReadonlyMap<string, Uint8Array>> => {
  const attachments = new Map<string, Uint8Array>();
  for (const [digest, base64] of Object.entries(given)) {
    const bytes = decodeBase64(base64);
    if (!bytes.ok) return bytes;
    const actual = digestOf(bytes.value);
    if (actual !== digest)
      return refuse(
        'attachment-mismatch',
        'L7',
        `attachment \`${digest}\` has digest \`${actual}\``,
        { named: digest, actual },
        'send the bytes whose digest the statement names',
      );
    attachments.set(digest, bytes.value);
  }
  return ok(attachments);
};
