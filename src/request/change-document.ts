// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import type { EnforcementGrade, KeyLevel } from '../policy/compiled.ts';

/** Who vouches for a fact's value. Only `adapter` and `attested` values may lower anything (design: facts have a source). */
export type Vouching = 'requester' | 'adapter' | 'attested';

export type FactRecord = {
  readonly value: JsonValue;
  /** As the policy writes it: `requester`, `git(commit)`, `attested(group:qa)`. */
  readonly source: string;
  readonly vouched: Vouching;
  /** Principal that attested it, or null. */
  readonly by: string | null;
  /** Digest of the evidence the value was derived from, or null. */
  readonly evidence: string | null;
};

export type Seat = { readonly name: string; readonly group: string; readonly count: number };

/** The gate in full, as people sign it: later policy can't change what a vote was for. */
export type Gate = {
  readonly seats: readonly Seat[];
  readonly must_not_share: readonly string[];
  readonly sign_with: KeyLevel;
  readonly independent_surface: number;
  readonly time_lock: { readonly wait_ms: number; readonly veto: readonly string[] } | null;
  readonly review_percent: number;
  /** Codes of what raised this gate above the policy's own, such as `debt-open`. */
  readonly raised: readonly string[];
};

/**
 * What will happen, exactly: the bytes whose SHA-256 everybody signs (FORMATS §4).
 * Built by `decide` from the signed request, the server's half of the nonce, the vouched facts and the policy in
 * force; the verifier builds it again and compares.
 */
export type ChangeDocument = {
  readonly type: 'countersign.dev/change/v0';
  readonly ledger: string;
  readonly tenant: string;
  readonly request: string;
  readonly revision: number;
  readonly action: string;
  readonly emergency: boolean;
  readonly target: string;
  readonly facts: { readonly [name: string]: FactRecord };
  /** What the target looks like before, as its adapter saw it (a commit, a version), or null. */
  readonly from_state: JsonObject | null;
  readonly content: string | null;
  readonly audience: string | null;
  readonly executor: { readonly key: string; readonly principal: string } | null;
  readonly enforced: EnforcementGrade;
  readonly policy: string;
  readonly roster: { readonly version: number; readonly root: string };
  readonly risk: {
    readonly score: number;
    readonly outcomes: readonly string[];
    readonly worst_case: readonly string[];
  };
  readonly tier: string;
  readonly gate: Gate;
  /** Persons who may not fill a seat: requester, drivers, authors, the person accountable for a requesting machine. */
  readonly producers: readonly string[];
  readonly requester: string;
  readonly reason: string;
  readonly nonce: string;
  readonly requested_at: Instant;
  readonly answer_by: Instant;
  readonly not_after: Instant;
  readonly permit_valid_ms: number;
  readonly consume: 'online' | 'offline';
};
