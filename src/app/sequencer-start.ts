// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import type { Decider, FoldedEntry } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import { StoreFailure, type LedgerHead, type LedgerStore } from '../ledger/store.ts';
import type { MarkKeeper } from './mark.ts';
import { replay, type Damage, type EntrySource, type Folded } from './sequencer-replay.ts';

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
  /** Another way to read the same entries, such as a page ahead. */
  readonly reading?: (source: EntrySource, size: number) => EntrySource;
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
  const { tenant, store, decider, reading = (source: EntrySource) => source } = options;
  const slab = new MerkleSlab();
  const start: Folded<State> = { state: decider.initialState, size: 0, time: null };
  const head = await readHead(store, tenant);
  const size = 'what' in head ? head.entries : head.size;
  const { folded, damage } = await replay(
    tenant,
    decider,
    reading(sourceOf(store, tenant), size),
    start,
    size,
    (entry: FoldedEntry<Command, Event>) => {
      slab.append(entry.leafHash);
      onEntry(entry);
    },
  );
  // A damaged entry says more than what follows from it; the mark still counts when nothing else is wrong.
  return {
    folded,
    slab,
    signed: await signedHead(options, slab),
    damage: damage ?? ('what' in head ? head : await checkedHead(options, head, folded, slab)),
  };
};

const checkedHead: typeof checkHead = async (options, head, folded, slab) => {
  try {
    return await checkHead(options, head, folded, slab);
  } catch (error) {
    if (isCorrupt(error)) return { index: slab.size, what: error.message };
    throw error;
  }
};

const pageSize = 256;

export type LostHead = Damage & { readonly entries: number };

// A head that cannot be read is damage like any other while the entries can: they are what people need to see.
export const readHead = async (store: LedgerStore, tenant: string): Promise<LedgerHead | LostHead> => {
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

export const isCorrupt = (error: unknown): error is StoreFailure =>
  error instanceof StoreFailure && error.refusal.code === 'store-corrupt';

const checkHead = async <State, Command extends JsonObject, Event extends JsonObject>(
  { tenant, store, logKey, origin, mark, acceptMissingMark = false }: AuditOptions<State, Command, Event>,
  head: LedgerHead,
  folded: Folded<State>,
  slab: MerkleSlab,
): Promise<Damage | undefined> => {
  const { size } = slab;
  const edge = slab.edge();
  if (head.root !== rootOf(edge) || head.edge.hashes.join() !== edge.hashes.join() || head.time !== folded.time)
    return { index: size, what: 'the head does not belong to the entries' };
  if ((await store.entries(tenant, size, size + 1)).length > 0)
    return { index: size, what: 'an entry stands behind the head' };
  const signed = await store.checkpoint(tenant);
  const wrongNote = signed === undefined ? undefined : checkNote('checkpoint', signed, logKey, origin, slab);
  if (wrongNote !== undefined) return wrongNote;
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

const signedHead = async <State, Command extends JsonObject, Event extends JsonObject>(
  { tenant, store, logKey, origin, mark }: AuditOptions<State, Command, Event>,
  slab: MerkleSlab,
): Promise<SignedHead | undefined> => {
  const marked = mark.read();
  let best: SignedHead | undefined;
  for (const note of [await keptCheckpoint(store, tenant), marked.ok ? marked.value?.checkpoint : undefined]) {
    if (note === undefined || checkNote('checkpoint', note, logKey, origin, slab) !== undefined) continue;
    const checkpoint = verifyCheckpoint(note, logKey, origin);
    if (checkpoint.ok && checkpoint.value.size >= (best?.size ?? 0))
      best = { size: checkpoint.value.size, root: checkpoint.value.root, note };
  }
  return best;
};

// Only the largest head that holds is looked for here; what is wrong with the store was named before.
const keptCheckpoint = async (store: LedgerStore, tenant: string): Promise<string | undefined> => {
  try {
    return await store.checkpoint(tenant);
  } catch (error) {
    if (isCorrupt(error)) return undefined;
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
