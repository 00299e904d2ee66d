// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { Attachments, Decider, FoldedEntry } from '../kernel/decider.ts';
import type { Instant } from '../kernel/instant.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { leafHash } from '../ledger/merkle.ts';
import { StoreFailure, type StoredEntry } from '../ledger/store.ts';

/** A state and how much of the ledger it rests on. */
export type Folded<State> = { readonly state: State; readonly size: number; readonly time: Instant | null };

/** Where entries and blobs are read from: the store as others see it, or a batch. */
export type EntrySource = {
  readonly entries: (from: number, to: number) => Promise<readonly StoredEntry[]>;
  readonly blob: (digest: string) => Promise<Uint8Array | undefined>;
};

/** The first entry that is not what it should be. */
export type Damage = { readonly index: number; readonly what: string };

export type Replay<State> = { readonly folded: Folded<State>; readonly damage?: Damage };

/** Entries read at once: bounds the memory of a replay at 15 MiB of entries. */
const pageSize = 256;

/** Digests of the blobs that a command names; a command without any needs no field for it. */
export const attachmentsNamed = (command: JsonObject): readonly string[] => {
  const named = command['attachments'];
  return Array.isArray(named)
    ? [...new Set((named as readonly unknown[]).filter((item) => typeof item === 'string'))]
    : [];
};

/** Reads stored entries strictly and in order; `undefined` where one is missing. */
export const readStored = <Command extends JsonObject, Event extends JsonObject>(
  tenant: string,
  index: number,
  last: Instant | null,
  stored: StoredEntry | undefined,
): FoldedEntry<Command, Event> | Damage => {
  if (stored === undefined || stored.index !== index) return { index, what: 'it is missing' };
  const hash = leafHash(stored.bytes);
  if (hash !== stored.leafHash) return { index, what: 'its bytes are not those that were appended' };
  const parsed = parseEntry(stored.bytes);
  if (!parsed.ok) return { index, what: `it cannot be read: ${parsed.refusal.message}` };
  const entry = parsed.value;
  if (entry.index !== index || entry.tenant !== tenant)
    return { index, what: `it is entry ${entry.index} of \`${entry.tenant}\`` };
  if (last !== null && entry.time < last)
    return { index, what: `its time \`${entry.time}\` lies before the entry before it` };
  return {
    index,
    time: entry.time,
    command: entry.command as Command,
    events: entry.events as readonly Event[],
    leafHash: hash,
  };
};

const loadAttachments = async (
  index: number,
  command: JsonObject,
  source: EntrySource,
): Promise<Attachments | Damage> => {
  const attachments = new Map<string, Uint8Array>();
  for (const digest of attachmentsNamed(command)) {
    const bytes = await source.blob(digest);
    if (bytes === undefined) return { index, what: `its attachment \`${digest}\` is missing` };
    if (digestOf(bytes) !== digest) return { index, what: `its attachment \`${digest}\` was changed` };
    attachments.set(digest, bytes);
  }
  return attachments;
};

const isDamage = (value: object): value is Damage => 'what' in value;

/** Decides once more and compares byte for byte (INV12), then evolves. */
const rerun = <State, Command extends JsonObject, Event extends JsonObject>(
  decider: Decider<State, Command, Event>,
  state: State,
  entry: FoldedEntry<Command, Event>,
  attachments: Attachments,
): { readonly state: State } | Damage => {
  const { index, time } = entry;
  try {
    const decision = decider.decide(state, entry.command, { index, time }, attachments);
    if (decision.kind === 'refused' && decision.events.length === 0)
      return { index, what: `the rules refuse its command: ${decision.refusal.message}` };
    if (canonicalize(decision.events) !== canonicalize(entry.events))
      return { index, what: 'the rules give other events for its command' };
    return { state: decider.evolve(state, entry, attachments) };
  } catch (error) {
    return {
      index,
      what: `the rules cannot be applied to it: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
};

// A damaged page of a database hides many entries; reading them one by one says which is the first.
const readPage = async (source: EntrySource, from: number, to: number): Promise<readonly StoredEntry[]> => {
  try {
    return await source.entries(from, to);
  } catch (error) {
    if (!(error instanceof StoreFailure) || to - from === 1) throw error;
  }
  const entries: StoredEntry[] = [];
  for (let index = from; index < to; index += 1) {
    try {
      entries.push(...(await source.entries(index, index + 1)));
    } catch (error) {
      if (entries.length > 0) return entries;
      throw error;
    }
  }
  return entries;
};

/** What a store that fails says of the ledger: an entry that cannot be read is lost, a line that is down is nothing. */
export const isCorrupt = (error: unknown): error is StoreFailure =>
  error instanceof StoreFailure && error.refusal.code === 'store-corrupt';

/**
 * Folds the entries from `folded.size` up to `to`, each one hashed, read, decided and compared again. It stops at the
 * first damage and gives the state before it. `onEntry` sees each good entry. `isLost` says which failures of the store
 * are damage; it rejects with all others.
 */
export const replay = async <State, Command extends JsonObject, Event extends JsonObject>(
  tenant: string,
  decider: Decider<State, Command, Event>,
  source: EntrySource,
  start: Folded<State>,
  to: number,
  onEntry: (entry: FoldedEntry<Command, Event>) => void,
  isLost: (error: StoreFailure) => boolean = () => true,
): Promise<Replay<State>> => {
  let folded = start;
  while (folded.size < to) {
    let page: readonly StoredEntry[];
    try {
      page = await readPage(source, folded.size, Math.min(to, folded.size + pageSize));
    } catch (error) {
      if (error instanceof StoreFailure && isLost(error))
        return { folded, damage: { index: folded.size, what: error.message } };
      throw error;
    }
    for (const stored of page.length === 0 ? [undefined] : page) {
      const index = folded.size;
      const entry = readStored<Command, Event>(tenant, index, folded.time, stored);
      if (isDamage(entry)) return { folded, damage: entry };
      const attachments = await loadAttachments(index, entry.command, source);
      if (isDamage(attachments)) return { folded, damage: attachments };
      const next = rerun(decider, folded.state, entry, attachments);
      if (isDamage(next)) return { folded, damage: next };
      onEntry(entry);
      folded = { state: next.state, size: index + 1, time: entry.time };
    }
  }
  return { folded };
};
