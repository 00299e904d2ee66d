// SPDX-License-Identifier: Apache-2.0
import { ok, type Result } from '../kernel/refusal.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { verifyCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { verifyInclusion } from '../ledger/proof.ts';
import { parseTlogProof, type ProvenLeaf } from '../ledger/tlog-proof.ts';

// Whoever looks at many files of one export meets the same checkpoint again and again. Remembered by log key and by the
// whole note, so that only the very same signed text finds its answer.
const remembered = new Map<string, Result<Checkpoint>>();
const maxRemembered = 64;

const checkpointOf = (note: string, log: NoteVerifier): Result<Checkpoint> => {
  const key = `${log.name}+${Buffer.from(log.publicKey).toString('hex')}\n${note}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const checkpoint = verifyCheckpoint(note, log);
  if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value ?? '');
  remembered.set(key, checkpoint);
  return checkpoint;
};

/** Where a leaf stands, under a checkpoint that the log of the pinned genesis signed. */
export const provePlace = (proofText: string, leaf: string, log: NoteVerifier): Result<ProvenLeaf> => {
  const parsed = parseTlogProof(proofText);
  if (!parsed.ok) return parsed;
  const { index, proof, checkpoint: note } = parsed.value;
  const checkpoint = checkpointOf(note, log);
  if (!checkpoint.ok) return checkpoint;
  const { size, root } = checkpoint.value;
  const included = verifyInclusion({ leafHash: leaf, index, size, proof, root });
  return included.ok ? ok({ index, checkpoint: checkpoint.value }) : included;
};
