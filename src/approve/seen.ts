// SPDX-License-Identifier: Apache-2.0
import { integer, listOf, shape, type Checked } from '../kernel/shape.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { hash } from '../kernel/statements.ts';
import { verifyConsistency } from '../ledger/proof.ts';

/** Consistency from a voter's old checkpoint to a size whose root the state still holds. */
export const seenProof = shape({ size: integer(1), hashes: listOf(hash, 64) });
export type SeenProof = Checked<typeof seenProof>;
export type Head = { readonly size: number; readonly root: string };

/**
 * A vote names the newest checkpoint its voter saw. It must lie in this ledger's own past, so that a vote given on
 * one branch of a forked history is worth nothing on the other (SPEC V7, T5).
 */
export const checkSeen = (
  rootAt: (size: number) => string | undefined,
  seen: Head,
  proof: SeenProof | null,
): Result<null> => {
  const known = rootAt(seen.size);
  if (known !== undefined) return known === seen.root ? ok(null) : elsewhere(seen);
  const recent = proof === null ? undefined : rootAt(proof.size);
  if (proof === null || recent === undefined || seen.size === 0 || proof.size < seen.size) return elsewhere(seen);
  const consistent = verifyConsistency({
    fromSize: seen.size,
    fromRoot: seen.root,
    toSize: proof.size,
    toRoot: recent,
    proof: proof.hashes,
  });
  return consistent.ok ? ok(null) : elsewhere(seen);
};

const elsewhere = (seen: Head) =>
  refuse(
    'seen-not-in-history',
    'V7',
    `the checkpoint of size ${seen.size} that the vote names is not in this ledger's past`,
    { ...seen },
    'either the server shows two histories, or this is another ledger: compare checkpoints with other people before doing anything else',
  );
