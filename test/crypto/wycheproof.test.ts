// SPDX-License-Identifier: Apache-2.0
// Project Wycheproof's cases, carried by our SSHSIG reader: key and signature go through the same parsers and the same
// check as every vote. What differs is only the signed bytes: the vectors sign their message directly, where SSHSIG
// signs the namespace and digest of one, so the check is called with the vector's bytes. Cases that are about
// encodings SSH does not have (broken DER, signatures of another length than two numbers) cannot be carried; they are
// counted, so that this stays a known few.
import assert from 'node:assert/strict';
import { wireString } from '../../src/crypto/ssh-wire.ts';
import { parseSshSignature, verifySignedData } from '../../src/crypto/sshsig.ts';
import { readCases, vectorTest } from '../vectors.ts';
import { ed25519Blob, ecdsaPair, p256Blob, sshsigBlob } from './ssh-blob.ts';

type Case = {
  readonly tcId: number;
  readonly comment: string;
  readonly msg: string;
  readonly sig: string;
  readonly result: 'valid' | 'invalid';
};
type Suite = {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk?: string; readonly uncompressed?: string };
    readonly tests: readonly Case[];
  }[];
};

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

const holds = (key: Buffer, format: string, raw: Buffer, message: Buffer): boolean => {
  const parsed = parseSshSignature(sshsigBlob({ key, namespace: 'n', format, body: wireString(raw) }));
  return parsed.ok && verifySignedData(parsed.value, message).ok;
};

type Count = { valid: number; invalid: number; notCarried: number };
const runSuite = (
  file: string,
  verify: (publicKey: Suite['testGroups'][number]['publicKey'], one: Case) => boolean | undefined,
): Count => {
  const count: Count = { valid: 0, invalid: 0, notCarried: 0 };
  for (const { publicKey, tests } of readCases<Suite>(`wycheproof/${file}`).testGroups)
    for (const one of tests) {
      const answer = verify(publicKey, one);
      if (answer === undefined) {
        assert.equal(one.result, 'invalid', `case ${one.tcId} (${one.comment}) is valid and must be carried`);
        count.notCarried += 1;
      } else {
        assert.equal(answer, one.result === 'valid', `case ${one.tcId}: ${one.comment}`);
        count[one.result] += 1;
      }
    }
  return count;
};

vectorTest('Ed25519: all 151 cases are carried, the valid ones hold and the others do not', 'wycheproof', () => {
  const count = runSuite('ed25519_test.json', ({ pk = '' }, { msg, sig }) =>
    holds(ed25519Blob(hex(pk)), 'ssh-ed25519', hex(sig), hex(msg)),
  );
  assert.deepEqual(count, { valid: 88, invalid: 63, notCarried: 0 });
});

vectorTest('P-256, (r, s) side by side: the valid ones hold and the others do not', 'wycheproof', () => {
  const count = runSuite('ecdsa_secp256r1_sha256_p1363_test.json', ({ uncompressed = '' }, { msg, sig }) => {
    const raw = hex(sig);
    if (raw.length !== 64) return undefined;
    const pair = ecdsaPair(raw.subarray(0, 32), raw.subarray(32));
    return holds(p256Blob(hex(uncompressed)), 'ecdsa-sha2-nistp256', pair, hex(msg));
  });
  assert.equal(count.valid, 173);
  assert.ok(count.invalid >= 60 && count.invalid + count.notCarried === 89, JSON.stringify(count));
});

// A DER integer's content is what an SSH mpint holds, so well-formed DER carries over byte for byte, also numbers
// that are negative or too large.
const derPair = (der: Buffer): readonly [Buffer, Buffer] | undefined => {
  const read = (tag: number, bytes: Buffer): { readonly content: Buffer; readonly rest: Buffer } | undefined => {
    const [first, length, more] = bytes;
    if (first !== tag || length === undefined) return undefined;
    const long = length === 0x81 && more !== undefined && more >= 0x80;
    if (length >= 0x80 && !long) return undefined;
    const [start, size] = long ? [3, more] : [2, length];
    return bytes.length < start + size
      ? undefined
      : { content: bytes.subarray(start, start + size), rest: bytes.subarray(start + size) };
  };
  const sequence = read(0x30, der);
  const r = sequence && read(2, sequence.content);
  const s = r && read(2, r.rest);
  if (sequence === undefined || r === undefined || s === undefined) return undefined;
  if (sequence.rest.length > 0 || s.rest.length > 0) return undefined;
  return [r.content, s.content];
};

vectorTest('P-256, from DER: the valid ones hold and the others do not', 'wycheproof', () => {
  const count = runSuite('ecdsa_secp256r1_sha256_test.json', ({ uncompressed = '' }, { msg, sig }) => {
    const pair = derPair(hex(sig));
    if (pair === undefined) return undefined;
    const raw = Buffer.concat(pair.map((number) => wireString(number)));
    return holds(p256Blob(hex(uncompressed)), 'ecdsa-sha2-nistp256', raw, hex(msg));
  });
  assert.equal(count.valid, 174);
  assert.ok(count.invalid >= 110 && count.invalid + count.notCarried === 310, JSON.stringify(count));
});
