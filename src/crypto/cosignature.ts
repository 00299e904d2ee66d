// SPDX-License-Identifier: Apache-2.0
import { sign, verify } from 'node:crypto';
import { encodeBase64 } from '../kernel/base64.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { formatVerifierKey, parseKeyOfType, parseNote, signerOf, verifierOf, type NoteKey } from './signed-note.ts';

/**
 * What a cosigner, such as a witness, adds to a checkpoint of somebody else's log (c2sp.org/tlog-cosignature): that this
 * was the largest consistent tree it had seen of that log, at a time of its own clock. A signature line like any other,
 * of a key whose id says that it signs nothing else:
 *
 *     — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+…
 */
const cosignatureType = 0x04;
const timeBytes = 8;
const signatureBytes = 64;
/** The last second that an instant can be written for. */
const latestTime = 253_402_300_799;

/** A cosigner's name, id and public key; never taken for the key of a log. A log's own cosigns heartbeats and nothing else. */
export type CosignerVerifier = NoteKey<0x04>;
export type Cosigner = NoteKey<0x04>;
/** `time` is the cosigner's own, in seconds since 1970. */
export type Cosignature = { readonly name: string; readonly id: string; readonly time: number };

/** From a name and a raw Ed25519 public key. Each cosigner needs a key of its own: the name is not in what is signed. */
export const cosignerVerifier = (name: string, publicKey: Uint8Array): Result<CosignerVerifier> =>
  verifierOf(name, publicKey, cosignatureType);
/** From `name+hex id+base64(0x04 || public key)`. */
export const parseCosignerKey = (text: string): Result<CosignerVerifier> => parseKeyOfType(text, cosignatureType);
export const formatCosignerKey = (cosigner: CosignerVerifier): string => formatVerifierKey(cosigner);
/** From a name and a 32-byte Ed25519 seed. */
export const cosigner = (name: string, seed: Uint8Array): Cosigner => signerOf(name, seed, cosignatureType);

const signedText = (text: string, time: number | bigint): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);

/** What a cosigner signs: for one whose key lies elsewhere, such as in an agent. The text of a checkpoint, no signatures. */
export const cosignedMessage = (text: string, time: number): string => {
  if (!Number.isSafeInteger(time) || time <= 0 || !text.endsWith('\n') || text.includes('\n\n'))
    throw new BrokenInvariant('a cosignature is for the text of a checkpoint, at a time');
  return signedText(text, time).toString('utf8');
};

const cosignatureLine = ({ name, id }: CosignerVerifier, time: number, signature: Uint8Array): string => {
  const stamp = Buffer.alloc(timeBytes);
  stamp.writeBigUInt64BE(BigInt(time));
  return `— ${name} ${encodeBase64(Buffer.concat([Buffer.from(id, 'hex'), stamp, signature]))}\n`;
};

/** The line to add behind a note whose body is this text: the checkpoint up to its last line break, no signatures. */
export const cosign = (text: string, by: Cosigner, time: number): string => {
  if (by.type !== cosignatureType) throw new BrokenInvariant('the key of a log cosigns nothing');
  return cosignatureLine(by, time, sign(null, Buffer.from(cosignedMessage(text, time)), by.key));
};

/** The line of a signature that was made elsewhere over `cosignedMessage`. One that does not hold makes none. */
export const cosignedElsewhere = (
  text: string,
  by: CosignerVerifier,
  time: number,
  signature: Uint8Array,
): Result<string> => {
  const line = cosignatureLine(by, time, signature);
  const verified = verifyCosignatures(`${text}\n${line}`, [by]);
  return verified.ok ? ok(line) : verified;
};

const unsigned = (why: string): Refused =>
  refuse('note-unsigned', 'S7', why, {}, 'compare the cosigner key with the one its operator publishes');

/**
 * Who of the given cosigners cosigned the note, and when. Lines of other keys are left aside; one that claims a known
 * key and does not hold refuses the whole note; a cosigner counts once, with its newest time. None at all is no refusal.
 * Cosigners who share a key are refused: the name is not signed, so that one could pass for the other.
 */
export const verifyCosignatures = (
  note: string,
  cosigners: readonly CosignerVerifier[],
): Result<{ readonly text: string; readonly cosignatures: readonly Cosignature[] }> => {
  const keys = new Set(cosigners.map(({ publicKey }) => encodeBase64(publicKey)));
  const names = new Set(cosigners.map(({ name, id }) => `${name}+${id}`));
  const cosign = cosigners.every(({ type }) => type === cosignatureType);
  if (!cosign || keys.size !== cosigners.length || names.size !== cosigners.length)
    return refuse(
      'note-malformed',
      'L14',
      'two cosigners have one key, or one is no cosigner',
      {},
      'give each cosigner once, with its own key',
    );
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  const { text, signatures } = parsed.value;
  const found = new Map<string, Cosignature>();
  for (const { name, id, signature } of signatures) {
    const known = cosigners.find((one) => one.name === name && one.id === id);
    if (known === undefined) continue;
    if (signature.length !== timeBytes + signatureBytes) return unsigned(`the cosignature of \`${name}\` is cut`);
    const stamp = Buffer.from(signature.buffer, signature.byteOffset, timeBytes).readBigUInt64BE(0);
    if (!verify(null, signedText(text, stamp), known.key, signature.subarray(timeBytes)))
      return unsigned(`the cosignature of \`${name}\` does not hold`);
    // It holds, and a time of zero or beyond all clocks says nothing.
    const time = Number(stamp);
    if (time === 0 || time > latestTime) continue;
    const key = `${name}+${id}`;
    if ((found.get(key)?.time ?? 0) < time) found.set(key, { name, id, time });
  }
  return ok({ text, cosignatures: [...found.values()] });
};
