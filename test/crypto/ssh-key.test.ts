// SPDX-License-Identifier: Apache-2.0
// SPEC S6: which public keys are taken, and which only look like keys.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseSshPublicKey } from '../../src/crypto/ssh-key.ts';
import { wireString } from '../../src/crypto/ssh-wire.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { seedKey } from '../support/seed-key.ts';
import { ed25519Blob, keyOfBlob, p256Blob, rsaBlob, skP256Blob } from './ssh-blob.ts';

const url = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');
type Jwk = { readonly [member: string]: string | undefined };
const jwkOf = (type: 'rsa' | 'ec', bits = 2048): Jwk =>
  (type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: bits })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  ).publicKey.export({ format: 'jwk' }) as Jwk;

const refused = (blob: Uint8Array, words: RegExp, code = 'key-malformed'): void => {
  const key = keyOfBlob(blob);
  assert.ok(!key.ok, 'it was taken');
  assert.equal(key.refusal.code, code);
  assert.match(key.refusal.message, words);
};

describe('public keys', () => {
  it('are one line of two parts and a comment; the fingerprint is that of the blob', () => {
    const { line, fingerprint } = seedKey('one').public;
    const again = parseSshPublicKey(`${line} somebody@somewhere`);
    assert.ok(again.ok);
    assert.deepEqual([again.value.line, again.value.fingerprint], [line, fingerprint]);
    for (const wrong of [
      '',
      'ssh-ed25519',
      `${line}\n${line}`,
      line.replace('ssh-ed25519 ', 'ssh-ed25519 !'),
      `ssh-rsa ${line.split(' ')[1] ?? ''}`,
      `${line} ${'x'.repeat(20_000)}`,
    ])
      assert.ok(!parseSshPublicKey(wrong).ok, wrong.slice(0, 40));
    for (const type of ['ssh-dss', 'ecdsa-sha2-nistp384', 'ssh-ed25519-cert-v01@openssh.com', 'ssh-ed448', '__proto__'])
      assert.equal(
        (parseSshPublicKey(`${type} AAAA`) as { refusal?: { code: string } }).refusal?.code,
        'key-type-unsupported',
      );
  });

  it('leave no byte over and miss none', () => {
    const { blob } = seedKey('one').public;
    refused(Buffer.concat([blob, Buffer.from([0])]), /left over/);
    for (let end = 0; end < blob.length; end += 1) assert.ok(!keyOfBlob(blob.subarray(0, end)).ok, `cut at ${end}`);
    refused(ed25519Blob(Buffer.alloc(31, 7)), /32 bytes/);
  });

  it('that hold no secret are refused: small-order Ed25519 points sign every message for anybody', () => {
    const points = [
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0000000000000000000000000000000000000000000000000000000000000000',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    for (const hex of points)
      for (const sign of [0, 0x80]) {
        const point = Buffer.from(hex, 'hex');
        point[31] = (point[31] ?? 0) | sign;
        refused(ed25519Blob(point), /holds no secret/);
        const security = Buffer.concat([
          wireString('sk-ssh-ed25519@openssh.com'),
          wireString(point),
          wireString('ssh:'),
        ]);
        refused(security, /holds no secret/);
      }
  });

  it('of RSA have 2048 bits and more, and an exponent that hides something', () => {
    const { n, e } = jwkOf('rsa');
    assert.ok(keyOfBlob(rsaBlob(url(e), url(n))).ok);
    refused(rsaBlob(Buffer.from([1]), url(n)), /exponent/);
    refused(rsaBlob(Buffer.from([2]), url(n)), /exponent/);
    refused(rsaBlob(Buffer.from([1, 0, 0]), url(n)), /exponent/);
    const small = jwkOf('rsa', 1024);
    refused(rsaBlob(url(small['e']), url(small['n'])), /2048 to 8192/);
    refused(rsaBlob(url(e), Buffer.alloc(1025, 0xff)), /2048 to 8192/);
    const needless = Buffer.concat([
      wireString('ssh-rsa'),
      wireString(Buffer.concat([Buffer.alloc(2), url(e)])),
      wireString(url(n)),
    ]);
    refused(needless, /needless zero|not positive/);
  });

  it('of P-256 are points of that curve, written whole', () => {
    const { x, y } = jwkOf('ec');
    const point = Buffer.concat([Buffer.from([4]), url(x), url(y)]);
    assert.ok(keyOfBlob(p256Blob(point)).ok);
    const off = Buffer.from(point);
    off[64] = (off[64] ?? 0) ^ 1;
    refused(p256Blob(off), /not a key/);
    refused(p256Blob(Buffer.alloc(65, 4)), /not a key/);
    refused(p256Blob(Buffer.concat([Buffer.from([2]), url(x)])), /65 bytes/);
    refused(p256Blob(Buffer.from([0])), /65 bytes/);
    const otherCurve = Buffer.concat([wireString('ecdsa-sha2-nistp256'), wireString('nistp384'), wireString(point)]);
    refused(otherCurve, /nistp256/);
    const security = keyOfBlob(skP256Blob(point, 'ssh:'));
    assert.ok(security.ok && security.value.application === 'ssh:');
  });

  it('keep their name, however often they are read', () => {
    const { blob, fingerprint } = seedKey('two').public;
    for (let at = 0; at < 3; at += 1) {
      const key = parseSshPublicKey(`ssh-ed25519 ${encodeBase64(blob)}`);
      assert.ok(key.ok && key.value.fingerprint === fingerprint);
    }
  });
});
