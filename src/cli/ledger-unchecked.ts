// SPDX-License-Identifier: Apache-2.0
import type { SignedPart } from '../app/check-ahead.ts';
import { pendingCheck } from '../roster/authenticate.ts';

/**
 * Takes the signature of a statement as good without looking, for `ledger replay --no-signatures` and for nothing else:
 * this process decides nothing, appends nothing, and says in its answer that it did not look. What came along with a
 * statement, such as an attestation, is looked at all the same, since a refusal on record may rest on it.
 */
export const takeUnchecked = async ({ envelope, namespace, own }: SignedPart): Promise<void> => {
  if (own) pendingCheck(envelope, namespace)?.settle(true);
};
