// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledTier } from '../policy/compiled.ts';

/**
 * The tier that whatever cannot be judged is taken at: the last one. Tiers are ordered by score, and soundness refuses
 * a policy in which a later tier asks for less than an earlier one (SPEC P9).
 */
export const strictestTier = (action: CompiledAction): CompiledTier => {
  const tier = action.tiers.at(-1);
  if (tier === undefined)
    throw new BrokenInvariant(`action ${action.name} has no tiers; its shape should have been refused`);
  return tier;
};
