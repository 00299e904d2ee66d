// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { decodeBase64, encodeBase64, encodeHex } from '../kernel/base64.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote, verifyCheckpoint, type Checkpoint } from './checkpoint.ts';
import { verifyInclusion } from './proof.ts';

/**
 * That an entry is in the log, in one text that needs no server (c2sp.org/tlog-proof):
 *
 *     c2sp.org/tlog-proof@v1
 *     index 73894
 *     gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
 *     B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
 *
 *     <the signed checkpoint, as it is>
 *
 * `proof` holds hex hashes from the leaf's sibling upwards; `checkpoint` is the whole note. Nothing authenticates
 * `extra`.
 */
export type TlogProof = {
  readonly index: number;
  readonly proof: readonly string[];
  readonly checkpoint: string;
  readonly extra?: Uint8Array;
};

const firstLine = 'c2sp.org/tlog-proof@v1';
const indexForm = /^index (0|[1-9]\d{0,15})$/;
const maxProof = 64;
const maxBytes = 1024 * 1024;

const malformed = (why: string): Refused =>
  refuse('tlog-proof-malformed', 'L3', `the proof file is malformed: ${why}`, {}, 'look at c2sp.org/tlog-proof');

/** Hashes as the C2SP formats write them: one base64 line each. */
export const linesOfHashes = (hashes: readonly string[]): string =>
  hashes.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`).join('');

/** The hex of such lines; undefined when one is no SHA-256. */
export const hashesFromLines = (lines: readonly string[]): readonly string[] | undefined => {
  const hashes: string[] = [];
  for (const line of lines) {
    const hash = decodeBase64(line);
    if (!hash.ok || hash.value.length !== 32) return undefined;
    hashes.push(encodeHex(hash.value));
  }
  return hashes;
};

export const formatTlogProof = ({ index, proof, checkpoint, extra }: TlogProof): string => {
  if (!Number.isSafeInteger(index) || index < 0 || proof.length > maxProof)
    throw new BrokenInvariant('a proof that cannot be written');
  const hashes = linesOfHashes(proof);
  const extraLine = extra === undefined ? '' : `extra ${encodeBase64(extra)}\n`;
  return `${firstLine}\n${extraLine}index ${index}\n${hashes}\n${checkpoint}`;
};

/** Reads a proof file. Nothing in it is verified yet. */
export const parseTlogProof = (text: string): Result<TlogProof> => {
  if (text.length > maxBytes) return malformed('it is too large');
  const split = text.indexOf('\n\n');
  if (split < 0) return malformed('no empty line stands before the checkpoint');
  const lines = text.slice(0, split).split('\n');
  if (lines.shift() !== firstLine) return malformed(`its first line is not \`${firstLine}\``);
  let extra: Uint8Array | undefined;
  if (lines[0]?.startsWith('extra ') === true) {
    const decoded = decodeBase64((lines.shift() ?? '').slice('extra '.length));
    if (!decoded.ok) return malformed('its extra data are not base64');
    extra = decoded.value;
  }
  const index = Number(indexForm.exec(lines.shift() ?? '')?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(index)) return malformed('it names no index');
  if (lines.length > maxProof) return malformed(`it has more than ${maxProof} hashes`);
  const proof = hashesFromLines(lines);
  if (proof === undefined) return malformed('a line is not a base64 SHA-256');
  const checkpoint = text.slice(split + 2);
  const readable = readCheckpointNote(checkpoint);
  if (!readable.ok) return readable;
  return ok(extra === undefined ? { index, proof, checkpoint } : { index, proof, checkpoint, extra });
};

export type ProvenLeaf = { readonly index: number; readonly checkpoint: Checkpoint };

/** The leaf stands at the index that the proof says, in a tree that the log's key signed. Never throws. */
export const verifyTlogProof = (
  text: string,
  leafHash: string,
  logKey: NoteVerifier,
  origin: string = logKey.name,
): Result<ProvenLeaf> => {
  const parsed = parseTlogProof(text);
  if (!parsed.ok) return parsed;
  const { index, proof } = parsed.value;
  const checkpoint = verifyCheckpoint(parsed.value.checkpoint, logKey, origin);
  if (!checkpoint.ok) return checkpoint;
  const { size, root } = checkpoint.value;
  const included = verifyInclusion({ leafHash, index, size, proof, root });
  return included.ok ? ok({ index, checkpoint: checkpoint.value }) : included;
};
