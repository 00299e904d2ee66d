// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

/**
 * What goes over HTTP, once: the server validates with these, OpenAPI is made from them, clients take their types.
 * Names are snake_case. Documents that somebody signs travel as their exact text, never as parsed JSON, so that nobody
 * on the way can write them anew.
 */
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const requestId = z.string().regex(/^req_[a-z0-9]{26}$/);
const permitId = z.string().regex(/^pmt_[0-9a-f]{26}$/);
const personId = z.string().regex(/^p_[a-z0-9_]{4,40}$/);
const json = z.unknown();
/** What the server calls the persons of an answer: for display, its operator's word, and in nothing that is signed. */
const people = z.record(personId, z.string());
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);

/** `signature` is base64 of the raw SSHSIG blob, or the armored text that `ssh-keygen -Y sign` writes. */
export const envelope = z.strictObject({ statement: z.string().max(49152), signature: z.string().max(30000) });
/** The text behind a salted commitment; the commitment is the digest of its canonical JSON (FORMATS §3). */
export const opening = z.strictObject({ salt: z.string().regex(/^[0-9a-f]{32}$/), text: z.string().max(8000) });
/** Content-addressed documents that go with a command: digest → base64. */
export const attachments = z.record(digest, base64);
export const head = z.strictObject({ size: z.int().min(0), root: hash });

// ── What is sent ────────────────────────────────────────────────────────────────────────────────────────────────────
export const openSession = z.strictObject({ envelope });
export const submitRequest = z.strictObject({
  envelope,
  reason: opening.optional(),
  attested: z.array(envelope).max(64).optional(),
  attachments: attachments.optional(),
});
export const castVote = z.strictObject({
  envelope,
  /** Consistency from the voter's `seen` to `size`; needed only when `seen` is older than the newest 4096 entries. */
  seen_proof: z.strictObject({ size: z.int().min(1), hashes: z.array(hash).max(64) }).optional(),
  comment: opening.optional(),
});
export const stopRequest = z.strictObject({ envelope, reason: opening.optional() });
export const nothing = z.strictObject({});
export const signedOnly = z.strictObject({ envelope });
export const closeReview = z.strictObject({ envelope, summary: opening.optional() });

// ── What is answered ────────────────────────────────────────────────────────────────────────────────────────────────
/** RFC 9457, `application/problem+json`. `code` and `rule` are stable; see docs/errors.md. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  rule: z.string(),
  detail: z.string(),
  facts: z.record(z.string(), json),
  help: z.string().optional(),
  /** Ledger index of the entry that records the refusal; null when none does. */
  index: z.int().nullable(),
});

/** Every accepted command: where it stands in the ledger, and the proof that it does. */
export const receipt = z.object({
  index: z.int().min(0),
  /** Exact text of the entry. */
  entry: z.string(),
  /** `c2sp.org/tlog-proof@v1`: inclusion of that entry under a signed checkpoint. */
  proof: z.string(),
});
export const submitted = z.object({ request: requestId, revision: z.int(), change: digest, tier: z.string(), receipt });
export const accepted = z.object({
  request: requestId,
  status: z.string(),
  /** Of a vote: how many seats are filled now, and how many there are. A vote can be taken and fill none. */
  seats_filled: z.int().optional(),
  seats_wanted: z.int().optional(),
  receipt,
});
export const session = z.object({ token: z.string(), principal: z.string(), expires_at: instant });
export const challenge = z.object({ challenge: z.string(), server: z.string() });
export const permitAnswer = z.object({
  permit: permitId,
  expires_at: instant,
  /** Exact text of the permit file (FORMATS §6.1): what `verify` and enforcement points read. */
  file: z.string(),
  /** Null when the permit had been issued before. */
  receipt: receipt.nullable(),
});

export const ledgerInfo = z.object({
  /** Digest of the genesis: the pin. */
  ledger: digest,
  tenant: z.string(),
  origin: z.string(),
  trial: z.boolean(),
  /** C2SP verifier key `name+id+base64`. */
  log_key: z.string(),
  size: z.int(),
  root: hash,
  checkpoint: z.string(),
  /** What `/ledger/checkpoint` serves, and how that stands; nothing here is believed without its signatures. */
  heartbeat: z.object({
    /** The note with the log's own time and what witnesses added; null before the first, or when it was lost. */
    note: z.string().nullable(),
    every_ms: z.int(),
    /** Code of the refusal while the server does not say that its checkpoint is the newest. */
    withheld: z.string().nullable(),
    /** Until when the quorum of the server's own policy of witnesses vouches; null when it never did. */
    quorum_at: instant.nullable(),
    asks_for_quorum: z.boolean(),
    witnesses: z.array(z.object({ name: z.string(), cosigned_at: instant.nullable(), failing: z.string().nullable() })),
  }),
  roster: z.object({ version: z.int(), root: hash }),
  policy: z.object({ version: z.int(), digest }),
  quarantine: z.object({ index: z.int(), what: z.string(), still_works: z.array(z.string()) }).nullable(),
});

export type Explanation = {
  readonly code: string;
  readonly status: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly children: readonly Explanation[];
};
export const explanation: z.ZodType<Explanation> = z.lazy(() =>
  z.object({
    code: z.string(),
    status: z.string(),
    values: z.record(z.string(), json),
    children: z.array(explanation),
  }),
);
export const castVoteView = z.object({
  person: personId,
  decision: z.enum(['approve', 'reject']),
  revision: z.int(),
  level: z.string(),
  index: z.int(),
});
export const requestSummary = z.object({
  request: requestId,
  status: z.string(),
  action: z.string(),
  /** The action's title as policy documents write it; empty when the server has no prose for it. */
  title: z.string(),
  target: z.string(),
  tier: z.string(),
  emergency: z.boolean(),
  enforced: z.enum(['advisory', 'credential-held', 'target-verified']),
  requester: z.string(),
  requested_at: instant,
  answer_by: instant,
  not_after: instant,
  revision: z.int(),
  change: digest,
  seats_filled: z.int(),
  seats_wanted: z.int(),
});
export const requestView = requestSummary.extend({
  /** Exact text of the change document: its SHA-256 is `change`, what everybody signs. */
  change_text: z.string(),
  words: z.array(z.string()),
  /** Text of the reason, or null when it was erased or never given. */
  reason: z.string().nullable(),
  /** Salt of the commitment to it that stands in the change document: with it, the text can be checked. */
  reason_salt: z.string().nullable(),
  runbook: z.string().nullable(),
  votes: z.array(castVoteView),
  explanation,
  can_decide: z.object({ may: z.boolean(), why: z.string(), seats: z.array(z.string()) }).nullable(),
  met_at: instant.nullable(),
  /** When the time lock is over; null without one, or before the gate is met. */
  locked_until: instant.nullable(),
  permit: z.object({ permit: permitId, issued_at: instant, expires_at: instant, persons: z.int() }).nullable(),
  outcome: z.string().nullable(),
  /** Who or what ended it: a principal, a code, an outcome; null while it is open. */
  ended_by: z.string().nullable(),
  /** Review still owed. */
  debt: z.object({ reviewers: z.string(), due_at: instant, overdue: z.boolean() }).nullable(),
  /** Review that was closed: the principal, what they found, and when. */
  review: z
    .object({ by: z.string(), finding: z.enum(['justified', 'unjustified', 'needs-change']), at: instant })
    .nullable(),
  /** Ledger indexes of the entries that tell of it. */
  entries: z.array(z.int()),
  people,
});
export const requestPage = z.object({ items: z.array(requestSummary), next: z.string().nullable(), people });
export const statementAnswer = z.object({
  /** The exact bytes to sign, without a line break at the end. */
  statement: z.string(),
  namespace: z.string(),
  change: digest,
  words: z.array(z.string()),
});

/**
 * Everything a voter needs to see for themself, without trusting this server (FORMATS §6.3): governance from genesis
 * on, the request as it was signed, the votes, each proven under one checkpoint. `verify/open-case.ts` reads it, and
 * `formatCaseFile` writes it.
 */
export const caseFile = z.object({
  type: z.literal('countersign.dev/case/v0'),
  request: requestId,
  /** Signed checkpoint note that all proofs lead to. */
  checkpoint: z.string(),
  /** Texts of the entries that governance and the request consist of, ascending by index. */
  entries: z.array(z.string()),
  /** RFC 6962 inclusion of each entry, hex, in the same order. */
  proofs: z.array(z.array(hash)),
  blobs: attachments,
});
export const entryAnswer = z.object({ index: z.int(), entry: z.string(), leaf_hash: hash, proof: z.string() });
export const entriesPage = z.object({ from: z.int(), entries: z.array(z.string()), next: z.int().nullable() });
export const consistencyAnswer = z.object({
  from: z.int(),
  to: z.int(),
  hashes: z.array(hash),
  checkpoint: z.string(),
});
export const rosterView = z.object({
  version: z.int(),
  root: hash,
  records: z.record(z.string(), z.record(z.string(), json)),
  people,
});
export const policyView = z.object({
  version: z.int(),
  digest,
  commit: z.string().nullable(),
  /** Exact canonical text of the compiled policy. */
  text: z.string(),
  prose: z.record(z.string(), z.object({ title: z.string(), runbook: z.string().nullable() })),
});
export const versionAnswer = z.object({ name: z.literal('countersign'), version: z.string(), semantics: z.int() });

export type EnvelopeBody = z.infer<typeof envelope>;
export type SubmitRequestBody = z.infer<typeof submitRequest>;
export type CastVoteBody = z.infer<typeof castVote>;
export type StopRequestBody = z.infer<typeof stopRequest>;
export type CloseReviewBody = z.infer<typeof closeReview>;
export type Problem = z.infer<typeof problem>;
export type Receipt = z.infer<typeof receipt>;
export type Submitted = z.infer<typeof submitted>;
export type Accepted = z.infer<typeof accepted>;
export type Session = z.infer<typeof session>;
export type Challenge = z.infer<typeof challenge>;
export type PermitAnswer = z.infer<typeof permitAnswer>;
export type LedgerInfo = z.infer<typeof ledgerInfo>;
export type RequestSummary = z.infer<typeof requestSummary>;
export type RequestView = z.infer<typeof requestView>;
export type RequestPage = z.infer<typeof requestPage>;
export type StatementAnswer = z.infer<typeof statementAnswer>;
export type CaseFile = z.infer<typeof caseFile>;
export type EntryAnswer = z.infer<typeof entryAnswer>;
export type EntriesPage = z.infer<typeof entriesPage>;
export type ConsistencyAnswer = z.infer<typeof consistencyAnswer>;
export type RosterView = z.infer<typeof rosterView>;
export type PolicyView = z.infer<typeof policyView>;
