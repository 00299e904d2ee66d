// SPDX-License-Identifier: Apache-2.0
import type { Result } from '../kernel/refusal.ts';
import { type Admitted, type Drawn, type EnforcementPoint, type Use, type Wanted } from './enforcement-point.ts';

/**
 * `countersign/enforce`: for targets that check permits by themselves. The point has its own pin, its own floor of
 * persons, its own clock and a folder that remembers; it never takes the server's word.
 *
 *     import { consumptionFor, enforce, openEnforcementPoint } from 'countersign/enforce';
 *
 *     const point = openEnforcementPoint({ stateFolder, pin, instance: 'web', minPersons: 2 });
 *     if (!point.ok) throw new Error(point.refusal.message);
 *     const admitted = await enforce(permitFile, {
 *       point: point.value,
 *       wanted: { action: 'deploy.production', facts: { artifact: digest } },
 *       use: async ({ challenge, permit }) => consumeAtServer(sign(consumptionFor(permit, challenge, now()))),
 *     });
 *     if (!admitted.ok) return refuseWith(admitted.refusal);
 *     deploy(admitted.value.change); // once: the permit is used up on disk before this line runs
 */
export const enforce = async (
  permitFile: string | Uint8Array,
  options: {
    readonly point: EnforcementPoint;
    /** What the target is about to do; a permit for anything else is refused. */
    readonly wanted: Wanted;
    /** Signs the consumption over the challenge and, unless it is used offline, has the server record it. */
    readonly use: (drawn: Drawn) => Promise<Result<Use>>;
  },
): Promise<Result<Admitted>> => {
  const { point, wanted, use } = options;
  const drawn = point.challenge(permitFile, wanted);
  if (!drawn.ok) return drawn;
  const used = await use(drawn.value);
  return used.ok ? point.admit(permitFile, used.value, wanted) : used;
};

export { consumptionFor, openEnforcementPoint } from './enforcement-point.ts';
export type {
  Admitted,
  Drawn,
  EnforcementPoint,
  OfflineUse,
  OnlineUse,
  PointOptions,
  Use,
  Wanted,
} from './enforcement-point.ts';
