// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { Result } from '../kernel/refusal.ts';
import { listOf, literal, shape, text, type Checked } from '../kernel/shape.ts';
import { requestId } from '../kernel/statements.ts';
import { fileBlobs, fileEntries, maxFileBytes, maxFileEntries, proofHashes } from '../execute/permit-file.ts';

/**
 * All that a voter needs to see for themself (FORMATS §6.3). Unlike in a permit file every entry is proven, under one
 * checkpoint, so that the voter remembers one root for everything they were shown.
 */
export const caseFile = shape({
  type: literal('countersign.dev/case/v0'),
  request: requestId,
  /** The signed checkpoint note. */
  checkpoint: text(16384),
  /** Genesis, all of governance, and all that tells of the request, ascending by index. */
  entries: fileEntries,
  /** RFC 6962 inclusion of each entry under `checkpoint`, in the same order. */
  proofs: listOf(proofHashes, maxFileEntries),
  blobs: fileBlobs,
});
export type CaseFile = Checked<typeof caseFile>;

export const parseCaseFile = (bytes: string | Uint8Array): Result<CaseFile> => {
  const parsed = parseCanonical(bytes, { maxBytes: maxFileBytes });
  return parsed.ok ? caseFile(parsed.value, '') : parsed;
};
