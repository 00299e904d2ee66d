// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { Result } from '../kernel/refusal.ts';
import { integer, listOf, literal, matching, optional, recordOf, shape, text, type Checked } from '../kernel/shape.ts';
import { hash } from '../kernel/statements.ts';

const entryText = text(61440);
/** A `c2sp.org/tlog-proof@v1` text: index, inclusion path, and the signed checkpoint it leads to. */
const proofText = text(16384);
/** More entries than governance of a long-lived ledger has; a file beyond it is not read. */
export const maxFileEntries = 8192;
/** Documents that entries name: digest to base64. */
export const fileBlobs = recordOf(/^sha256:[0-9a-f]{64}$/, matching(/^[A-Za-z0-9+/=]*$/, 'base64'), maxFileEntries);
export const fileEntries = listOf(entryText, maxFileEntries);
export const proofHashes = listOf(hash, 64);

/**
 * What witnesses saw, for readers who name witnesses of their own (SPEC Y11): checkpoints that they cosigned, and where
 * the entries stood that the time lock counts from.
 */
export const witnessedPart = shape({
  /** Cosigned notes, each with RFC 6962 consistency between it and the checkpoint of `proof`, from the smaller size on. */
  checkpoints: listOf(shape({ checkpoint: text(16384), hashes: proofHashes }), 32),
  /** Under a time lock, inclusion of each of `entries` up to the one that met the gate, under the checkpoint of `proof`. */
  proofs: listOf(proofHashes, maxFileEntries),
});

/**
 * The permit as it travels (FORMATS §6.1): the entry that issued it with its proof, and every entry and blob it rests
 * on. Only the first is proven by the tree; the others are bound to it by what is signed in them.
 */
export const permitFile = shape({
  type: literal('countersign.dev/permit-file/v0'),
  entry: entryText,
  proof: proofText,
  /** Genesis, all of governance, and all that tells of the request before its permit, ascending by index. */
  entries: fileEntries,
  /** For the checkpoints that votes name as seen: consistency with the checkpoint of `proof`. */
  seen: listOf(shape({ size: integer(1), hashes: proofHashes }), 64),
  blobs: fileBlobs,
  witnessed: optional(witnessedPart),
});
export type PermitFile = Checked<typeof permitFile>;

/** One later entry of the same ledger with its own proof: a consumption, a result, a review. */
export const provenEntry = shape({ entry: entryText, proof: proofText });

/** A permit and what became of it, for whoever looks at it afterwards without the server. */
export const evidenceBundle = shape({
  type: literal('countersign.dev/evidence/v0'),
  permit: permitFile,
  later: listOf(provenEntry, maxFileEntries),
  /** Documents that later entries name. */
  blobs: fileBlobs,
});
export type EvidenceBundle = Checked<typeof evidenceBundle>;

export const maxFileBytes = 32 * 1024 * 1024;

export const parsePermitFile = (bytes: string | Uint8Array): Result<PermitFile> => {
  const parsed = parseCanonical(bytes, { maxBytes: maxFileBytes });
  return parsed.ok ? permitFile(parsed.value, '') : parsed;
};

export const parseEvidenceBundle = (bytes: string | Uint8Array): Result<EvidenceBundle> => {
  const parsed = parseCanonical(bytes, { maxBytes: maxFileBytes });
  return parsed.ok ? evidenceBundle(parsed.value, '') : parsed;
};
