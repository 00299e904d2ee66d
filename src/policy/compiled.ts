// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../kernel/refusal.ts';

/**
 * What policy documents compile to: canonical JSON without prose, the bytes whose digest people approve
 * (FORMATS §7). Field names are the wire names. All numbers are safe integers; durations are milliseconds.
 */
export type CompiledPolicy = {
  readonly type: 'countersign.dev/policy/v0';
  /** Commit of the version-controlled source, `git:<hex>`, or null when it came from no repository (G34). */
  readonly commit: string | null;
  readonly actions: { readonly [name: string]: CompiledAction };
};

export type EnforcementGrade = 'advisory' | 'credential-held' | 'target-verified';
export const keyLevels = ['own-key', 'present', 'hardware'] as const;
export type KeyLevel = (typeof keyLevels)[number];

/** `group:<id>`, `machine:<id>` or `person:<id>`. */
export type PrincipalRef = string;

export type CompiledAction = {
  readonly name: string;
  readonly owner: PrincipalRef;
  /** Template over facts, such as `production/{service}`; an approval holds for the filled-in target only. */
  readonly target: string;
  readonly enforced: EnforcementGrade;
  readonly facts: { readonly [name: string]: CompiledFact };
  readonly ask: readonly PrincipalRef[];
  /** `requester` and `facts.<name>` of facts that list persons; drivers of a machine are always producers too. */
  readonly made_by: readonly string[];
  readonly run: readonly PrincipalRef[];
  readonly risk: {
    readonly start: number;
    readonly add: readonly { readonly points: number; readonly when: Expression }[];
    readonly never_below: readonly { readonly tier: string; readonly when: Expression }[];
  };
  /** Ordered by `from_score`, ascending; the first starts at 0. */
  readonly tiers: readonly CompiledTier[];
  readonly timing: {
    readonly answer_within_ms: number;
    readonly permit_valid_ms: number;
    readonly review_within_ms: number;
  };
  readonly reviewers: PrincipalRef | null;
  readonly consume: 'online' | 'offline';
  readonly emergency: CompiledEmergency | null;
};

export type FactType =
  | 'name'
  | 'text-digest'
  | 'digest'
  | 'commit'
  | 'int'
  | 'bool'
  | 'path'
  | 'list<person>'
  | 'list<name>';

export type FactSource =
  | { readonly kind: 'requester' }
  /** A named adapter with the fact it reads, such as `git(commit)` or `file-digest(artifact_path)`. */
  | { readonly kind: 'adapter'; readonly adapter: string; readonly argument: string }
  /** Signed by a rostered key of this principal or group over ledger, nonce and fact. */
  | { readonly kind: 'attested'; readonly by: PrincipalRef };

/** Most items of a list fact whose policy names no `max`. */
export const defaultListMax = 200;

export type CompiledFact = {
  readonly type: FactType;
  readonly source: FactSource;
  /** Most items of a list, or greatest int; a fact beyond it is refused. */
  readonly max: number | null;
};

export type CompiledTier = {
  readonly name: string;
  readonly from_score: number;
  readonly seats: readonly { readonly name: string; readonly count: number; readonly group: PrincipalRef }[];
  /** Roster attributes (`team`, `manager`, `location`) that seat fillers may not share with each other nor with made-by. */
  readonly must_not_share: readonly string[];
  readonly sign_with: KeyLevel;
  /** How many seats must be signed on an independent surface. */
  readonly independent_surface: number;
  readonly time_lock: { readonly wait_ms: number; readonly veto: readonly PrincipalRef[] } | null;
  /** Share of uses that get a review afterwards, in percent, 0 to 100. */
  readonly review_percent: number;
};

export type CompiledEmergency = {
  readonly ask: readonly PrincipalRef[];
  readonly confirm: { readonly count: number; readonly group: PrincipalRef };
  readonly lasts_ms: number;
  readonly review_within_ms: number;
};

/** A condition as a syntax tree (FORMATS §7.2): plain JSON, evaluated by `policy/condition`. */
export type Expression =
  | { readonly op: 'literal'; readonly value: JsonValue }
  | { readonly op: 'fact'; readonly name: string }
  | { readonly op: 'local'; readonly name: string }
  | { readonly op: 'call'; readonly function: string; readonly arguments: readonly Expression[] }
  | { readonly op: 'list'; readonly items: readonly Expression[] }
  | {
      readonly op: 'comprehension';
      readonly macro: 'all' | 'exists' | 'exists_one' | 'filter' | 'map';
      readonly over: Expression;
      readonly variable: string;
      readonly body: Expression;
    };
