// SPDX-License-Identifier: Apache-2.0
import { verifyNote, type NoteVerifier } from '../crypto/signed-note.ts';
import { BrokenInvariant, ok, refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { verifyConsistency } from './proof.ts';
import { hashesFromLines, linesOfHashes } from './tlog-proof.ts';

/**
 * A witness remembers the largest checkpoint it has cosigned of each log it knows, and cosigns only what goes on from
 * there (c2sp.org/tlog-witness). This is its judgment alone: it needs no entries, keeps nothing and signs nothing.
 *
 *     old 20852014
 *     PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
 *
 *     <the signed checkpoint, as it is>
 */
export type AddCheckpoint = {
  /** Size of the checkpoint that the witness cosigned last, as the sender believes. */
  readonly old: number;
  /** Consistency from there, hex. */
  readonly proof: readonly string[];
  readonly note: string;
};

const maxProof = 63;
const maxBytes = 64 * 1024;

const malformed = (why: string): Refused =>
  refuse('witness-request-malformed', 'L14', `the request is malformed: ${why}`, {}, 'look at c2sp.org/tlog-witness');

export const parseAddCheckpoint = (body: string): Result<AddCheckpoint> => {
  if (Buffer.byteLength(body) > maxBytes) return malformed('it is too large');
  const split = body.indexOf('\n\n');
  if (split < 0) return malformed('no empty line stands before the checkpoint');
  const [first = '', ...lines] = body.slice(0, split).split('\n');
  const old = Number(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(old)) return malformed('its first line is not `old` and a size');
  if (lines.length > maxProof) return malformed(`it has more than ${maxProof} hashes`);
  const proof = hashesFromLines(lines);
  if (proof === undefined) return malformed('a line is not a base64 SHA-256');
  const note = body.slice(split + 2);
  return /^[^\n]/.test(note) ? ok({ old, proof, note }) : malformed('its checkpoint has no origin');
};

export const formatAddCheckpoint = ({ old, proof, note }: AddCheckpoint): string => {
  if (!Number.isSafeInteger(old) || old < 0 || proof.length > maxProof)
    throw new BrokenInvariant('a request that no witness takes');
  return `old ${old}\n${linesOfHashes(proof)}\n${note}`;
};

/** A log that the witness knows, and the keys it trusts for it. */
export type WitnessedLog = { readonly origin: string; readonly keys: readonly NoteVerifier[] };
/** What it cosigned last of that log; undefined when nothing yet. */
export type Cosigned = { readonly size: number; readonly root: string };

/**
 * `text` is what to cosign, and `checkpoint` what to keep before anybody is answered; looking and keeping are one step,
 * or two requests at a time could roll the witness back. `status` is what HTTP says of it.
 */
export type Judgment =
  | { readonly status: 200; readonly checkpoint: Checkpoint; readonly text: string }
  | { readonly status: 409; readonly size: number; readonly refusal: Refusal }
  | { readonly status: 400 | 403 | 404 | 422; readonly refusal: Refusal };

const no = <S extends 400 | 403 | 404 | 422>(status: S, { refusal }: Refused) => ({ status, refusal }) as const;

/** Whether to cosign. `lastOf` tells what was cosigned last; it is asked for logs that the witness knows, and no others. */
export const judgeCheckpoint = (
  { old, proof, note }: AddCheckpoint,
  logs: readonly WitnessedLog[],
  lastOf: (origin: string) => Cosigned | undefined,
): Judgment => {
  const origin = note.slice(0, Math.max(0, note.indexOf('\n')));
  const log = logs.find((one) => one.origin === origin);
  if (log === undefined)
    return no(
      404,
      refuse('witness-log-unknown', 'L14', `log \`${origin.slice(0, 120)}\` is not known here`, {}, 'ask its operator'),
    );
  const signed = verifyNote(note, log.keys);
  // A note that cannot be read carries no signature of a trusted key either.
  if (!signed.ok) return no(403, signed);
  const { text } = signed.value;
  const read = parseCheckpoint(text);
  // A tree of nothing has one root; the specification calls another one inconsistent, and looks at the sizes first.
  const emptyDiffers = !read.ok && /^[^\n]+\n0\n[A-Za-z0-9+/]{43}=\n/.test(text);
  if (!read.ok && !emptyDiffers) return no(400, read);
  const newSize = read.ok ? read.value.size : 0;
  if (old > newSize) return no(400, malformed(`\`old ${old}\` is larger than the checkpoint's size`));
  const last = lastOf(origin);
  const size = last?.size ?? 0;
  if (old !== size)
    return {
      status: 409,
      size,
      refusal: refuse(
        'witness-old-size',
        'L14',
        `the last checkpoint cosigned here is of size ${size}, not ${old}`,
        { size, old },
        'prove consistency from that size',
      ).refusal,
    };
  if (!read.ok) return no(422, read);
  const checkpoint = read.value;
  const goesOn =
    last === undefined || size === 0
      ? proof.length === 0
        ? ok(null)
        : malformed('the empty tree needs no proof')
      : verifyConsistency({
          fromSize: size,
          fromRoot: last.root,
          toSize: checkpoint.size,
          toRoot: checkpoint.root,
          proof,
        });
  return goesOn.ok ? { status: 200, checkpoint, text } : no(422, goesOn);
};
