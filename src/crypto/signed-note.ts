// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import { decodeBase64, encodeBase64, encodeHex } from '../kernel/base64.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

/**
 * C2SP signed notes: text, an empty line, and one line for each signature.
 *
 *     countersign/5d41402abc4b2a76b9719d911017c592
 *     7
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 *     — countersign/5d41402abc4b2a76b9719d911017c592 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4UR…
 */
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] };
export type NoteSignature = { readonly name: string; readonly id: string; readonly signature: Uint8Array };
/** First byte of a verifier key: what such keys sign, notes (c2sp.org/signed-note) or cosignatures (c2sp.org/tlog-cosignature). */
export type NoteKeyType = 0x01 | 0x04;
/** `<name>+<hex key id>+<base64(type || public key)>` */
export type NoteKey<T extends NoteKeyType> = {
  readonly name: string;
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly key: KeyObject;
  readonly type: T;
};
export type NoteVerifier = NoteKey<0x01>;
export type NoteSigner = NoteKey<0x01>;

const ed25519Type = 0x01;
const maxSignatures = 100;
const maxNoteBytes = 1024 * 1024;

const malformed = (why: string): Refused =>
  refuse('note-malformed', 'S7', `the signed note is malformed: ${why}`, {}, 'look at c2sp.org/signed-note');
const unsigned = (why: string): Refused =>
  refuse('note-unsigned', 'S7', why, {}, 'compare the verifier key with the one in the genesis');

// Go's unicode.IsSpace, which the specification's reference uses for names.
const nameForm = /^[^\s+\u0085\u00a0\ufeff]+$/u;
// oxlint-disable-next-line no-control-regex -- the specification names these characters
const controls = /[\u0000-\u0009\u000b-\u001f]/;

export const parseNote = (text: string): Result<Note> => {
  if (text.length > maxNoteBytes || !text.isWellFormed()) return malformed('it is too large or not UTF-8');
  if (controls.test(text)) return malformed('it holds a control character');
  const split = text.lastIndexOf('\n\n');
  if (split < 0 || !text.endsWith('\n')) return malformed('no empty line stands before signatures');
  const lines = text.slice(split + 2, -1).split('\n');
  if (lines.length > maxSignatures) return malformed(`it has ${lines.length} signatures, more than ${maxSignatures}`);
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [dash = '', name = '', base64 = '', ...rest] = line.split(' ');
    const bytes = decodeBase64(base64);
    if (dash !== '—' || !nameForm.test(name) || rest.length > 0 || !bytes.ok || bytes.value.length < 5)
      return malformed('a signature line is not `— name base64`');
    signatures.push({ name, id: encodeHex(bytes.value.subarray(0, 4)), signature: bytes.value.subarray(4) });
  }
  return ok({ text: text.slice(0, split + 1), signatures });
};

/**
 * Which of the given keys signed. Unknown signatures are left aside; one that claims a known key and does not hold
 * refuses the whole note; a key that signs twice counts once.
 */
export const verifyNote = (
  note: string,
  verifiers: readonly NoteVerifier[],
): Result<{ readonly text: string; readonly signedBy: readonly string[] }> => {
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  const names = verifiers.map(({ name, id }) => `${name}+${id}`);
  if (new Set(names).size !== names.length) return malformed('two verifier keys have one name and id');
  if (!verifiers.every(({ type }) => type === ed25519Type)) return malformed('a key of another type signs no notes');
  const signedBy = new Set<string>();
  for (const { name, id, signature } of parsed.value.signatures) {
    const verifier = verifiers.find((one) => one.name === name && one.id === id);
    if (verifier === undefined) continue;
    if (signature.length !== 64 || !verify(null, Buffer.from(parsed.value.text), verifier.key, signature))
      return unsigned(`the signature of \`${name}\` does not hold`);
    signedBy.add(`${name}+${id}`);
  }
  if (signedBy.size === 0) return unsigned('no key that is known here signed the note');
  return ok({ text: parsed.value.text, signedBy: [...signedBy].map((one) => one.slice(0, one.lastIndexOf('+'))) });
};

/** Adds signatures to a text, which must end in a line break. */
export const signNote = (text: string, signers: readonly NoteSigner[]): string => {
  if (!text.endsWith('\n') || controls.test(text) || signers.length === 0)
    throw new BrokenInvariant('a note is lines of text, and somebody signs it');
  const lines = signers.map((signer) => signatureLine(signer, sign(null, Buffer.from(text), signer.key)));
  return `${text}\n${lines.join('')}`;
};

const signatureLine = ({ name, id }: NoteVerifier, signature: Uint8Array): string =>
  `— ${name} ${encodeBase64(Buffer.concat([Buffer.from(id, 'hex'), signature]))}\n`;

/** The note of a text that was signed elsewhere, such as by an agent. A signature that does not hold makes no note. */
export const noteSignedElsewhere = (text: string, by: NoteVerifier, signature: Uint8Array): Result<string> => {
  const note = `${text}\n${signatureLine(by, signature)}`;
  const verified = verifyNote(note, [by]);
  return verified.ok ? ok(note) : verified;
};

const keyId = (name: string, publicKey: Uint8Array, type: NoteKeyType): string =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]), 'hex').slice(0, 8);

export const verifierOf = <T extends NoteKeyType>(name: string, publicKey: Uint8Array, type: T): Result<NoteKey<T>> => {
  if (!nameForm.test(name) || publicKey.length !== 32)
    return malformed(`\`${name}\` is no key name, or its key has not 32 bytes`);
  try {
    const x = Buffer.from(publicKey).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return ok({ name, id: keyId(name, publicKey, type), publicKey, key, type });
  } catch {
    return malformed('the public key is not an Ed25519 point');
  }
};

/** A verifier of notes from a name and a raw Ed25519 public key of 32 bytes. */
export const noteVerifier = (name: string, publicKey: Uint8Array): Result<NoteVerifier> =>
  verifierOf(name, publicKey, ed25519Type);

export const parseKeyOfType = <T extends NoteKeyType>(text: string, type: T): Result<NoteKey<T>> => {
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  const bytes = decodeBase64(match?.[3] ?? '');
  if (match === null || !bytes.ok || bytes.value[0] !== type)
    return malformed(`a verifier key is \`name+hex id+base64\`, here of type 0x0${type}`);
  const verifier = verifierOf(match[1] ?? '', bytes.value.subarray(1), type);
  return verifier.ok && verifier.value.id !== match[2]
    ? malformed('the id of the verifier key does not belong to its key')
    : verifier;
};
export const parseVerifierKey = (text: string): Result<NoteVerifier> => parseKeyOfType(text, ed25519Type);

type Named = Pick<NoteKey<NoteKeyType>, 'name' | 'id' | 'publicKey' | 'type'>;
export const formatVerifierKey = ({ name, id, publicKey, type }: Named): string =>
  `${name}+${id}+${encodeBase64(Buffer.concat([Buffer.from([type]), publicKey]))}`;

export const signerOf = <T extends NoteKeyType>(name: string, seed: Uint8Array, type: T): NoteKey<T> => {
  if (seed.length !== 32 || !nameForm.test(name))
    throw new BrokenInvariant('a note signer is a name without spaces and a seed of 32 bytes');
  // PKCS #8 of an Ed25519 key (RFC 8410 section 7) is this prefix and the seed.
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const publicKey = Buffer.from(x, 'base64url');
  return { name, id: keyId(name, publicKey, type), publicKey, key, type };
};

/** A signer of notes from a name and a 32-byte Ed25519 seed. */
export const noteSigner = (name: string, seed: Uint8Array): NoteSigner => signerOf(name, seed, ed25519Type);
