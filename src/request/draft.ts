// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import type { JsonValue } from '../kernel/refusal.ts';
import type { RequestDraft } from '../kernel/statements.ts';
import { digestOf } from '../crypto/digest.ts';

type Parts = {
  readonly action: string;
  readonly facts: { readonly [name: string]: JsonValue };
  readonly content: string | null;
  readonly nonce: string;
};

/** The draft of a request: the part of it that attested facts are about (FORMATS §3.2). */
export const draftOf = ({ action, facts, content, nonce }: Parts): RequestDraft => ({
  type: 'countersign.dev/request-draft/v0',
  action,
  facts,
  content,
  nonce,
});

/**
 * What an attestation names as its subject (SPEC F5). With the requester's facts and content in it, nobody has a
 * harmless draft vouched for and then asks for something else under the same nonce (A36, A42).
 */
export const subjectOf = (parts: Parts): string => digestOf(canonicalize(draftOf(parts)));
