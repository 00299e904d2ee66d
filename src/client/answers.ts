// SPDX-License-Identifier: Apache-2.0
import type { Explanation, LedgerInfo, PermitAnswer, Receipt, RequestPage, RequestView } from '../contract/api.ts';
import { ok, type JsonValue, type Result } from '../kernel/refusal.ts';
import {
  anyJson,
  boolean,
  integer,
  instant,
  isObject,
  listOf,
  literal,
  matching,
  nullable,
  recordOf,
  text,
} from '../kernel/shape.ts';
import type { Check, Checked } from '../kernel/shape.ts';
import { digest, hash, permitId, principal, requestId } from '../kernel/statements.ts';
import { malformedAnswer } from './server-call.ts';

/**
 * What a server answers, read without zod so that a command line starts quickly. Fields this version does not know are
 * left aside; those it uses are checked. Nothing here is trusted: what counts is proven by signatures and hashes.
 */
const loose =
  <F extends { readonly [field: string]: Check<unknown> }>(
    fields: F,
  ): Check<{ readonly [K in keyof F]: Checked<F[K]> }> =>
  (value, path) => {
    if (!isObject(value)) return malformedAnswer(`\`${path || 'the answer'}\` is not an object`);
    const result: { [field: string]: unknown } = {};
    for (const [field, check] of Object.entries(fields)) {
      const at = path === '' ? field : `${path}.${field}`;
      const checked = check(Object.hasOwn(value, field) ? value[field] : undefined, at);
      if (!checked.ok) return malformedAnswer(checked.refusal.message);
      result[field] = checked.value;
    }
    return ok(result as { readonly [K in keyof F]: Checked<F[K]> });
  };

const plain = text(10_000);
const long = text(64 * 1024 * 1024);
const object: Check<Readonly<Record<string, unknown>>> = (value, path) =>
  isObject(value) ? ok(value) : malformedAnswer(`\`${path}\` is not an object`);
const list = <T>(inner: Check<T>): Check<T[]> => listOf(inner, 100_000) as Check<T[]>;

export const receiptAnswer: Check<Receipt> = loose({ index: integer(0), entry: long, proof: long });
export const submittedAnswer = loose({
  request: requestId,
  revision: integer(1),
  change: digest,
  tier: plain,
  receipt: receiptAnswer,
});
const optional =
  <T>(inner: Check<T>): Check<T | undefined> =>
  (value, path) =>
    value === undefined ? ok(undefined) : inner(value, path);
export const acceptedAnswer = loose({
  request: requestId,
  status: plain,
  seats_filled: optional(integer(0)),
  seats_wanted: optional(integer(0)),
  receipt: receiptAnswer,
});
export const challengeAnswer = loose({
  challenge: matching(/^[0-9a-f]{32}$/, '32 lowercase hex digits'),
  server: text(300),
});
export const sessionAnswer = loose({
  token: matching(/^[\x21-\x7e]{1,500}$/, 'a token'),
  principal,
  expires_at: instant,
});
export const permitAnswer: Check<PermitAnswer> = loose({
  permit: permitId,
  expires_at: instant,
  file: long,
  receipt: nullable(receiptAnswer),
});
/** A server of an earlier version says nothing of heartbeats: undefined, which is no time at all. */
const heartbeatAnswer = loose({
  note: nullable(text(65_536)),
  every_ms: integer(1),
  withheld: nullable(plain),
  quorum_at: nullable(instant),
  asks_for_quorum: boolean,
  witnesses: listOf(loose({ name: plain, cosigned_at: nullable(instant), failing: nullable(plain) }), 64),
});
export type HeartbeatAnswer = Checked<typeof heartbeatAnswer>;
export type LedgerAnswer = Omit<LedgerInfo, 'quarantine' | 'heartbeat'> & {
  readonly heartbeat: HeartbeatAnswer | undefined;
};
export const ledgerInfoAnswer: Check<LedgerAnswer> = loose({
  ledger: digest,
  tenant: matching(/^[a-z][a-z0-9-]{0,62}$/, 'a tenant name'),
  origin: plain,
  trial: boolean,
  log_key: plain,
  size: integer(0),
  root: hash,
  checkpoint: plain,
  heartbeat: optional(heartbeatAnswer),
  roster: loose({ version: integer(0), root: hash }),
  policy: loose({ version: integer(0), digest }),
});
export const entryAnswer = loose({ index: integer(0), entry: long, leaf_hash: hash, proof: long });
export const consistencyAnswer = loose({
  from: integer(0),
  to: integer(0),
  hashes: listOf(hash, 64),
  checkpoint: plain,
});

const explanation: Check<Explanation> = (value, path) =>
  loose({ code: plain, status: plain, values: object, children: list(explanation) })(value, path);
const summary = {
  request: requestId,
  status: plain,
  action: plain,
  title: plain,
  target: plain,
  tier: plain,
  emergency: boolean,
  enforced: matching<'advisory' | 'credential-held' | 'target-verified'>(
    /^(advisory|credential-held|target-verified)$/,
    'a grade',
  ),
  requester: plain,
  requested_at: plain,
  answer_by: plain,
  not_after: plain,
  revision: integer(1),
  change: digest,
  seats_filled: integer(0),
  seats_wanted: integer(0),
} as const;
const people = recordOf(/^p_[a-z0-9_]{4,40}$/, plain, 100_000);
export const requestPageAnswer: Check<RequestPage> = loose({
  items: list(loose(summary)),
  next: nullable(plain),
  people,
});
export const requestViewAnswer: Check<RequestView> = loose({
  ...summary,
  change_text: long,
  words: list(plain),
  reason: nullable(plain),
  reason_salt: nullable(plain),
  runbook: nullable(plain),
  votes: list(
    loose({
      person: plain,
      decision: matching<'approve' | 'reject'>(/^(approve|reject)$/, 'a decision'),
      revision: integer(1),
      level: plain,
      index: integer(0),
    }),
  ),
  explanation,
  can_decide: nullable(loose({ may: boolean, why: plain, seats: list(plain) })),
  met_at: nullable(plain),
  locked_until: nullable(plain),
  permit: nullable(loose({ permit: permitId, issued_at: plain, expires_at: plain, persons: integer(0) })),
  outcome: nullable(plain),
  ended_by: nullable(plain),
  debt: nullable(loose({ reviewers: plain, due_at: plain, overdue: boolean })),
  review: nullable(
    loose({
      by: plain,
      finding: literal('justified', 'unjustified', 'needs-change'),
      at: plain,
    }),
  ),
  entries: list(integer(0)),
  people,
});
export const rosterAnswer = loose({ version: integer(0), root: hash, records: object, people });
export const policyAnswer = loose({ version: integer(0), digest, text: long, prose: anyJson });
export const versionAnswer = loose({ name: plain, version: plain, semantics: integer(0) });

/** Reads an answer by its shape. */
export const readAnswer = <T>(check: Check<T>, value: Result<JsonValue>): Result<T> =>
  value.ok ? check(value.value, '') : value;
