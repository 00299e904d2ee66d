// SPDX-License-Identifier: Apache-2.0
import { hash, sign, verify, type VerifyKeyObjectInput } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { PrivateKey } from './openssh-private-key.ts';
import { parseSshKeyBlob, type SshPublicKey } from './ssh-key.ts';
import { WireError, WireReader, wireMpint, wireString, wireUint32 } from './ssh-wire.ts';
import { readWebauthn, type WebauthnContext } from './webauthn-signature.ts';

/**
 * A signature as `ssh-keygen -Y sign` writes it (openssh PROTOCOL.sshsig):
 *
 *     "SSHSIG" || uint32 version=1 || string publickey || string namespace || string reserved ||
 *     string hash_algorithm || string signature
 */
export type SshSignature = {
  readonly key: SshPublicKey;
  readonly namespace: string;
  readonly reserved: Uint8Array;
  readonly hashAlgorithm: 'sha256' | 'sha512';
  readonly format: string;
  /** What follows the format inside the signature string: the raw signature, then flags and counter of a security key. */
  readonly body: Uint8Array;
};

export type VerifiedSignature = {
  readonly key: SshPublicKey;
  /** Somebody touched the key (flag UP), as the signed flags say; false for a plain key file. */
  readonly presence: boolean;
  /** The key checked who it was, by PIN or finger (flag UV). */
  readonly verification: boolean;
  readonly webauthn: WebauthnContext | null;
};

const magic = Buffer.from('SSHSIG');
const maxSignatureBytes = 16_384;

const malformed = (why: string): Refused =>
  refuse('signature-malformed', 'S2', `the signature is malformed: ${why}`, {}, 'sign with `ssh-keygen -Y sign`');
const invalid = (why: string): Refused =>
  refuse(
    'signature-invalid',
    'S2',
    `the signature does not hold: ${why}`,
    {},
    'sign the exact bytes again, with the right key',
  );

export const parseSshSignature = (blob: Uint8Array): Result<SshSignature> => {
  if (blob.length > maxSignatureBytes) return malformed(`it has ${blob.length} bytes`);
  try {
    const reader = new WireReader(blob);
    if (!reader.take(6).equals(magic) || reader.uint32() !== 1)
      return malformed('it does not start with SSHSIG, version 1');
    const key = parseSshKeyBlob(reader.string());
    if (!key.ok) return key;
    const namespace = reader.text();
    const reserved = reader.string();
    const hashAlgorithm = reader.text();
    const inner = new WireReader(reader.string());
    reader.end();
    if (hashAlgorithm !== 'sha256' && hashAlgorithm !== 'sha512')
      return malformed(`hash \`${hashAlgorithm.slice(0, 20)}\` is neither sha256 nor sha512`);
    if (namespace === '' || reserved.length > 0)
      return malformed('the namespace is empty or the reserved field is not');
    return ok({ key: key.value, namespace, reserved, hashAlgorithm, format: inner.text(), body: inner.rest() });
  } catch (error) {
    if (error instanceof WireError) return malformed(error.message);
    throw error;
  }
};

const armorBegin = '-----BEGIN SSH SIGNATURE-----';
const armorEnd = '-----END SSH SIGNATURE-----';

/** The raw blob inside the armor that `ssh-keygen` writes. */
export const dearmorSignature = (text: string): Result<Uint8Array> => {
  const lines = text.replaceAll('\r\n', '\n').trim().split('\n');
  if (text.length > 2 * maxSignatureBytes || lines[0] !== armorBegin || lines.at(-1) !== armorEnd)
    return malformed(`it does not stand between \`${armorBegin}\` and \`${armorEnd}\``);
  return decodeBase64(lines.slice(1, -1).join(''));
};

export const parseArmoredSignature = (text: string): Result<SshSignature> => {
  const blob = dearmorSignature(text);
  return blob.ok ? parseSshSignature(blob.value) : blob;
};

export const formatArmoredSignature = (blob: Uint8Array): string =>
  `${armorBegin}\n${encodeBase64(blob).replace(/.{70}(?=.)/g, '$&\n')}\n${armorEnd}\n`;

/** What the key really signs: the namespace and the digest of the message, never the message itself. */
export const signedData = (
  namespace: string,
  hashAlgorithm: 'sha256' | 'sha512',
  message: string | Uint8Array,
): Buffer => {
  const digest = hash(hashAlgorithm, message, 'buffer');
  return Buffer.concat([magic, wireString(namespace), beforeDigest[hashAlgorithm], digest]);
};

const beforeDigest = {
  sha256: Buffer.concat([wireString(''), wireString('sha256'), wireUint32(32)]),
  sha512: Buffer.concat([wireString(''), wireString('sha512'), wireUint32(64)]),
} as const;

type Claim = { readonly signature: SshSignature; readonly message: string | Uint8Array; readonly namespace: string };

/** Verifies a parsed signature over a message in one namespace (SPEC S2). Says whose key it is, not who may use it. */
export const verifySshSignature = (claim: Claim): Result<VerifiedSignature> => {
  const check = openCheck(claim);
  return check.ok ? runCheck(check.value) : check;
};

/** The same up to the arithmetic, which may be done on another thread. */
export const openCheck = ({ signature, message, namespace }: Claim): Result<SignatureCheck> => {
  if (signature.namespace !== namespace)
    return refuse(
      'signature-namespace',
      'S2',
      `the signature was made for \`${signature.namespace}\`, not for \`${namespace}\``,
      { namespace: signature.namespace, wanted: namespace },
      `sign with \`-n ${namespace}\``,
    );
  return signatureCheck(signature, signedData(namespace, signature.hashAlgorithm, message));
};

/** The one question that is left to ask the platform, here or on another thread, and what a yes to it means. */
export type SignatureCheck = {
  /** First argument of `node:crypto`'s `verify`; null where the key's own scheme says which hash. */
  readonly algorithm: 'sha256' | 'sha512' | null;
  readonly data: Uint8Array;
  readonly key: VerifyKeyObjectInput;
  readonly signature: Uint8Array;
  readonly meaning: VerifiedSignature;
};

/** Whether the key signed exactly these bytes, which `signedData` made from a message and a namespace. */
export const verifySignedData = (signature: SshSignature, data: Buffer): Result<VerifiedSignature> => {
  const check = signatureCheck(signature, data);
  return check.ok ? runCheck(check.value) : check;
};

/** All of a verification that needs no arithmetic (SPEC S2). Refuses what no arithmetic could save. */
const signatureCheck = (signature: SshSignature, data: Buffer): Result<SignatureCheck> => {
  try {
    return signature.key.application === null
      ? plainCheck(signature, data)
      : securityKeyCheck(signature, signature.key.application, data);
  } catch (error) {
    return error instanceof WireError ? malformed(error.message) : invalid('its numbers are not a signature');
  }
};

export const runCheck = ({ algorithm, data, key, signature, meaning }: SignatureCheck): Result<VerifiedSignature> => {
  try {
    return answered(verify(algorithm, data, key, signature), meaning);
  } catch {
    return invalid('its numbers are not a signature');
  }
};

/** What the platform's answer to a check means. */
export const answered = (holds: boolean, meaning: VerifiedSignature): Result<VerifiedSignature> =>
  holds ? ok(meaning) : notSigned();

const notSigned = (): Refused => invalid('these bytes were not signed by this key');

const ed25519Check = (data: Uint8Array, signature: Buffer, meaning: VerifiedSignature): Result<SignatureCheck> =>
  signature.length === 64
    ? ok({ algorithm: null, data, key: { key: meaning.key.verifyKey }, signature, meaning })
    : malformed('an Ed25519 signature has 64 bytes');

const p256Check = (data: Uint8Array, raw: Buffer, meaning: VerifiedSignature): Result<SignatureCheck> =>
  ok({
    algorithm: 'sha256',
    data,
    key: { key: meaning.key.verifyKey, dsaEncoding: 'ieee-p1363' },
    signature: p256Signature(raw),
    meaning,
  });

const wrongFormat = ({ key, format }: SshSignature): Refused =>
  malformed(`format \`${format.slice(0, 60)}\` does not go with key type \`${key.type}\``);

const plainCheck = (signature: SshSignature, data: Buffer): Result<SignatureCheck> => {
  const { key, format, body } = signature;
  const reader = new WireReader(body);
  const raw = reader.string();
  reader.end();
  const meaning = { key, presence: false, verification: false, webauthn: null };
  if (key.type === 'ssh-ed25519' && format === 'ssh-ed25519') return ed25519Check(data, raw, meaning);
  if (key.type === 'ecdsa-sha2-nistp256' && format === 'ecdsa-sha2-nistp256') return p256Check(data, raw, meaning);
  // `ssh-rsa` means SHA-1 here and is not taken (PROTOCOL.sshsig asks for rsa-sha2-256 or rsa-sha2-512).
  if (key.type === 'ssh-rsa' && (format === 'rsa-sha2-256' || format === 'rsa-sha2-512')) {
    const algorithm = format === 'rsa-sha2-256' ? 'sha256' : 'sha512';
    return ok({ algorithm, data, key: { key: key.verifyKey }, signature: raw, meaning });
  }
  return wrongFormat(signature);
};

// SSH carries (r, s) as two mpints (RFC 5656 section 3.1.2); 32 bytes each are what P-256 has.
const p256Signature = (raw: Uint8Array): Buffer => {
  const reader = new WireReader(raw);
  const [r, s] = [reader.mpint(), reader.mpint()];
  reader.end();
  if (r.length > 32 || s.length > 32) throw new WireError('a P-256 signature has two numbers of at most 32 bytes');
  const fixed = Buffer.alloc(64);
  r.copy(fixed, 32 - r.length);
  s.copy(fixed, 64 - s.length);
  return fixed;
};

const flagPresence = 0x01;
const flagVerification = 0x04;

// PROTOCOL.u2f: a security key signs SHA256(application) || flags || counter || SHA256(data).
const securityKeyCheck = (signature: SshSignature, application: string, data: Buffer): Result<SignatureCheck> => {
  const { key, format, body } = signature;
  const rpIdHash = hash('sha256', application, 'buffer');
  const reader = new WireReader(body);
  const raw = reader.string();
  const flags = reader.byte();
  const counter = reader.take(4);
  if ((flags & flagPresence) === 0) return invalid('the security key says that nobody was present');
  const meaning = { key, presence: true, verification: (flags & flagVerification) !== 0, webauthn: null };
  if (format === 'webauthn-sk-ecdsa-sha2-nistp256@openssh.com' && key.type === 'sk-ecdsa-sha2-nistp256@openssh.com') {
    const webauthn = readWebauthn({ reader, data, rpIdHash, flags });
    if (!webauthn.ok) return webauthn;
    const { extensions, clientDataHash, context } = webauthn.value;
    const signed = Buffer.concat([rpIdHash, Buffer.from([flags]), counter, extensions, clientDataHash]);
    return p256Check(signed, raw, { ...meaning, webauthn: context });
  }
  reader.end();
  const signed = Buffer.concat([rpIdHash, Buffer.from([flags]), counter, hash('sha256', data, 'buffer')]);
  if (format !== key.type) return wrongFormat(signature);
  if (key.type !== 'sk-ssh-ed25519@openssh.com') return p256Check(signed, raw, meaning);
  // What a refusal is called stands in ledgers: this one has been called so from the first entry on (INV12).
  return raw.length === 64 ? ed25519Check(signed, raw, meaning) : notSigned();
};

/** Signs as `ssh-keygen -Y sign` would, with SHA-512; gives the raw blob. */
export const signSsh = ({
  key,
  message,
  namespace,
}: {
  readonly key: PrivateKey;
  readonly message: string | Uint8Array;
  readonly namespace: string;
}): Uint8Array => {
  const data = signedData(namespace, 'sha512', message);
  const { format, raw } = signRaw(key, data);
  return Buffer.concat([
    magic,
    wireUint32(1),
    wireString(key.public.blob),
    wireString(namespace),
    wireString(''),
    wireString('sha512'),
    wireString(Buffer.concat([wireString(format), wireString(raw)])),
  ]);
};

const signRaw = (key: PrivateKey, data: Buffer): { readonly format: string; readonly raw: Buffer } => {
  const { signKey } = key;
  if (key.public.type === 'ssh-ed25519') return { format: 'ssh-ed25519', raw: sign(null, data, signKey) };
  if (key.public.type === 'ssh-rsa') return { format: 'rsa-sha2-512', raw: sign('sha512', data, signKey) };
  const fixed = sign('sha256', data, { key: signKey, dsaEncoding: 'ieee-p1363' });
  return {
    format: key.public.type,
    raw: Buffer.concat([wireMpint(fixed.subarray(0, 32)), wireMpint(fixed.subarray(32))]),
  };
};
