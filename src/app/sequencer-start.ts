// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import type { Decider, FoldedEntry } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import type { LedgerHead, LedgerStore } from '../ledger/store.ts';
import type { MarkKeeper } from './mark.ts';
import type { Remembered } from './remembered.ts';
import { isCorrupt, replay, type Damage, type EntrySource, type Folded } from './sequencer-replay.ts';

export type AuditOptions<State, Command extends JsonObject, Event extends JsonObject> = {
  readonly tenant: string;
  readonly store: LedgerStore;
  readonly decider: Decider<State, Command, Event>;
  /** Key that signs this ledger's checkpoints. */
  readonly logKey: NoteVerifier;
  /** First line of its checkpoints. */
  readonly origin: string;
  readonly mark: MarkKeeper;
  /** Take a ledger whose mark is gone, such as one that was restored on another machine on purpose. */
  readonly acceptMissingMark?: boolean;
  /** Checkpoints that are kept elsewhere, such as by a mirror. One that the log key signed counts like the mark. */
  readonly remembered?: readonly Remembered[];
};

export type Audit<State> = {
  readonly folded: Folded<State>;
  readonly slab: MerkleSlab;
  /** The largest head that was signed and that the good entries still lead to. */
  readonly signed: SignedHead | undefined;
  readonly damage: Damage | undefined;
};

/** A head and the signed note that says so. */
export type SignedHead = { readonly size: number; readonly root: string; readonly note: string };

export const sourceOf = (store: LedgerStore, tenant: string): EntrySource => ({
  entries: (from, to) => store.entries(tenant, from, to),
  blob: (digest) => store.blob(tenant, digest),
});

/**
 * Looks at everything (SPEC L11): every entry by its hash, its place and the rules; then the head, the checkpoint
 * that was kept and the mark outside. Names the first index that is wrong.
 */
export const audit = async <State, Command extends JsonObject, Event extends JsonObject>(
  options: AuditOptions<State, Command, Event>,
  onEntry: (entry: FoldedEntry<Command, Event>) => void = () => {},
): Promise<Audit<State>> => {
  const { tenant, store, decider } = options;
  const slab = new MerkleSlab();
  const start: Folded<State> = { state: decider.initialState, size: 0, time: null };
  // Before the head: others may append meanwhile, and keep a checkpoint that is beyond the head that was read.
  const kept = await keptCheckpoint(store, tenant);
  const head = await readHead(store, tenant);
  const { folded, damage } = await replay(
    tenant,
    decider,
    sourceOf(store, tenant),
    start,
    'what' in head ? head.entries : head.size,
    (entry: FoldedEntry<Command, Event>) => {
      slab.append(entry.leafHash);
      onEntry(entry);
    },
    (error) => store.shared !== true || isCorrupt(error),
  );
  // A damaged entry says more than what follows from it; the mark still counts when nothing else is wrong.
  return {
    folded,
    slab,
    signed: signedHead(options, kept.note, slab),
    damage: damage ?? ('what' in head ? head : await checkedHead(options, kept, head, folded, slab)),
  };
};

const checkedHead: typeof checkHead = async (options, kept, head, folded, slab) => {
  try {
    return await checkHead(options, kept, head, folded, slab);
  } catch (error) {
    if (isCorrupt(error)) return { index: slab.size, what: error.message };
    throw error;
  }
};

const pageSize = 256;

type LostHead = Damage & { readonly entries: number };

// A head that cannot be read is damage like any other while the entries can: they are what people need to see.
const readHead = async (store: LedgerStore, tenant: string): Promise<LedgerHead | LostHead> => {
  try {
    return await store.head(tenant);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    let entries = 0;
    // Rejects in its turn when nothing at all can be read.
    for (let page = pageSize; page === pageSize; entries += page)
      page = (await store.entries(tenant, entries, entries + pageSize)).length;
    return { index: entries, what: `the head cannot be read: ${error.message}`, entries };
  }
};

const checkHead = async <State, Command extends JsonObject, Event extends JsonObject>(
  {
    tenant,
    store,
    logKey,
    origin,
    mark,
    acceptMissingMark = false,
    remembered = [],
  }: AuditOptions<State, Command, Event>,
  kept: KeptCheckpoint,
  head: LedgerHead,
  folded: Folded<State>,
  slab: MerkleSlab,
): Promise<Damage | undefined> => {
  const { size } = slab;
  const edge = slab.edge();
  if (head.root !== rootOf(edge) || head.edge.hashes.join() !== edge.hashes.join() || head.time !== folded.time)
    return { index: size, what: 'the head does not belong to the entries' };
  // Where others append, it may be the next one by now: then the head has moved along with it.
  if (
    (await store.entries(tenant, size, size + 1)).length > 0 &&
    (store.shared !== true || (await store.head(tenant)).size <= size)
  )
    return { index: size, what: 'an entry stands behind the head' };
  if (kept.lost !== undefined) return { index: size, what: kept.lost };
  const wrongNote = kept.note === undefined ? undefined : checkNote('checkpoint', kept.note, logKey, origin, slab);
  if (wrongNote !== undefined) return wrongNote;
  // Whatever is accepted of the mark: what the log key signed is not unsigned again (SPEC L28).
  for (const { what, note } of remembered) {
    const wrong = verifyCheckpoint(note, logKey, origin).ok ? checkNote(what, note, logKey, origin, slab) : undefined;
    if (wrong !== undefined) return wrong;
  }
  const marked = mark.read();
  if (!marked.ok) return { index: size, what: marked.refusal.message };
  if (marked.value === undefined)
    return size === 0 || acceptMissingMark ? undefined : { index: size, what: 'its mark is gone' };
  if (marked.value.size > size)
    return { index: size, what: `it ends before its mark, which is at size ${marked.value.size}` };
  if (marked.value.root !== rootOf(slab.edge(marked.value.size)))
    return { index: marked.value.size, what: 'it is another history than its mark' };
  return checkNote('mark', marked.value.checkpoint, logKey, origin, slab);
};

const signedHead = <State, Command extends JsonObject, Event extends JsonObject>(
  { logKey, origin, mark }: AuditOptions<State, Command, Event>,
  kept: string | undefined,
  slab: MerkleSlab,
): SignedHead | undefined => {
  const marked = mark.read();
  let best: SignedHead | undefined;
  for (const note of [kept, marked.ok ? marked.value?.checkpoint : undefined]) {
    if (note === undefined || checkNote('checkpoint', note, logKey, origin, slab) !== undefined) continue;
    const checkpoint = verifyCheckpoint(note, logKey, origin);
    if (checkpoint.ok && checkpoint.value.size >= (best?.size ?? 0))
      best = { size: checkpoint.value.size, root: checkpoint.value.root, note };
  }
  return best;
};

type KeptCheckpoint = { readonly note?: string; readonly lost?: string };

const keptCheckpoint = async (store: LedgerStore, tenant: string): Promise<KeptCheckpoint> => {
  try {
    const note = await store.checkpoint(tenant);
    return note === undefined ? {} : { note };
  } catch (error) {
    if (isCorrupt(error)) return { lost: error.message };
    throw error;
  }
};

const checkNote = (
  what: string,
  note: string,
  logKey: NoteVerifier,
  origin: string,
  slab: MerkleSlab,
): Damage | undefined => {
  const checkpoint = verifyCheckpoint(note, logKey, origin);
  if (!checkpoint.ok) return { index: slab.size, what: `its ${what} does not hold: ${checkpoint.refusal.message}` };
  const { size, root } = checkpoint.value;
  if (size > slab.size) return { index: slab.size, what: `it ends before its ${what}, which is at size ${size}` };
  return root === rootOf(slab.edge(size)) ? undefined : { index: size, what: `it is another history than its ${what}` };
};
