// SPDX-License-Identifier: Apache-2.0
// The policy that benches ask under: one action, two seats for two people, nothing attested.
import { deployAction, policyOf, tier } from '../test/support/world.ts';

export const twoSeats = policyOf(
  deployAction({
    facts: { service: { type: 'name', source: { kind: 'requester' }, max: null } },
    tiers: [
      tier({
        seats: [
          { name: 'platform', count: 1, group: 'group:platform' },
          { name: 'security', count: 1, group: 'group:security' },
        ],
      }),
    ],
  }),
);
