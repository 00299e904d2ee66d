// SPDX-License-Identifier: Apache-2.0
// SPEC S2: leftover, missing, changed or malformed bytes refuse a signature, and nothing throws.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSshKeyBlob } from '../../src/crypto/ssh-key.ts';
import {
  dearmorSignature,
  formatArmoredSignature,
  parseSshSignature,
  signSsh,
  verifySshSignature,
} from '../../src/crypto/sshsig.ts';
import { wireString } from '../../src/crypto/ssh-wire.ts';
import type { PrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { seedKey } from '../support/seed-key.ts';
import { assertSecurityKey, assertWebauthn, softwareKey } from './software-authenticator.ts';
import { p256Blob, rsaBlob, sshsigBlob } from './ssh-blob.ts';

const namespace = 'countersign-vote@v1';
const message = 'approve';
const url = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');

const rsaKey = (): PrivateKey => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const key = parseSshKeyBlob(rsaBlob(url(e), url(n)));
  assert.ok(key.ok);
  return { public: key.value, signKey: privateKey };
};
const p256Key = (): PrivateKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const key = parseSshKeyBlob(p256Blob(Buffer.concat([Buffer.from([4]), url(x), url(y)])));
  assert.ok(key.ok);
  return { public: key.value, signKey: privateKey };
};

const security = softwareKey();
const signatures: Readonly<Record<string, Uint8Array>> = {
  ed25519: signSsh({ key: seedKey('one'), message, namespace }),
  'ecdsa-p256': signSsh({ key: p256Key(), message, namespace }),
  rsa: signSsh({ key: rsaKey(), message, namespace }),
  'sk-ecdsa': assertSecurityKey(security, { message, namespace }),
  webauthn: assertWebauthn(security, { message, namespace }),
};

const holds = (blob: Uint8Array, text = message): boolean => {
  const signature = parseSshSignature(blob);
  return signature.ok && verifySshSignature({ signature: signature.value, message: text, namespace }).ok;
};

for (const [name, blob] of Object.entries(signatures))
  describe(`a ${name} signature`, () => {
    it('holds as it is', () => {
      assert.ok(holds(blob));
      assert.ok(!holds(blob, 'reject'));
    });

    it('does not hold with any one byte changed', () => {
      for (let at = 0; at < blob.length; at += 1)
        for (const flip of [0x01, 0x80]) {
          const changed = Buffer.from(blob);
          changed[at] = (changed[at] ?? 0) ^ flip;
          assert.ok(!holds(changed), `byte ${at}`);
        }
    });

    it('does not hold cut short at any length, nor with anything behind it', () => {
      for (let end = 0; end < blob.length; end += 1) assert.ok(!holds(blob.subarray(0, end)), `cut at ${end}`);
      for (const more of [[0], [0, 0, 0, 0], [1, 2, 3]]) assert.ok(!holds(Buffer.concat([blob, Buffer.from(more)])));
    });

    it('does not hold after any run of random changes', () => {
      const edit = fc.record({ at: fc.nat(blob.length - 1), bytes: fc.uint8Array({ maxLength: 6 }), cut: fc.nat(6) });
      fc.assert(
        fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
          let changed = Buffer.from(blob);
          for (const { at, bytes, cut } of edits)
            changed = Buffer.concat([changed.subarray(0, at), bytes, changed.subarray(at + cut)]);
          if (!changed.equals(blob)) assert.ok(!holds(changed));
        }),
        propertyRuns(200),
      );
    });
  });

describe('signatures that no program writes', () => {
  const key = seedKey('one').public.blob;
  const parsed = parseSshSignature(signatures['ed25519'] ?? new Uint8Array());
  assert.ok(parsed.ok);
  const { body } = parsed.value;
  const good = { key, namespace, format: 'ssh-ed25519', body };

  it('are built here so that each defect stands alone: without one, it holds', () => {
    assert.ok(holds(sshsigBlob(good)));
  });

  it('of another version, with reserved bytes, an empty namespace, another hash or another format', () => {
    for (const [what, parts] of Object.entries({
      version: { ...good, version: 2 },
      reserved: { ...good, reserved: 'x' },
      namespace: { ...good, namespace: '' },
      'another namespace': { ...good, namespace: 'countersign-veto@v1' },
      hash: { ...good, hashAlgorithm: 'sha1' },
      'a hash it was not made with': { ...good, hashAlgorithm: 'sha256' },
      format: { ...good, format: 'ssh-rsa' },
      'an empty format': { ...good, format: '' },
      'bytes behind the raw signature': { ...good, body: Buffer.concat([body, Buffer.from([0])]) },
      'a short raw signature': { ...good, body: wireString(Buffer.alloc(63)) },
      'another key': { ...good, key: seedKey('two').public.blob },
    }))
      assert.ok(!holds(sshsigBlob(parts)), what);
  });

  it('INV12: are refused by the name they have had from the first ledger on, since ledgers keep it', () => {
    const point = seedKey('one').public.blob.subarray(-32);
    const key = Buffer.concat(['sk-ssh-ed25519@openssh.com', point, 'ssh:'].map((part) => wireString(part)));
    const touched = Buffer.from([1, 0, 0, 0, 7]);
    const raw = (length: number): Buffer => wireString(Buffer.alloc(length, 1));
    const codeOf = (parts: Parameters<typeof sshsigBlob>[0]): string => {
      const signature = parseSshSignature(sshsigBlob(parts));
      const result = signature.ok ? verifySshSignature({ signature: signature.value, message, namespace }) : signature;
      return result.ok ? 'held' : result.refusal.code;
    };
    const sk = { ...good, key, format: 'sk-ssh-ed25519@openssh.com' };
    const malformed = 'signature-malformed';
    const invalid = 'signature-invalid';
    for (const [parts, code] of [
      [{ ...good, body: raw(63) }, malformed],
      [{ ...good, body: raw(64) }, invalid],
      [{ ...good, format: 'ssh-rsa' }, malformed],
      [{ ...sk, body: Buffer.concat([raw(63), touched]) }, invalid],
      [{ ...sk, body: Buffer.concat([raw(65), touched]) }, invalid],
      [{ ...sk, body: Buffer.concat([raw(64), touched]) }, invalid],
      [{ ...sk, body: Buffer.concat([raw(64), Buffer.alloc(5)]) }, invalid],
      [{ ...sk, body: Buffer.concat([raw(64), touched, touched]) }, malformed],
      [{ ...sk, body: raw(64) }, malformed],
      [{ ...sk, format: 'ssh-ed25519', body: Buffer.concat([raw(64), touched]) }, malformed],
    ] as const)
      assert.equal(codeOf(parts), code, `${parts.format}, ${parts.body.length} bytes`);
  });

  it('of RSA with SHA-1 are not taken', () => {
    const rsa = parseSshSignature(signatures['rsa'] ?? new Uint8Array());
    assert.ok(rsa.ok);
    for (const format of ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-384'])
      assert.ok(!verifySshSignature({ signature: { ...rsa.value, format }, message, namespace }).ok, format);
  });

  it('are refused for their size before they are read', () => {
    const huge = parseSshSignature(Buffer.alloc(20_000));
    assert.ok(!huge.ok && huge.refusal.code === 'signature-malformed');
  });

  it('random bytes are refused and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, magic) => {
        assert.ok(!holds(magic ? Buffer.concat([Buffer.from('SSHSIG\0\0\0\u0001'), bytes]) : bytes));
        assert.ok(!parseSshKeyBlob(bytes).ok);
      }),
      propertyRuns(500),
    );
  });
});

describe('armor', () => {
  const armored = formatArmoredSignature(signatures['ed25519'] ?? new Uint8Array());

  it('is taken off again', () => {
    const blob = dearmorSignature(armored);
    assert.ok(blob.ok);
    assert.deepEqual(Buffer.from(blob.value), Buffer.from(signatures['ed25519'] ?? []));
    assert.ok(dearmorSignature(armored.replaceAll('\n', '\r\n')).ok);
  });

  it('that is not armor is refused', () => {
    for (const text of [
      '',
      'x',
      armored.slice(10),
      `${armored}x`,
      armored.replace('BEGIN SSH', 'BEGIN PGP'),
      armored.replace('U1NI', 'U1N!'),
      'x'.repeat(40_000),
    ])
      assert.ok(!dearmorSignature(text).ok, text.slice(0, 40));
  });
});
