// SPDX-License-Identifier: Apache-2.0
// A history is a ledger's life as a script: fixed keys, a clock set by hand, the same commands every time.
import type { SealedWorld } from '../verify/sealed-world.ts';

export type History = {
  /** Name of its folder. */
  readonly name: string;
  readonly about: string;
  readonly live: () => SealedWorld;
};

/** A condition on the fact `risk`: the number of points above 50. */
export const risky = (points: number) => ({
  points,
  when: {
    op: 'call' as const,
    function: '>',
    arguments: [
      { op: 'fact' as const, name: 'risk' },
      { op: 'literal' as const, value: 50 },
    ],
  },
});

/** Asked for at the strict tier: two persons, a wait of fifteen minutes, a veto. */
export const strict = { facts: { service: 'shop', risk: 90 } };
