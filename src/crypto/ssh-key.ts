// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { WireError, WireReader } from './ssh-wire.ts';

export const sshKeyTypes = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ssh-rsa',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
] as const;
export type SshKeyType = (typeof sshKeyTypes)[number];

/** A public key as OpenSSH writes it: `ssh-ed25519 AAAAC3Nza… comment` (RFC 4253 section 6.6, PROTOCOL.u2f). */
export type SshPublicKey = {
  readonly type: SshKeyType;
  readonly blob: Uint8Array;
  /** `SHA256:` and the base64 of the blob's digest, without padding, as `ssh-keygen -l` shows it. */
  readonly fingerprint: string;
  /** Type and base64 only. */
  readonly line: string;
  /** Application of a security key, such as `ssh:`; null for others. */
  readonly application: string | null;
  readonly verifyKey: KeyObject;
};

const malformed = (why: string) =>
  refuse(
    'key-malformed',
    'S6',
    `the public key is malformed: ${why}`,
    {},
    'give the line of a `.pub` file that ssh-keygen wrote',
  );
const unsupported = (type: string) =>
  refuse(
    'key-type-unsupported',
    'S6',
    `key type \`${type.slice(0, 60)}\` is not supported`,
    { type: type.slice(0, 60) },
    `use one of ${sshKeyTypes.join(', ')}`,
  );

export const parseSshPublicKey = (line: string): Result<SshPublicKey> => {
  const [type = '', base64 = ''] = line.trim().split(/[ \t]+/);
  if (line.length > 16_384 || /[\n\r\0]/.test(line.trim())) return malformed('it is not one line');
  if (!(sshKeyTypes as readonly string[]).includes(type)) return unsupported(type);
  const blob = decodeBase64(base64);
  if (!blob.ok) return malformed('its second part is not base64');
  const key = parseSshKeyBlob(blob.value);
  return key.ok && key.value.type !== type ? malformed(`it says \`${type}\` and holds \`${key.value.type}\``) : key;
};

// Importing a key costs as much as one verification, so that imported keys are kept by their bytes, a bounded number of them.
const imported = new Map<string, SshPublicKey>();
const maxImported = 10_000;

export const parseSshKeyBlob = (blob: Uint8Array): Result<SshPublicKey> => {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('latin1');
  const known = imported.get(bytes);
  if (known !== undefined) return ok(known);
  const fingerprint = `SHA256:${hash('sha256', blob, 'base64').replace(/=+$/, '')}`;
  const key = readBlob(Buffer.from(blob), fingerprint);
  if (!key.ok) return key;
  if (imported.size >= maxImported) imported.delete(imported.keys().next().value ?? '');
  imported.set(bytes, key.value);
  return key;
};

const readBlob = (blob: Buffer, fingerprint: string): Result<SshPublicKey> => {
  try {
    const reader = new WireReader(blob);
    const type = reader.text();
    if (!(sshKeyTypes as readonly string[]).includes(type)) return unsupported(type);
    const { jwk, application } = readKeyBody(type as SshKeyType, reader);
    reader.end();
    const verifyKey = createPublicKey({ key: jwk, format: 'jwk' });
    const line = `${type} ${encodeBase64(blob)}`;
    return ok({ type: type as SshKeyType, blob, fingerprint, line, application, verifyKey });
  } catch (error) {
    return malformed(error instanceof WireError ? error.message : 'its numbers are not a key');
  }
};

type KeyBody = { readonly jwk: { readonly [member: string]: string }; readonly application: string | null };

const readKeyBody = (type: SshKeyType, reader: WireReader): KeyBody => {
  switch (type) {
    case 'ssh-ed25519':
      return { jwk: edJwk(reader.string()), application: null };
    case 'sk-ssh-ed25519@openssh.com':
      return { jwk: edJwk(reader.string()), application: reader.text() };
    case 'ecdsa-sha2-nistp256':
      return { jwk: p256Jwk(reader), application: null };
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return { jwk: p256Jwk(reader), application: reader.text() };
    case 'ssh-rsa': {
      const [e, n] = [reader.mpint(), reader.mpint()];
      if (n.length < 256 || n.length > 1024 || ((n[0] ?? 0) & 0x80) === 0 || e.length > 8)
        throw new WireError('an RSA key has 2048 to 8192 bits');
      // With exponent 1 a signature is the padded message itself, which anybody can write.
      if (((e.at(-1) ?? 0) & 1) === 0 || (e.length === 1 && (e[0] ?? 0) < 3))
        throw new WireError('an RSA exponent is odd and at least 3');
      return { jwk: { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') }, application: null };
    }
    default:
      throw new WireError(`key type ${String(type satisfies never)}`);
  }
};

const fieldPrime = 2n ** 255n - 19n;
// y of the points of order 1, 2, 4 and 8. A signature by such a key can be made without any secret, for any message.
const orderEight = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const smallOrder = new Set([0n, 1n, fieldPrime - 1n, orderEight, fieldPrime - orderEight]);

const edJwk = (point: Buffer): KeyBody['jwk'] => {
  if (point.length !== 32) throw new WireError('an Ed25519 key has 32 bytes');
  const y = BigInt(`0x${Buffer.from(point.toReversed()).toString('hex')}`) & (2n ** 255n - 1n);
  if (y >= fieldPrime || smallOrder.has(y)) throw new WireError('the Ed25519 point is one that holds no secret');
  return { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') };
};

const p256Jwk = (reader: WireReader): KeyBody['jwk'] => {
  if (reader.text() !== 'nistp256') throw new WireError('the curve must be nistp256');
  const point = reader.string();
  if (point.length !== 65 || point[0] !== 4) throw new WireError('a P-256 point has 65 bytes and starts with 4');
  return {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
};
