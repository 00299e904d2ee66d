// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../kernel/refusal.ts';

/**
 * What a condition comes to. `unknown` stands for "any value at all": a fact that nobody trustworthy vouches for.
 * The one promise everything else rests on (SPEC R2): where the outcome with unknown facts is a value, it is that
 * same value whatever those facts really are.
 */
export type Outcome =
  | { readonly kind: 'value'; readonly value: JsonValue }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'error'; readonly why: ConditionError };

export type ConditionError =
  | 'no-such-fact'
  | 'no-such-name'
  | 'wrong-type'
  | 'overflow'
  | 'division-by-zero'
  | 'too-large'
  | 'too-many-steps';

export const value = (of: JsonValue): Outcome => ({ kind: 'value', value: of });
export const unknown: Outcome = { kind: 'unknown' };
export const failure = (why: ConditionError): Outcome => ({ kind: 'error', why });
