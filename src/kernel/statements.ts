// SPDX-License-Identifier: Apache-2.0
import { instant, integer, listOf, literal, matching, nullable, recordOf, anyJson, boolean, text } from './shape.ts';
import { shape, type Check, type Checked } from './shape.ts';

/**
 * Every document that somebody signs (FORMATS §3). A statement is canonical JSON, signed as SSHSIG in the namespace
 * that stands beside its type, so that a signature made for one purpose is worth nothing for another (T6, T7).
 */
const digestForm = /^sha256:[0-9a-f]{64}$/;
const hashForm = /^[0-9a-f]{64}$/;

export const digest: Check<string> = matching(digestForm, '`sha256:` and 64 lowercase hex digits');
export const hash: Check<string> = matching(hashForm, '64 lowercase hex digits');
export const fingerprint: Check<string> = matching(
  /^SHA256:[A-Za-z0-9+/]{43}$/,
  'an OpenSSH key fingerprint `SHA256:…`',
);
export const personId: Check<string> = matching(/^p_[a-z0-9_]{4,40}$/, 'a person id such as `p_7h2k9w`');
export const name: Check<string> = matching(/^[a-z][a-z0-9-]{0,62}$/, 'a name of lowercase letters, digits and dashes');
export const principal: Check<string> = matching(
  /^(person:p_[a-z0-9_]{4,40}|machine:[a-z][a-z0-9-]{0,62})$/,
  '`person:<id>` or `machine:<name>`',
);
export const person: Check<string> = matching(/^person:p_[a-z0-9_]{4,40}$/, '`person:<id>`');
export const requestId: Check<string> = matching(/^req_[a-z0-9]{26}$/, 'a request id');
export const permitId: Check<string> = matching(/^pmt_[0-9a-f]{26}$/, 'a permit id');
export const actionName: Check<string> = matching(
  /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){0,7}$/,
  'an action name such as `deploy.production`',
);
const nonce16: Check<string> = matching(/^[0-9a-f]{16}$/, '16 lowercase hex digits');
const nonce32: Check<string> = matching(/^[0-9a-f]{32}$/, '32 lowercase hex digits');
export const head = shape({ size: integer(0), root: hash });

const factName = /^[a-z][a-z0-9_]{0,62}$/;
const common = { ledger: digest, tenant: name };

export const requestStatement = shape({
  type: literal('countersign.dev/request/v0'),
  ...common,
  by: principal,
  /** Persons who drove a machine; they can only add producers, never clear one. */
  drivers: listOf(personId, 16),
  action: actionName,
  /** Values of the facts whose source is the requester, or the argument of an adapter. */
  facts: recordOf(factName, anyJson, 64),
  /** Salted commitment to the reason's text, which is erasable and stands beside the ledger. */
  reason: digest,
  /** Digest of what will be executed or applied as a whole: a command plan, a roster or policy change. */
  content: nullable(digest),
  /** The enforcement-point instance the permit shall be for; null only for changes the ledger applies itself. */
  audience: nullable(name),
  /** Fingerprint of the key that will consume the permit; null only with a null audience. */
  executor: nullable(fingerprint),
  emergency: boolean,
  nonce: nonce16,
  not_after: instant,
});
export type RequestStatement = Checked<typeof requestStatement>;

export const voteStatement = shape({
  type: literal('countersign.dev/vote/v0'),
  ...common,
  by: principal,
  request: requestId,
  revision: integer(1, 1000),
  change: digest,
  decision: literal('approve', 'reject'),
  /** Names of the seats this person agrees to fill; the search picks one of them. */
  seats: listOf(name, 12),
  /** The newest checkpoint the voter has seen; it must lie in this ledger's own past. */
  seen: head,
  /** Salted commitment to a comment or the reason of a rejection, or null. */
  comment: nullable(digest),
  not_after: instant,
});
export type VoteStatement = Checked<typeof voteStatement>;

export const stopStatement = shape({
  type: literal('countersign.dev/veto/v0', 'countersign.dev/withdrawal/v0'),
  ...common,
  by: principal,
  request: requestId,
  change: digest,
  reason: nullable(digest),
  at: instant,
});
export type StopStatement = Checked<typeof stopStatement>;

export const consumptionStatement = shape({
  type: literal('countersign.dev/consumption/v0'),
  ...common,
  by: principal,
  permit: permitId,
  change: digest,
  audience: name,
  /** Drawn by the enforcement point for this one use. */
  challenge: nonce32,
  at: instant,
});
export type ConsumptionStatement = Checked<typeof consumptionStatement>;

export const resultStatement = shape({
  type: literal('countersign.dev/result/v0'),
  ...common,
  by: principal,
  permit: permitId,
  outcome: literal('succeeded', 'failed', 'unknown'),
  exit_code: nullable(integer(0, 255)),
  /** Digest of the output or report that was kept elsewhere, or null. */
  output: nullable(digest),
  at: instant,
});
export type ResultStatement = Checked<typeof resultStatement>;

/** What a request will say, before it is signed: what others are shown when they vouch for a fact of it (FORMATS §3.2). */
export const requestDraft = shape({
  type: literal('countersign.dev/request-draft/v0'),
  action: actionName,
  facts: recordOf(factName, anyJson, 64),
  content: nullable(digest),
  nonce: nonce16,
});
export type RequestDraft = Checked<typeof requestDraft>;

export const factStatement = shape({
  type: literal('countersign.dev/fact/v0'),
  ...common,
  by: principal,
  action: actionName,
  fact: matching(factName, 'a fact name'),
  value: anyJson,
  /** Digest of the draft of the request it is for (FORMATS §3.2): its action, facts, content and nonce. */
  subject: digest,
  not_after: instant,
});
export type FactStatement = Checked<typeof factStatement>;

export const reviewStatement = shape({
  type: literal('countersign.dev/review/v0'),
  ...common,
  by: principal,
  request: requestId,
  finding: literal('justified', 'unjustified', 'needs-change'),
  summary: digest,
  at: instant,
});
export type ReviewStatement = Checked<typeof reviewStatement>;

export const possessionStatement = shape({
  type: literal('countersign.dev/key-possession/v0'),
  ...common,
  holder: principal,
  key: fingerprint,
});
export type PossessionStatement = Checked<typeof possessionStatement>;

export const loginStatement = shape({
  type: literal('countersign.dev/login/v0'),
  ...common,
  by: principal,
  /** Drawn by the server, used once. */
  challenge: nonce32,
  server: text(300),
});
export type LoginStatement = Checked<typeof loginStatement>;

/** The SSHSIG namespace of each statement type. */
export const namespaces = {
  'countersign.dev/genesis/v0': 'countersign-genesis@v1',
  'countersign.dev/key-possession/v0': 'countersign-roster@v1',
  'countersign.dev/request/v0': 'countersign-request@v1',
  'countersign.dev/vote/v0': 'countersign-vote@v1',
  'countersign.dev/veto/v0': 'countersign-veto@v1',
  'countersign.dev/withdrawal/v0': 'countersign-veto@v1',
  'countersign.dev/consumption/v0': 'countersign-consume@v1',
  'countersign.dev/result/v0': 'countersign-consume@v1',
  'countersign.dev/fact/v0': 'countersign-fact@v1',
  'countersign.dev/review/v0': 'countersign-review@v1',
  'countersign.dev/login/v0': 'countersign-login@v1',
} as const;
export type StatementType = keyof typeof namespaces;

/** A statement as it travels and as it is kept: the exact text that was signed, and the raw SSHSIG blob. */
export const envelope = shape({ statement: text(49152), signature: matching(/^[A-Za-z0-9+/=]{1,22000}$/, 'base64') });
export type Envelope = Checked<typeof envelope>;
