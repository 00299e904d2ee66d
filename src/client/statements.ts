// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { digestOf } from '../crypto/digest.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { instantFromMs, type Instant } from '../kernel/instant.ts';
import { ok, type JsonValue, type Result } from '../kernel/refusal.ts';
import { namespaces, type Envelope } from '../kernel/statements.ts';
import type {
  ConsumptionStatement,
  FactStatement,
  LoginStatement,
  PossessionStatement,
  RequestStatement,
  ResultStatement,
  ReviewStatement,
  StopStatement,
  VoteStatement,
} from '../kernel/statements.ts';
import type { LedgerAnchor } from './history.ts';
import type { Signer } from './signer.ts';

export type AnyStatement =
  | RequestStatement
  | VoteStatement
  | StopStatement
  | ConsumptionStatement
  | ResultStatement
  | FactStatement
  | ReviewStatement
  | PossessionStatement
  | (Omit<LoginStatement, 'type'> & { readonly type: 'countersign.dev/login/v0' });

/** Signs a statement in the namespace of its type, and no other (SPEC S2). */
export const signStatement = async (signer: Signer, statement: AnyStatement): Promise<Result<Envelope>> => {
  const text = canonicalize(statement);
  const blob = await signer.sign(text, namespaces[statement.type]);
  return blob.ok ? ok({ statement: text, signature: encodeBase64(blob.value) }) : blob;
};

/** 64 bits that nobody used before: the client's half of a request's nonce. */
export const freshNonce = (): string => randomBytes(8).toString('hex');
/** 128 bits drawn for one use of a permit. */
export const freshChallenge = (): string => randomBytes(16).toString('hex');
export const now = (): Instant => instantFromMs(Date.now());
export const inMs = (ms: number): Instant => instantFromMs(Date.now() + ms);

/** A salted commitment and the text it stands for: only the commitment enters the ledger (FORMATS §3). */
export type Opening = { readonly salt: string; readonly text: string };
export const openingOf = (text: string): Opening => ({ salt: randomBytes(16).toString('hex'), text });
export const commitTo = (opening: Opening): string => digestOf(canonicalize(opening));

type Common = { readonly ledger: string; readonly tenant: string; readonly by: string };
const common = ({ pin, tenant }: LedgerAnchor, by: string): Common => ({ ledger: pin, tenant, by });

export type RequestParts = {
  readonly action: string;
  readonly facts: { readonly [name: string]: JsonValue };
  readonly reason: string;
  readonly content?: string | null;
  readonly audience: string | null;
  readonly executor: string | null;
  readonly drivers?: readonly string[];
  readonly emergency?: boolean;
  readonly nonce?: string;
  readonly not_after: Instant;
};

export const requestStatementOf = (anchor: LedgerAnchor, by: string, parts: RequestParts): RequestStatement => ({
  type: 'countersign.dev/request/v0',
  ...common(anchor, by),
  drivers: parts.drivers ?? [],
  action: parts.action,
  facts: parts.facts,
  reason: parts.reason,
  content: parts.content ?? null,
  audience: parts.audience,
  executor: parts.executor,
  emergency: parts.emergency ?? false,
  nonce: parts.nonce ?? freshNonce(),
  not_after: parts.not_after,
});

/** What a vote is about: one revision of one request, by its digest. */
export type Subject = { readonly request: string; readonly revision: number; readonly change: string };

export type VoteParts = Subject & {
  readonly decision: 'approve' | 'reject';
  readonly seats: readonly string[];
  readonly seen: { readonly size: number; readonly root: string };
  readonly comment: string | null;
  readonly not_after: Instant;
};

export const voteStatementOf = (anchor: LedgerAnchor, by: string, parts: VoteParts): VoteStatement => ({
  type: 'countersign.dev/vote/v0',
  ...common(anchor, by),
  request: parts.request,
  revision: parts.revision,
  change: parts.change,
  decision: parts.decision,
  seats: parts.seats,
  seen: { size: parts.seen.size, root: parts.seen.root },
  comment: parts.comment,
  not_after: parts.not_after,
});

export const stopStatementOf = (
  anchor: LedgerAnchor,
  by: string,
  kind: 'veto' | 'withdrawal',
  { request, change, reason }: { readonly request: string; readonly change: string; readonly reason: string | null },
): StopStatement => ({
  type: `countersign.dev/${kind}/v0`,
  ...common(anchor, by),
  request,
  change,
  reason,
  at: now(),
});

export const consumptionStatementOf = (
  anchor: LedgerAnchor,
  by: string,
  use: { readonly permit: string; readonly change: string; readonly audience: string; readonly challenge: string },
): ConsumptionStatement => ({
  type: 'countersign.dev/consumption/v0',
  ...common(anchor, by),
  permit: use.permit,
  change: use.change,
  audience: use.audience,
  challenge: use.challenge,
  at: now(),
});

export const resultStatementOf = (
  anchor: LedgerAnchor,
  by: string,
  result: {
    readonly permit: string;
    readonly outcome: 'succeeded' | 'failed' | 'unknown';
    readonly exit_code: number | null;
    readonly output: string | null;
  },
): ResultStatement => ({
  type: 'countersign.dev/result/v0',
  ...common(anchor, by),
  permit: result.permit,
  outcome: result.outcome,
  exit_code: result.exit_code,
  output: result.output,
  at: now(),
});

export const factStatementOf = (
  anchor: LedgerAnchor,
  by: string,
  fact: {
    readonly action: string;
    readonly fact: string;
    readonly value: JsonValue;
    readonly subject: string;
    readonly not_after: Instant;
  },
): FactStatement => ({
  type: 'countersign.dev/fact/v0',
  ...common(anchor, by),
  action: fact.action,
  fact: fact.fact,
  value: fact.value,
  subject: fact.subject,
  not_after: fact.not_after,
});

export const reviewStatementOf = (
  anchor: LedgerAnchor,
  by: string,
  review: {
    readonly request: string;
    readonly finding: 'justified' | 'unjustified' | 'needs-change';
    readonly summary: string;
  },
): ReviewStatement => ({
  type: 'countersign.dev/review/v0',
  ...common(anchor, by),
  request: review.request,
  finding: review.finding,
  summary: review.summary,
  at: now(),
});

/** That a new key's holder has it; signed by that very key (SPEC O8). */
export const possessionStatementOf = (
  { pin, tenant }: LedgerAnchor,
  holder: string,
  key: string,
): PossessionStatement => ({ type: 'countersign.dev/key-possession/v0', ledger: pin, tenant, holder, key });
