// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { listOf, literal, matching, nullable, shape, text, type Checked } from '../kernel/shape.ts';
import { readCheckpointNote, verifyCheckpoint, type Checkpoint } from './checkpoint.ts';
import { verifyConsistency } from './proof.ts';

/**
 * That one log key signed two histories (SPEC L23, FORMATS §9.2), in one file that needs no server:
 *
 *     {"first":"countersign/…\n7\n…","proof":null,"second":"countersign/…\n7\n…","type":"countersign.dev/fork-proof/v0"}
 *
 * Of two sizes, `proof` shows which root the larger tree has at the smaller size: another one than was signed.
 */
export const forkProofType = 'countersign.dev/fork-proof/v0';
const hash = matching(/^[0-9a-f]{64}$/, '64 lowercase hex digits');
const note = text(65_536);
const forkFile = shape({
  type: literal(forkProofType),
  first: note,
  second: note,
  proof: nullable(shape({ root: hash, hashes: listOf(hash, 64) })),
});
export type ForkFile = Checked<typeof forkFile>;
/** Which root a larger tree has at a smaller size, with RFC 6962 consistency from there, hex. */
export type OtherRoot = { readonly root: string; readonly hashes: readonly string[] };

/** Two histories of one log: what the smaller checkpoint says, and what the other one says of the same size. */
export type Fork = {
  readonly origin: string;
  readonly first: Checkpoint;
  readonly second: Checkpoint;
  /** Root that the history of `second` has at the size of `first`. */
  readonly otherRoot: string;
};

const maxBytes = 256 * 1024;

const unproven = (
  why: string,
  help = 'keep both notes; what is missing has to come from whoever showed them',
): Refused => refuse('fork-unproven', 'L23', why, {}, help);

/** Whether two notes prove a fork, with the log's key alone. A refusal says that they do not; it clears nobody. */
export const judgeFork = (
  log: NoteVerifier,
  notes: { readonly first: string; readonly second: string },
  proof: OtherRoot | null,
): Result<Fork> => {
  const first = verifyCheckpoint(notes.first, log);
  if (!first.ok) return first;
  const second = verifyCheckpoint(notes.second, log);
  if (!second.ok) return second;
  const { origin, size, root } = first.value;
  const { size: toSize, root: toRoot } = second.value;
  if (size > toSize) return unproven('the larger checkpoint stands first', 'swap the two');
  const fork = { origin, first: first.value, second: second.value };
  if (size === toSize) {
    if (proof !== null) return unproven('checkpoints of one size need no proof', 'leave it out');
    return root === toRoot
      ? unproven(`both checkpoints say the same: size ${size}, one root`, 'there is no fork between these two')
      : ok({ ...fork, otherRoot: toRoot });
  }
  if (proof === null)
    return unproven(
      `the checkpoints are of sizes ${size} and ${toSize}, and nothing shows that one does not hold the other`,
      'let the server that showed the larger one prove its history: `countersign ledger evidence … --server URL`',
    );
  if (proof.root === root)
    return unproven(`the larger history has the very root that was signed at size ${size}`, 'there is no fork here');
  const held = verifyConsistency({ fromSize: size, fromRoot: proof.root, toSize, toRoot, proof: proof.hashes });
  return held.ok ? ok({ ...fork, otherRoot: proof.root }) : held;
};

/** The smaller checkpoint first, as the file has them; undefined when one can't be read. */
export const inOrder = (
  one: string,
  other: string,
): { readonly first: string; readonly second: string } | undefined => {
  const [a, b] = [readCheckpointNote(one), readCheckpointNote(other)];
  if (!a.ok || !b.ok) return undefined;
  return a.value.size <= b.value.size ? { first: one, second: other } : { first: other, second: one };
};

/** The file about a fork that these notes prove; refuses whatever they do not prove. */
export const formatForkProof = (
  log: NoteVerifier,
  notes: { readonly first: string; readonly second: string },
  proof: OtherRoot | null,
): Result<string> => {
  const judged = judgeFork(log, notes, proof);
  if (!judged.ok) return judged;
  const other = proof === null ? null : { root: proof.root, hashes: [...proof.hashes] };
  return ok(canonicalize({ type: forkProofType, first: notes.first, second: notes.second, proof: other }));
};

/** Reads the file. Nothing in it is verified yet. */
export const parseForkProof = (bytes: string | Uint8Array): Result<ForkFile> => {
  const parsed = parseCanonical(bytes, { maxBytes });
  return parsed.ok ? forkFile(parsed.value, '') : parsed;
};

/** Judges a file from the log's key, which its reader brings. Never throws. */
export const verifyForkProof = (bytes: string | Uint8Array, log: NoteVerifier): Result<Fork> => {
  const file = parseForkProof(bytes);
  return file.ok ? judgeFork(log, file.value, file.value.proof) : file;
};
