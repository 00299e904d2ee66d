// SPDX-License-Identifier: Apache-2.0
import { requestIdFrom } from '../kernel/ids.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { requestStatement, type RequestStatement } from '../kernel/statements.ts';
import { authenticate, type LedgerIdentity, type Signed } from '../roster/authenticate.ts';
import type { Roster } from '../roster/roster.ts';
import type { Submission } from './submission.ts';

/**
 * Who asks, by their own signature, and that the request's id follows from both halves of the nonce, so that neither
 * side alone picks it (SPEC Q5, G6).
 */
export const readRequest = (
  roster: Roster,
  identity: LedgerIdentity,
  submission: Submission,
): Result<Signed<RequestStatement>> => {
  const signed = authenticate(roster, identity, submission.envelope, requestStatement);
  if (!signed.ok) return signed;
  const expected = requestIdFrom(signed.value.statement.nonce + submission.server_nonce);
  return expected === submission.request
    ? ok(signed.value)
    : refuse(
        'request-id-mismatch',
        'Q5',
        `request id \`${submission.request}\` does not follow from its nonces`,
        { expected },
        'this is a defect of the server; report it',
      );
};
