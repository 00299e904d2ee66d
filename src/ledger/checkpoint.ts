// SPDX-License-Identifier: Apache-2.0
import { parseNote, signNote, verifyNote, type NoteSigner, type NoteVerifier } from '../crypto/signed-note.ts';
import { decodeBase64, encodeHex } from '../kernel/base64.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { emptyRoot } from './merkle.ts';

/**
 * What a log says of itself at one size (c2sp.org/tlog-checkpoint), as the text of a signed note:
 *
 *     countersign/5d41402abc4b2a76b9719d911017c592
 *     20852163
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 * `root` is hex here and base64 there. Extension lines are kept for reading foreign logs; ours have none.
 */
export type Checkpoint = {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly extensions?: readonly string[];
};

const sizeForm = /^(?:0|[1-9]\d{0,15})$/;

const malformed = (why: string): Refused =>
  refuse('checkpoint-malformed', 'L2', `the checkpoint is malformed: ${why}`, {}, 'look at c2sp.org/tlog-checkpoint');

/** Reads the text of a checkpoint, which is a note without its signatures. It proves nothing by itself. */
export const parseCheckpoint = (text: string): Result<Checkpoint> => {
  if (!text.endsWith('\n')) return malformed('its last line does not end');
  const [origin = '', size = '', base64 = '', ...extensions] = text.slice(0, -1).split('\n');
  if (origin === '') return malformed('it has no origin');
  if (!sizeForm.test(size) || !Number.isSafeInteger(Number(size))) return malformed('its size is not a plain number');
  const root = decodeBase64(base64);
  if (!root.ok || root.value.length !== 32) return malformed('its root is not a base64 SHA-256');
  if (extensions.includes('')) return malformed('an extension line is empty');
  const checkpoint = { origin, size: Number(size), root: encodeHex(root.value) };
  if (checkpoint.size === 0 && checkpoint.root !== emptyRoot) return malformed('an empty tree has another root');
  return ok(extensions.length === 0 ? checkpoint : { ...checkpoint, extensions });
};

/** The text to sign. */
export const formatCheckpoint = ({ origin, size, root, extensions = [] }: Checkpoint): string => {
  const lines = [origin, String(size), Buffer.from(root, 'hex').toString('base64'), ...extensions];
  if (
    lines.some((line) => line === '' || line.includes('\n')) ||
    !/^[0-9a-f]{64}$/.test(root) ||
    !Number.isSafeInteger(size)
  )
    throw new BrokenInvariant('a checkpoint that cannot be written');
  return `${lines.join('\n')}\n`;
};

/** The signed note. Only sign what is durable: a log never signs two histories (c2sp.org/tlog-checkpoint, Signatures). */
export const signCheckpoint = (checkpoint: Checkpoint, signer: NoteSigner): string =>
  signNote(formatCheckpoint(checkpoint), [signer]);

/** Reads a signed note as a checkpoint without looking at its signatures; for display and for one's own files. */
export const readCheckpointNote = (note: string): Result<Checkpoint> => {
  const parsed = parseNote(note);
  return parsed.ok ? parseCheckpoint(parsed.value.text) : parsed;
};

/**
 * A checkpoint that this log's own key signed, for this origin and no other. Signatures of keys not given here, such
 * as witnesses, are left aside.
 */
export const verifyCheckpoint = (
  note: string,
  logKey: NoteVerifier,
  origin: string = logKey.name,
): Result<Checkpoint> => {
  const signed = verifyNote(note, [logKey]);
  if (!signed.ok) return signed;
  const checkpoint = parseCheckpoint(signed.value.text);
  if (!checkpoint.ok || checkpoint.value.origin === origin) return checkpoint;
  return refuse(
    'checkpoint-origin',
    'L2',
    `the checkpoint is of \`${checkpoint.value.origin.slice(0, 120)}\`, not of \`${origin}\``,
    { origin },
    'this is the checkpoint of another ledger',
  );
};
