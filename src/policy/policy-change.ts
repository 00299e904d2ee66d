// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import { integer, literal, nullable, shape, type Checked } from '../kernel/shape.ts';
import type { Result } from '../kernel/refusal.ts';
import { digest } from '../kernel/statements.ts';
import { compiledPolicy, policyJsonLimits } from './policy-shape.ts';

/** Content of a `governance.policy` request (FORMATS §7.3): the whole policy that shall be in force, and which it follows. */
export const policyChange = shape({
  type: literal('countersign.dev/policy-change/v0'),
  from: shape({ version: integer(0), policy: nullable(digest) }),
  policy: compiledPolicy,
});
export type PolicyChange = Checked<typeof policyChange>;

export const parsePolicyChange = (bytes: Uint8Array): Result<PolicyChange> => {
  const parsed = parseCanonical(bytes, policyJsonLimits);
  return parsed.ok ? policyChange(parsed.value, '') : parsed;
};
