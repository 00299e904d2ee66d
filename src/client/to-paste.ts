// SPDX-License-Identifier: Apache-2.0

/** The flag without which verbs that derive something again refuse a ledger of this kind. */
export const ledgerFlag = (trial: boolean): string => (trial ? '--allow-trial' : '--accept-v0');

/**
 * A command for somebody to paste, with the flag that this ledger needs. `talks` is for verbs that only talk to the
 * server, for which formats do not matter.
 */
export const toPaste = (
  { anchor }: { readonly anchor: { readonly trial: boolean } },
  command: string,
  kind: 'verifies' | 'talks' = 'verifies',
): string => (kind === 'talks' && !anchor.trial ? command : `${command} ${ledgerFlag(anchor.trial)}`);
