// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refused } from '../kernel/refusal.ts';

/** What goes on while a ledger is damaged (INV4): nothing is appended to it, and nobody is kept from looking. */
const stillWorks = [
  'reading',
  'proofs of what was signed',
  'export',
  'expiry, which needs no entry',
  'the alert',
] as const;

/**
 * The ledger is not what it was: an entry was changed, lost, or the whole database is older than its mark. `index` is
 * the first entry that can't be trusted.
 */
export type Quarantine = { readonly index: number; readonly what: string; readonly still_works: readonly string[] };

export const quarantineFrom = (index: number, what: string): Quarantine => ({ index, what, still_works: stillWorks });

/** What every submission is answered from then on (SPEC L11). */
export const refuseQuarantined = ({ index, what, still_works }: Quarantine): Refused =>
  refuse(
    'ledger-quarantined',
    'L11',
    `the ledger is damaged from entry ${index} on: ${what}`,
    { index, what, still_works },
    'nothing is recorded until an operator has restored it; run `countersign ledger replay`, and compare checkpoints with other people',
  );
