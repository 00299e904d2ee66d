// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuse, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { formatForkProof, inOrder } from '../ledger/fork-proof.ts';
import { servedRoot } from './served-tree.ts';

/**
 * Makes the file that proves a fork (SPEC L23), from two notes of one log and, where they are of two sizes, from the tiles
 * of the server that showed the larger one. Refuses what is no proof: a server that lies in an answer, and has one
 * history, is not accused.
 */
export const proveFork = async (
  log: NoteVerifier,
  one: string,
  other: string,
  server: string | undefined,
): Promise<Result<string>> => {
  const notes = inOrder(one, other);
  const [first, second] = [readCheckpointNote(notes?.first ?? one), readCheckpointNote(notes?.second ?? other)];
  if (!first.ok) return first;
  if (!second.ok) return second;
  const ordered = notes ?? { first: one, second: other };
  const [from, to] = [first.value.size, second.value.size];
  const judged = formatForkProof(log, ordered, null);
  if (judged.ok || from === to || server === undefined || judged.refusal.code !== 'fork-unproven') return judged;
  const shown = from === 0 ? undefined : await servedRoot(server, from, to);
  if (shown !== undefined) return formatForkProof(log, ordered, shown);
  return refuse(
    'fork-unproven',
    'L23',
    `\`${server}\` does not serve the tiles of the larger checkpoint, of size ${to}`,
    { from, to },
    'try again with the server that showed it, or when this one has grown beyond that size; keep both notes',
  );
};
