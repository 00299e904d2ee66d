// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseSshKeyBlob, type SshPublicKey } from './ssh-key.ts';
import { WireError, WireReader, wireString, wireUint32 } from './ssh-wire.ts';

export type PrivateKey = { readonly public: SshPublicKey; readonly signKey: KeyObject };

const begin = '-----BEGIN OPENSSH PRIVATE KEY-----';
const end = '-----END OPENSSH PRIVATE KEY-----';
const magic = Buffer.from('openssh-key-v1\0');

const malformed = (why: string): Refused =>
  refuse(
    'key-malformed',
    'S6',
    `the private key is malformed: ${why}`,
    {},
    'give a file that `ssh-keygen -t ed25519` wrote',
  );

/** Reads an unencrypted `openssh-key-v1` file (openssh PROTOCOL.key): Ed25519, ECDSA P-256 or RSA. */
export const parseOpenSshPrivateKey = (text: string): Result<PrivateKey> => {
  const lines = text.replaceAll('\r\n', '\n').trim().split('\n');
  if (text.length > 65_536 || lines[0] !== begin || lines.at(-1) !== end)
    return malformed(`it does not stand between \`${begin}\` and \`${end}\``);
  const bytes = decodeBase64(lines.slice(1, -1).join(''));
  if (!bytes.ok) return malformed('its body is not base64');
  try {
    return readFile(new WireReader(bytes.value));
  } catch (error) {
    return malformed(error instanceof WireError ? error.message : 'its numbers are not a key');
  }
};

const readFile = (reader: WireReader): Result<PrivateKey> => {
  if (!reader.take(magic.length).equals(magic)) return malformed('it is not an openssh-key-v1 file');
  const cipher = reader.text();
  reader.text();
  reader.string();
  if (cipher !== 'none')
    return refuse(
      'key-encrypted',
      'S6',
      'the private key is protected by a passphrase',
      { cipher },
      'add it to your agent with `ssh-add FILE` and sign with `--key agent`',
    );
  if (reader.uint32() !== 1) return malformed('it holds more than one key');
  const key = parseSshKeyBlob(reader.string());
  if (!key.ok) return key;
  const secret = new WireReader(reader.string());
  reader.end();
  if (secret.uint32() !== secret.uint32()) return malformed('its check numbers differ');
  if (secret.text() !== key.value.type) return malformed('its halves are of two types');
  const jwk = readSecret(key.value, secret);
  if (jwk === undefined)
    return refuse(
      'key-type-unsupported',
      'S6',
      `a file can't hold the secret of a \`${key.value.type}\` key`,
      {},
      'sign with `ssh-keygen -Y sign`, which asks the security key',
    );
  const signKey = createPrivateKey({ key: jwk, format: 'jwk' });
  // A file whose public half is another key would sign in a name that is not its own.
  return createPublicKey(signKey).equals(key.value.verifyKey)
    ? ok({ public: key.value, signKey })
    : malformed('its halves are of two keys');
};

const readSecret = (
  { type, verifyKey }: SshPublicKey,
  reader: WireReader,
): { readonly [member: string]: string } | undefined => {
  const jwk = verifyKey.export({ format: 'jwk' }) as { readonly [member: string]: string };
  const url = (bytes: Buffer): string => bytes.toString('base64url');
  if (type === 'ssh-ed25519') {
    reader.string();
    return { ...jwk, d: url(reader.string().subarray(0, 32)) };
  }
  if (type === 'ecdsa-sha2-nistp256') {
    reader.text();
    reader.string();
    const d = reader.mpint();
    return { ...jwk, d: url(Buffer.concat([Buffer.alloc(32 - d.length), d])) };
  }
  if (type !== 'ssh-rsa') return undefined;
  const [, , d, qi, p, q] = [
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
  ];
  const [dn, pn, qn] = [d, p, q].map((part) => BigInt(`0x${part.toString('hex')}`)) as [bigint, bigint, bigint];
  const part = (value: bigint): string => {
    const hex = value.toString(16);
    return url(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
  };
  return { ...jwk, d: url(d), p: url(p), q: url(q), qi: url(qi), dp: part(dn % (pn - 1n)), dq: part(dn % (qn - 1n)) };
};

/** A new Ed25519 key, from the platform's own randomness. */
export const generateEd25519 = (): PrivateKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const key = parseSshKeyBlob(Buffer.concat([wireString('ssh-ed25519'), wireString(Buffer.from(x, 'base64url'))]));
  if (!key.ok) throw new Error(key.refusal.message);
  return { public: key.value, signKey: privateKey };
};

/** Writes an Ed25519 key as an unencrypted OpenSSH file, which `ssh-keygen`, `ssh-add` and git read. */
export const formatOpenSshPrivateKey = (key: PrivateKey, comment: string): string => {
  const { x = '', d = '' } = key.signKey.export({ format: 'jwk' });
  const [point, seed] = [Buffer.from(x, 'base64url'), Buffer.from(d, 'base64url')];
  const check = randomBytes(4);
  const body = Buffer.concat([
    check,
    check,
    wireString('ssh-ed25519'),
    wireString(point),
    wireString(Buffer.concat([seed, point])),
    wireString(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (body.length % 8)) % 8 }, (_, at) => at + 1));
  const file = Buffer.concat([
    magic,
    wireString('none'),
    wireString('none'),
    wireString(''),
    wireUint32(1),
    wireString(key.public.blob),
    wireString(Buffer.concat([body, padding])),
  ]);
  return `${begin}\n${encodeBase64(file).replace(/.{70}(?=.)/g, '$&\n')}\n${end}\n`;
};
