// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Result } from './refusal.ts';

/** Strict base64 (RFC 4648 section 4): with padding, without white space, one text for one value (SPEC K6). */
export const decodeBase64 = (text: string): Result<Uint8Array> => {
  // The platform reads more than base64, and writes exactly it: what comes back as the same text was well written.
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text) return ok(bytes);
  return refuse(
    'base64-malformed',
    'K6',
    'the text is not base64 as RFC 4648 writes it',
    {},
    'encode it with padding and without line breaks',
  );
};

export const encodeBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

export const encodeHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

export const decodeHex = (text: string): Result<Uint8Array> =>
  /^(?:[0-9a-f]{2})*$/.test(text)
    ? ok(Buffer.from(text, 'hex'))
    : refuse('base64-malformed', 'K6', 'the text is not lowercase hex', {}, 'write two digits a byte, 0-9 and a-f');
