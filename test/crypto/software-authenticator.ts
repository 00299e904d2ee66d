// SPDX-License-Identifier: Apache-2.0
// A passkey in software: signs as a browser and a security key together would, or as they never would.
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { parseSshKeyBlob, type SshPublicKey } from '../../src/crypto/ssh-key.ts';
import { signedData } from '../../src/crypto/sshsig.ts';
import { wireString, wireUint32 } from '../../src/crypto/ssh-wire.ts';
import { ecdsaPair, skP256Blob, sshsigBlob } from './ssh-blob.ts';

export type Assertion = {
  readonly message: string;
  readonly namespace: string;
  readonly origin?: string;
  readonly flags?: number;
  readonly extensions?: Uint8Array;
  /** Replaces members of the client data; undefined leaves one out. */
  readonly clientData?: { readonly [member: string]: unknown };
  /** The whole client data as text, in place of what would be written. */
  readonly clientDataText?: (usual: string) => string;
  /** Text of the origin beside the client data. */
  readonly outerOrigin?: string;
};

export type SoftwareKey = {
  readonly public: SshPublicKey;
  readonly blob: Buffer;
  readonly privateKey: KeyObject;
  readonly application: string;
};

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest();

export const softwareKey = (application = 'countersign.example'): SoftwareKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const blob = skP256Blob(point, application);
  const key = parseSshKeyBlob(blob);
  if (!key.ok) throw new Error(key.refusal.message);
  return { public: key.value, blob, privateKey, application };
};

const rawSignature = (key: SoftwareKey, data: Uint8Array): Buffer => {
  const fixed = sign('sha256', data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return ecdsaPair(fixed.subarray(0, 32), fixed.subarray(32));
};

export const flag = {
  present: 0x01,
  verified: 0x04,
  backupEligible: 0x08,
  backupState: 0x10,
  attested: 0x40,
  extensions: 0x80,
} as const;

/** A passkey assertion wrapped as `webauthn-sk-ecdsa-sha2-nistp256@openssh.com` (PROTOCOL.u2f). */
export const assertWebauthn = (key: SoftwareKey, assertion: Assertion): Buffer => {
  const {
    message,
    namespace,
    origin = 'https://countersign.example',
    flags = flag.present | flag.verified,
  } = assertion;
  const data = signedData(namespace, 'sha512', message);
  const members = {
    type: 'webauthn.get',
    challenge: data.toString('base64url'),
    origin,
    crossOrigin: false,
    ...assertion.clientData,
  };
  const usual = JSON.stringify(members);
  const clientData = Buffer.from(assertion.clientDataText?.(usual) ?? usual);
  const extensions = assertion.extensions ?? new Uint8Array();
  const tail = Buffer.concat([Buffer.from([flags]), wireUint32(7)]);
  const signed = Buffer.concat([sha256(key.application), tail, extensions, sha256(clientData)]);
  const body = Buffer.concat([
    wireString(rawSignature(key, signed)),
    tail,
    wireString(assertion.outerOrigin ?? origin),
    wireString(clientData),
    wireString(extensions),
  ]);
  return sshsigBlob({ key: key.blob, namespace, format: 'webauthn-sk-ecdsa-sha2-nistp256@openssh.com', body });
};

/** What a security key signs for `ssh-keygen` itself. */
export const assertSecurityKey = (
  key: SoftwareKey,
  { message, namespace, flags = flag.present }: Assertion,
): Buffer => {
  const tail = Buffer.concat([Buffer.from([flags]), wireUint32(7)]);
  const signed = Buffer.concat([sha256(key.application), tail, sha256(signedData(namespace, 'sha512', message))]);
  const body = Buffer.concat([wireString(rawSignature(key, signed)), tail]);
  return sshsigBlob({ key: key.blob, namespace, format: 'sk-ecdsa-sha2-nistp256@openssh.com', body });
};
