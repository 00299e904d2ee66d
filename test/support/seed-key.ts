// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { sha256 } from '../../src/crypto/digest.ts';
import type { PrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { parseSshPublicKey } from '../../src/crypto/ssh-key.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';

/** An Ed25519 key that follows from a name, so that histories in tests and golden vectors are the same every time. */
export const seedKey = (name: string): PrivateKey => {
  const seed = Buffer.from(sha256(`countersign test key ${name}`));
  // PKCS #8 of an Ed25519 key (RFC 8410 section 7) is this prefix and the seed.
  const signKey = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(signKey).export({ format: 'jwk' });
  const blob = Buffer.concat([
    Buffer.from([0, 0, 0, 11]),
    Buffer.from('ssh-ed25519'),
    Buffer.from([0, 0, 0, 32]),
    Buffer.from(x, 'base64url'),
  ]);
  const key = parseSshPublicKey(`ssh-ed25519 ${encodeBase64(blob)}`);
  if (!key.ok) throw new Error(key.refusal.message);
  return { public: key.value, signKey };
};
