// SPDX-License-Identifier: Apache-2.0
import { anyJson, listOf, literal, matching, nullable, recordOf, shape, type Checked } from '../kernel/shape.ts';
import { digest, envelope, requestId } from '../kernel/statements.ts';

/**
 * A request as the server received it, with what the server added: its half of the nonce and what its adapters
 * gathered. Kept whole in the entry, so that the change document can be built again from it (INV12).
 */
export const gatheredFact = shape({
  fact: matching(/^[a-z][a-z0-9_]{0,62}$/, 'a fact name'),
  /** The adapter's value; null where the core derives the value from the evidence. */
  value: anyJson,
  /** Digest of an attachment with the evidence, or null. */
  evidence: nullable(digest),
  detail: recordOf(/^[a-z][a-z0-9_]{0,62}$/, anyJson, 16),
});
export type GatheredFact = Checked<typeof gatheredFact>;

export const submitRequest = shape({
  type: literal('SubmitRequest'),
  request: requestId,
  envelope,
  server_nonce: matching(/^[0-9a-f]{16}$/, '16 lowercase hex digits'),
  gathered: listOf(gatheredFact, 64),
  attested: listOf(envelope, 64),
  attachments: listOf(digest, 16),
});
export type Submission = Checked<typeof submitRequest>;
