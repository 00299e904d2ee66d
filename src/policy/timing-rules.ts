// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction } from './compiled.ts';
import { about } from './consistency.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** Below this nobody could stop anything. How long a wait is worth having is for `policy lint`, not for soundness. */
const shortestLockMs = 1_000;
/** A request ends within this time, whatever policy says (SPEC Q2). */
const longestRequestMs = 30 * dayMs;

/** Times that cannot all hold together, or that one of them makes pointless (SPEC P10, C9, A40). */
export const checkTiming = (action: CompiledAction): readonly Refusal[] => {
  const { answer_within_ms, permit_valid_ms } = action.timing;
  const wrong = (where: string, message: string, help: string): Refusal =>
    about(action, 'policy-timing', 'P10', message, help, { where });
  const found: Refusal[] = [];
  if (answer_within_ms > longestRequestMs)
    found.push(
      wrong(
        'timing.answer_within',
        '`answer-within` is longer than 30 days',
        'requests end after 30 days at the latest',
      ),
    );
  if (permit_valid_ms > dayMs)
    found.push(
      wrong('timing.permit_valid', '`permit-valid` is longer than a day', 'a permit lives minutes; ask again instead'),
    );
  if (action.consume === 'offline' && permit_valid_ms > 15 * minuteMs)
    found.push(
      wrong(
        'timing.permit_valid',
        'permits used offline are valid for longer than 15 minutes',
        'write `permit-valid: 15m` or less, or `consume: online`',
      ),
    );
  for (const tier of action.tiers) {
    if (tier.time_lock === null) continue;
    const { wait_ms, veto } = tier.time_lock;
    if (veto.length === 0)
      found.push(
        about(
          action,
          'policy-time-lock',
          'P10',
          `the time lock of tier \`${tier.name}\` names nobody who may veto`,
          'name `veto`; a wait in which nobody can stop it protects nobody',
          { tier: tier.name, where: `tiers.${tier.name}.time_lock.veto` },
        ),
      );
    if (wait_ms < shortestLockMs)
      found.push(
        about(
          action,
          'policy-time-lock',
          'P10',
          `the time lock of tier \`${tier.name}\` is shorter than a second`,
          'give people time to look, or leave the time lock out',
          { tier: tier.name, where: `tiers.${tier.name}.time_lock.wait` },
        ),
      );
    if (wait_ms + answer_within_ms > longestRequestMs)
      found.push(
        about(
          action,
          'policy-time-lock',
          'P10',
          `the time lock of tier \`${tier.name}\` could outlast the request`,
          '`answer-within` and `wait` together are 30 days at most',
          { tier: tier.name, where: `tiers.${tier.name}.time_lock.wait` },
        ),
      );
  }
  const { emergency } = action;
  if (emergency !== null && emergency.lasts_ms > dayMs)
    found.push(
      wrong(
        'emergency.lasts',
        '`emergency.lasts` is longer than a day',
        'an emergency ends by itself within a day; ask again if it has to go on',
      ),
    );
  return found;
};
