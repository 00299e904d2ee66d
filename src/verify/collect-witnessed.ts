// SPDX-License-Identifier: Apache-2.0
import { parseNote } from '../crypto/signed-note.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import type { FileParts } from './collect.ts';

/** What a server kept of what witnesses cosigned, for `formatPermitFile` to choose from. */
export type WitnessedParts = {
  /** Cosigned notes in the order in which they were cosigned; sizes never fall. */
  readonly notes: readonly { readonly size: number; readonly note: string }[];
  /** RFC 6962 consistency between two sizes, hex. */
  readonly consistency: (fromSize: number, toSize: number) => readonly string[];
};

/** Notes as `pickWitnessed` takes them, out of texts that a server kept; what is missing or stands twice is left out. */
export const cosignedNotes = (texts: readonly (string | undefined)[]): WitnessedParts['notes'] =>
  [...new Set(texts)]
    .filter((note) => note !== undefined)
    .map((note) => {
      const checkpoint = readCheckpointNote(note);
      if (!checkpoint.ok) throw new BrokenInvariant(`a note that was kept: ${checkpoint.refusal.message}`);
      return { size: checkpoint.value.size, note };
    })
    .toSorted((one, other) => one.size - other.size);

/** Index of the entry that met the gate, and whether the permit had to wait from there. */
export type Lock = { readonly index: number; readonly waits: boolean };

type Kept = WitnessedParts['notes'][number];

/** As many notes as a file takes (FORMATS §6.1), half of them for each end of the lock. */
const mostNotes = 32;

const witnessesOf = ({ note }: Kept): readonly string[] => {
  const parsed = parseNote(note);
  if (!parsed.ok) throw new BrokenInvariant(`a note that was kept: ${parsed.refusal.message}`);
  const origin = parsed.value.text.slice(0, parsed.value.text.indexOf('\n'));
  return parsed.value.signatures.filter(({ name }) => name !== origin).map(({ name, id }) => `${name}+${id}`);
};

// Whom the reader will trust is not known here; so each witness gets the first note that it stands on.
const firstOfEach = (notes: readonly Kept[]): readonly Kept[] => {
  const met = new Set<string>();
  const picked: Kept[] = [];
  for (const note of notes) {
    const fresh = witnessesOf(note).filter((witness) => !met.has(witness));
    if (fresh.length > 0) picked.push(note);
    for (const witness of fresh) met.add(witness);
  }
  return picked.slice(0, mostNotes / 2);
};

/**
 * The part of a permit file that is about witnesses (FORMATS §6.1): for each of them the earliest note that holds the
 * entry which met the gate, and the latest that holds the permit. Undefined when no note holds the permit yet.
 */
export const pickWitnessed = (
  parts: FileParts,
  { notes: kept, consistency }: WitnessedParts,
  permitIndex: number,
  before: readonly (readonly [index: number, text: string])[],
  lock: Lock | undefined,
) => {
  const notes = kept.filter((note) => witnessesOf(note).length > 0);
  const permitted = notes.filter(({ size }) => size > permitIndex);
  if (permitted.length === 0) return undefined;
  const proven = readCheckpointNote(parts.checkpoint);
  if (!proven.ok) throw new BrokenInvariant(proven.refusal.message);
  const { size } = proven.value;
  const from = lock?.waits === true ? lock.index : undefined;
  const met = from === undefined ? [] : firstOfEach(notes.filter((note) => note.size > from));
  const picked = new Set([...met, ...firstOfEach(permitted.toReversed())]);
  return {
    checkpoints: notes
      .filter((note) => picked.has(note))
      .map((note) => ({
        checkpoint: note.note,
        hashes: consistency(Math.min(note.size, size), Math.max(note.size, size)),
      })),
    proofs:
      from === undefined ? [] : before.filter(([index]) => index <= from).map(([index]) => parts.inclusion(index)),
  };
};
