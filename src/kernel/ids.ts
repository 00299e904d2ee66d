// SPDX-License-Identifier: Apache-2.0
declare const idBrand: unique symbol;
type Branded<Name extends string> = string & { readonly [idBrand]: Name };

/** `req_` and 26 characters: names one request, and says nothing about it. */
export type RequestId = Branded<'RequestId'>;
/** `pmt_` and the first 26 hex digits of the change digest: one revision, one permit. */
export type PermitId = Branded<'PermitId'>;

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Both halves of the nonce, 32 hex digits, in Crockford's base 32: 26 characters of 5 bits hold its 128 bits. */
export const requestIdFrom = (nonceHex: string): RequestId => {
  let rest = BigInt(`0x${nonceHex}`);
  let text = '';
  for (let at = 0; at < 26; at += 1) {
    text = (alphabet[Number(rest & 31n)] ?? '') + text;
    rest >>= 5n;
  }
  return `req_${text}` as RequestId;
};

export const permitIdOf = (changeDigest: string): PermitId =>
  `pmt_${changeDigest.slice('sha256:'.length, 'sha256:'.length + 26)}` as PermitId;
