// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import type { SignedTree } from './signed-tree.ts';

/** A checkpoint that somebody holds outside the ledger: the mark, a mirror, a receipt, one's own machine. */
export type Remembered = { readonly what: string; readonly note: string };

/**
 * What it says of a ledger that ends at some size: it holds what is remembered, it ends before it, it is another history,
 * or the log key never signed this. The last proves nothing about anybody: it may have been written by anyone.
 */
export type Standing = {
  readonly what: string;
  readonly says: 'held' | 'behind' | 'forked' | 'unsigned';
  /** Null where nothing is signed. */
  readonly size: number | null;
  readonly missing: number;
  readonly note: string;
};

export const standingOf = (
  { what, note }: Remembered,
  tree: Pick<SignedTree, 'rootAt'>,
  size: number,
  logKey: NoteVerifier,
): Standing => {
  const checkpoint = verifyCheckpoint(note, logKey);
  if (!checkpoint.ok) return { what, note, says: 'unsigned', size: null, missing: 0 };
  const { size: remembered, root } = checkpoint.value;
  if (remembered > size) return { what, note, says: 'behind', size: remembered, missing: remembered - size };
  const says = tree.rootAt(remembered) === root ? 'held' : 'forked';
  return { what, note, says, size: remembered, missing: 0 };
};
