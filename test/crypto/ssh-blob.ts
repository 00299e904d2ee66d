// SPDX-License-Identifier: Apache-2.0
// Builds SSH keys and signatures byte by byte, also such as no program would write.
import { parseSshKeyBlob, type SshPublicKey } from '../../src/crypto/ssh-key.ts';
import { wireMpint, wireString, wireUint32 } from '../../src/crypto/ssh-wire.ts';
import type { Result } from '../../src/kernel/refusal.ts';

export const ed25519Blob = (point: Uint8Array): Buffer => Buffer.concat([wireString('ssh-ed25519'), wireString(point)]);
export const p256Blob = (point: Uint8Array): Buffer =>
  Buffer.concat([wireString('ecdsa-sha2-nistp256'), wireString('nistp256'), wireString(point)]);
export const rsaBlob = (e: Uint8Array, n: Uint8Array): Buffer =>
  Buffer.concat([wireString('ssh-rsa'), wireMpint(e), wireMpint(n)]);
export const skP256Blob = (point: Uint8Array, application: string): Buffer =>
  Buffer.concat([
    wireString('sk-ecdsa-sha2-nistp256@openssh.com'),
    wireString('nistp256'),
    wireString(point),
    wireString(application),
  ]);
export const keyOfBlob = (blob: Uint8Array): Result<SshPublicKey> => parseSshKeyBlob(blob);

/** Two numbers as SSH carries an ECDSA signature. */
export const ecdsaPair = (r: Uint8Array, s: Uint8Array): Buffer => Buffer.concat([wireMpint(r), wireMpint(s)]);

export type SignatureParts = {
  readonly key: Uint8Array;
  readonly namespace: string;
  readonly hashAlgorithm?: string;
  readonly reserved?: string;
  readonly version?: number;
  readonly format: string;
  /** What follows the format: the raw signature as a string, then whatever a security key adds. */
  readonly body: Uint8Array;
};

export const sshsigBlob = ({
  key,
  namespace,
  hashAlgorithm = 'sha512',
  reserved = '',
  version = 1,
  format,
  body,
}: SignatureParts): Buffer =>
  Buffer.concat([
    Buffer.from('SSHSIG'),
    wireUint32(version),
    wireString(key),
    wireString(namespace),
    wireString(reserved),
    wireString(hashAlgorithm),
    wireString(Buffer.concat([wireString(format), body])),
  ]);
