// SPDX-License-Identifier: Apache-2.0
/** Every refusal code there is. `docs/errors.md` explains each one; a test keeps the two in step. */
export const refusalCodes = [
  // kernel: text, numbers, instants, shapes
  'json-malformed',
  'json-duplicate-key',
  'json-lone-surrogate',
  'json-unsafe-number',
  'json-too-deep',
  'json-too-large',
  'json-not-canonical',
  'base64-malformed',
  'instant-malformed',
  'shape-mismatch',
  // crypto: keys, signatures, notes
  'signature-malformed',
  'signature-invalid',
  'signature-namespace',
  'key-malformed',
  'key-type-unsupported',
  'note-malformed',
  'note-unsigned',
  // ledger and its stores
  'proof-invalid',
  // policy: documents, conditions, soundness
  'policy-missing',
  // roster: who there is, whose key it is
  'roster-record-malformed',
  'roster-key-mismatch',
  'roster-dangling',
  'roster-stale',
  'roster-not-removable',
  'roster-root-mismatch',
  'key-under-two-persons',
  'key-revived',
  'key-possession-missing',
  'key-unknown',
  'key-of-another',
  'principal-suspended',
  'webauthn-origin',
  'statement-elsewhere',
  // request: what is asked, its facts and producers
  'fact-unexpected',
  'fact-missing',
  'fact-evidence-missing',
  'fact-unattested',
  'producer-unknown',
  'git-commit-malformed',
  // approve, timelock, execute, review: the life of a request
  // adapters, server, command line
] as const;
export type RefusalCode = (typeof refusalCodes)[number];
