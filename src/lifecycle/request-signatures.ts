// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refusal } from '../kernel/refusal.ts';
import type { RequestState } from '../request/request-state.ts';
import { activeKey, isAmong, type Roster } from '../roster/roster.ts';

/**
 * Why a request rests on a signature that counts no more, by the roster of this moment; undefined while all of them hold
 * (SPEC V5). Votes are not all that a key signs: a thief who asks, vouches for a fact or writes a commit with a stolen key
 * and votes with their own would be alone behind what their vote makes look like the work of two (T9, A05).
 */
export const signatureLost = (roster: Roster, request: RequestState): Refusal | undefined => {
  // All of them held by the roster that the change was built on, and that one is still in force.
  if (roster.root === request.change.roster.root) return undefined;
  for (const key of request.keys) {
    const lost = keyLost(roster, key, request.entries[0] ?? 0);
    if (lost !== undefined) return lost;
  }
  return undefined;
};

const keyLost = (roster: Roster, print: string, index: number): Refusal | undefined => {
  const help = 'ask again, signed with keys that count';
  const key = activeKey(roster, print);
  if (key === undefined)
    return refuse(
      'key-unknown',
      'V5',
      `key \`${print}\`, which signed it, is not active any more`,
      { key: print },
      help,
    ).refusal;
  const { distrusted_from, holder } = key;
  if (distrusted_from !== null && index >= distrusted_from)
    return refuse(
      'key-distrusted',
      'V5',
      `key \`${print}\`, which signed it, is distrusted from entry ${distrusted_from} on`,
      { key: print, distrusted_from },
      help,
    ).refusal;
  return isAmong(roster, holder, [holder])
    ? undefined
    : refuse('principal-suspended', 'S4', `\`${holder}\`, who signed it, is not active any more`, { holder }, help)
        .refusal;
};
