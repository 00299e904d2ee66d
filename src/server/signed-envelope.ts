// SPDX-License-Identifier: Apache-2.0
import { checkElsewhere } from '../app/check-elsewhere.ts';
import type { EnvelopeBody } from '../contract/api.ts';
import { dearmorSignature } from '../crypto/sshsig.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { Check } from '../kernel/shape.ts';
import { namespaces, type Envelope, type StatementType } from '../kernel/statements.ts';
import { authenticate, readStatement, type Signed } from '../roster/authenticate.ts';
import { identityOf, type ServerContext } from './server-context.ts';

/** The envelope as the ledger keeps it: an armored signature becomes its raw base64; the statement is never touched. */
export const normaliseEnvelope = ({ statement, signature }: EnvelopeBody): Result<Envelope> => {
  if (!signature.trimStart().startsWith('-----BEGIN')) return ok({ statement, signature });
  const raw = dearmorSignature(signature);
  return raw.ok ? ok({ statement, signature: encodeBase64(raw.value) }) : raw;
};

type Speaker = { readonly type: string; readonly ledger: string; readonly tenant: string; readonly by: string };

/**
 * Finds out who signed before anything of it may wait (SPEC H2): strangers can't fill the queue. What it finds out is
 * used for nothing else; `decide` looks at the signature again.
 */
export const readEnvelope = async <S extends Speaker>(
  context: ServerContext,
  given: EnvelopeBody,
  check: Check<S>,
): Promise<Result<{ readonly envelope: Envelope; readonly signed: Signed<S> }>> => {
  const envelope = normaliseEnvelope(given);
  if (!envelope.ok) return envelope;
  const statement = readStatement(envelope.value.statement, check);
  if (!statement.ok) return statement;
  const { ledger, tenant } = identityOf(context.sequencer.state());
  // `authenticate` finds the answer.
  if (statement.value.ledger === ledger && statement.value.tenant === tenant)
    await checkElsewhere(envelope.value, namespaces[statement.value.type as StatementType]);
  // As it stands now, not as it stood before the wait.
  const state = context.sequencer.state();
  const signed = authenticate(state.roster, { ledger, tenant }, envelope.value, check);
  return signed.ok ? ok({ envelope: envelope.value, signed: signed.value }) : signed;
};

export const mismatch = (what: string, signedFor: string, address: string) =>
  refuse(
    'address-mismatch',
    'H2',
    `the statement was signed for ${what} \`${signedFor}\`, the address says \`${address.slice(0, 80)}\``,
    { signed_for: signedFor },
    'send it to the address it was signed for',
  );
