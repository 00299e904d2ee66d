// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import type { JsonObject, JsonValue, Refusal } from '../kernel/refusal.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import type { EnforcementGrade } from '../policy/compiled.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { Permit } from '../request/request-state.ts';

/** What a permit has to be for, as its reader knows by themself. Only what is given is compared. */
export type Expectations = {
  readonly audience?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  /** Digest of what is to be carried out, or null for a change without content. */
  readonly content?: string | null | undefined;
  /** Fingerprint of the executor's key, `SHA256:…`. */
  readonly executorKey?: string | undefined;
  /** Values of facts, such as the digest of the artefact at hand. */
  readonly facts?: { readonly [name: string]: JsonValue } | undefined;
};

export type VerifyOptions = {
  /** Digest of the genesis, `sha256:…`, as it was handed over by people. Never taken from the file or the server. */
  readonly pin: string;
  /** Takes permits of a trial ledger, which one person may have started alone. */
  readonly allowTrial?: boolean | undefined;
  /** Takes formats of version v0 outside trial ledgers. */
  readonly acceptV0?: boolean | undefined;
  /** Least number of distinct persons in seats, whatever the policy says. Default 1, and 2 for a tier named `critical`. */
  readonly minPersons?: number | undefined;
  /** The same for single actions; stands before `minPersons`. */
  readonly minPersonsFor?: { readonly [action: string]: number } | undefined;
  /** The reader's own clock. With it, expiry of permit and votes is judged; without it, it is not. */
  readonly now?: Instant | undefined;
  readonly expect?: Expectations | undefined;
  /** Leaf hash of the newest governance entry the reader has seen: an older state of governance is refused (T13). */
  readonly knownGovernance?: string | undefined;
  /** The reader's own witnesses: their quorum has to have cosigned the permit, and a time lock has to show in their times. */
  readonly witnesses?: WitnessPolicy | undefined;
  /** How old the checkpoint may be at this moment of the reader's own clock (SPEC Y12). Without it, its age is not judged. */
  readonly fresh?: { readonly now: Instant; readonly withinMs: number } | undefined;
};

/** The floor of persons that a reader holds a permit of this action and tier against (SPEC Y4). */
export const personsFloor = (
  action: string,
  tier: string,
  { minPersons, minPersonsFor }: Pick<VerifyOptions, 'minPersons' | 'minPersonsFor'>,
): number => {
  const named = minPersonsFor !== undefined && Object.hasOwn(minPersonsFor, action) ? minPersonsFor[action] : undefined;
  return named ?? minPersons ?? (tier === 'critical' ? 2 : 1);
};

/** Whoever verifies has a clock of their own; this much apart from the ledger's is no reason to refuse. */
export const clockToleranceMs = 120_000;

/** One thing that was looked at, and the values it looked at. */
export type Check = { readonly code: CheckCode; readonly ok: boolean; readonly values: JsonObject };
export type CheckCode =
  | 'file'
  | 'pin'
  | 'history'
  | 'trial'
  | 'formats'
  | 'governance'
  | 'inclusion'
  | 'seen'
  | 'freshness'
  | 'change'
  | 'seats'
  | 'time-lock'
  | 'executor'
  | 'audience'
  | 'persons'
  | 'expectations'
  | 'validity'
  | 'witnesses'
  | 'witnessed-lock'
  | 'later'
  | 'consumption'
  | 'result'
  | 'review';

/** Something the file does not prove, with the values it is about. */
export type Limit = { readonly code: LimitCode; readonly values: JsonObject };
export const limitCodes = [
  'trial',
  'formats-v0',
  'enforcement-advisory',
  'zero-persons',
  'time-operators-clock',
  'order-operators-word',
  'no-witness',
  'refusals-not-shown',
  'governance-freshness',
  'seen-not-shown',
  'adapter-facts',
  'surface-not-independent',
  'emergency-debt-state',
  'expiry-not-judged',
  'consumption-not-in-file',
  'result-not-signed',
] as const;
export type LimitCode = (typeof limitCodes)[number];

/** What a file comes to. `permit`, `change`, `persons` and `grade` are null unless the result is `PASS`. */
export type Verdict = {
  readonly result: 'PASS' | 'FAIL';
  /** Why it failed; empty on `PASS`. */
  readonly reasons: readonly Refusal[];
  /** What was looked at, in order. */
  readonly checks: readonly Check[];
  /** Codes of the checks that held; empty on `FAIL`. */
  readonly proven: readonly CheckCode[];
  /** What nobody should read out of a `PASS`. */
  readonly notProven: readonly Limit[];
  readonly permit: Permit | null;
  readonly change: ChangeDocument | null;
  readonly persons: number | null;
  readonly grade: EnforcementGrade | null;
  /** How far it went: `permitted`, `consumed`, `succeeded`, `failed`, `unknown`, `vetoed`, `withdrawn`, `expired`; null on `FAIL`. */
  readonly outcome: string | null;
};
