// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { digestOf } from '../crypto/digest.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import type { JsonObject, Refusal, Refused, Result } from '../kernel/refusal.ts';
import { ok, refuse } from '../kernel/refusal.ts';
import type { Check } from '../kernel/shape.ts';
import type { Envelope } from '../kernel/statements.ts';
import {
  acceptedAnswer,
  permitAnswer,
  readAnswer,
  requestPageAnswer,
  requestViewAnswer,
  submittedAnswer,
} from './answers.ts';
import type { Client } from './connect.ts';
import { checkReceipt, type CheckedReceipt } from './receipt.ts';
import type { Signer } from './signer.ts';
import {
  commitTo,
  openingOf,
  requestStatementOf,
  signStatement,
  type AnyStatement,
  type RequestParts,
} from './statements.ts';

/** The client's signer, or a refusal that says how to name a key. */
export const signerOf = ({ signer }: Client): Result<Signer> =>
  signer === undefined
    ? refuse('signer-unavailable', 'W6', 'signing needs a key', {}, 'give `--key FILE`, or `--key agent`')
    : ok(signer);

export type Ask = Omit<RequestParts, 'reason' | 'content'> & {
  /** Plain text; only a salted commitment to it enters the ledger. */
  readonly reason: string;
  /** The document whose digest becomes `content`, attached so that people can read what they approve. */
  readonly content?: Uint8Array | undefined;
  readonly attested?: readonly Envelope[];
};

export type Submitted = {
  readonly request: string;
  readonly revision: number;
  readonly change: string;
  readonly tier: string;
  readonly receipt: CheckedReceipt;
};

/** Signs and submits a request; its receipt is checked before it counts. `idempotencyKey` makes it asked once (C11). */
export const submitRequest = async (
  client: Client,
  ask: Ask,
  idempotencyKey: string = randomUUID(),
): Promise<Result<Submitted>> => {
  const signer = signerOf(client);
  if (!signer.ok) return signer;
  const by = await client.principal();
  if (!by.ok) return by;
  const reason = openingOf(ask.reason);
  const content = ask.content === undefined ? null : digestOf(ask.content);
  const statement = requestStatementOf(client.anchor, by.value, { ...ask, reason: commitTo(reason), content });
  const envelope = await signStatement(signer.value, statement);
  if (!envelope.ok) return envelope;
  const body: JsonObject = {
    envelope: envelope.value,
    reason,
    ...(ask.attested === undefined || ask.attested.length === 0 ? {} : { attested: ask.attested }),
    ...(ask.content === undefined || content === null ? {} : { attachments: { [content]: encodeBase64(ask.content) } }),
  };
  const answer = readAnswer(submittedAnswer, await client.post('/v1/requests', body, { idempotencyKey }));
  if (!answer.ok) return answer;
  const receipt = await checkReceipt(client, answer.value.receipt, {
    envelope: envelope.value,
    event: ['RequestSubmitted'],
  });
  return receipt.ok ? ok({ ...answer.value, receipt: receipt.value }) : withId(receipt.refusal, answer.value.request);
};

// What was submitted has an id that people need, also where its receipt proves nothing.
const withId = (refusal: Refusal, request: string): Refused => ({
  ok: false,
  refusal: {
    ...refusal,
    message: `${refusal.message}; the server calls the request \`${request}\``,
    facts: { ...refusal.facts, request },
  },
});

export type Sent = { readonly request: string; readonly status: string; readonly receipt: CheckedReceipt };

/** Signs a statement, sends it, and checks that the ledger proves to hold it. */
export const sendStatement = async (
  client: Client,
  signer: Signer,
  statement: AnyStatement,
  to: { readonly path: string; readonly event: readonly string[]; readonly more?: JsonObject },
): Promise<Result<Sent>> => {
  const envelope = await signStatement(signer, statement);
  return envelope.ok ? sendEnvelope(client, envelope.value, to) : envelope;
};

export const sendEnvelope = async (
  client: Client,
  envelope: Envelope,
  to: { readonly path: string; readonly event: readonly string[]; readonly more?: JsonObject },
): Promise<Result<Sent>> => {
  const answer = readAnswer(
    acceptedAnswer,
    // The same statement is the same act, however often it is sent.
    await client.post(to.path, { envelope, ...to.more }, { idempotencyKey: digestOf(envelope.statement).slice(7) }),
  );
  if (!answer.ok) return answer;
  const receipt = await checkReceipt(client, answer.value.receipt, { envelope, event: to.event });
  return receipt.ok ? ok({ ...answer.value, receipt: receipt.value }) : receipt;
};

const idForm = /^req_[a-z0-9]{26}$/;
const checkId = (id: string): Result<string> =>
  idForm.test(id)
    ? ok(id)
    : refuse(
        'request-unknown',
        'Q6',
        `\`${id.slice(0, 60)}\` is no request id`,
        {},
        'ids look like `req_` and 26 characters: see `countersign list`',
      );

const getOf = async <T>(client: Client, id: string, tail: string, check: Check<T>): Promise<Result<T>> => {
  const request = checkId(id);
  return request.ok ? readAnswer(check, await client.get(`/v1/requests/${id}${tail}`)) : request;
};

/** One request, as the server tells it: for display, and to compare with what was verified. */
export const showRequest = (client: Client, id: string) => getOf(client, id, '', requestViewAnswer);
export const listRequests = async (client: Client, query: Readonly<Record<string, string>>) =>
  readAnswer(requestPageAnswer, await client.get(`/v1/requests?${new URLSearchParams(query).toString()}`));

/** Text of the case file and of the evidence bundle: what `verify` reads. */
export const fetchCase = async (client: Client, id: string): Promise<Result<string>> => {
  const request = checkId(id);
  return request.ok ? client.getText(`/v1/requests/${id}/case`) : request;
};
export const fetchEvidence = async (client: Client, id: string): Promise<Result<string>> => {
  const request = checkId(id);
  return request.ok ? client.getText(`/v1/requests/${id}/evidence`) : request;
};

/** Asks for the permit of a request whose gate is met; the same file again until it is used. */
export const fetchPermit = async (client: Client, id: string) => {
  const request = checkId(id);
  if (!request.ok) return request;
  const path = `/v1/requests/${id}/permit`;
  return readAnswer(permitAnswer, await client.post(path, {}, { idempotencyKey: randomUUID(), asReader: true }));
};

/** Applies an approved change of roster or policy; whoever may read may ask, since all it rests on is signed. */
export const activate = async (client: Client, id: string): Promise<Result<Sent>> => {
  const request = checkId(id);
  if (!request.ok) return request;
  const answer = readAnswer(
    acceptedAnswer,
    await client.post(`/v1/requests/${id}/activate`, {}, { idempotencyKey: randomUUID(), asReader: true }),
  );
  if (!answer.ok) return answer;
  const receipt = await checkReceipt(client, answer.value.receipt, {
    envelope: null,
    event: ['RosterChanged', 'PolicyActivated'],
  });
  return receipt.ok ? ok({ ...answer.value, receipt: receipt.value }) : receipt;
};
