// SPDX-License-Identifier: Apache-2.0
/** Every refusal code there is. `docs/errors.md` explains each one; a test keeps the two in step. */
export const refusalCodes = [
  'json-malformed',
  'json-duplicate-key',
  'json-lone-surrogate',
  'json-unsafe-number',
  'json-too-deep',
  'json-too-large',
  'json-not-canonical',
  'signature-malformed',
  'signature-invalid',
  'signature-namespace',
  'key-malformed',
  'key-type-unsupported',
  'note-malformed',
  'note-unsigned',
  'proof-invalid',
  'instant-malformed',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];
