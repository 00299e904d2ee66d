// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import type { Decider, FoldedEntry } from '../kernel/decider.ts';
import type { Instant } from '../kernel/instant.ts';
import { ok, type JsonObject, type Result } from '../kernel/refusal.ts';
import { rootOf } from '../ledger/merkle.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import type { MarkKeeper } from './mark.ts';
import type { Damage, EntrySource } from './sequencer-replay.ts';
import { audit, type SignedHead } from './sequencer-start.ts';
import { countTexts, type TextCount } from './text-count.ts';
import type { NamesText } from './texts.ts';

export type FsckOptions<Command = unknown, Event = unknown> = {
  /** First line of the checkpoints; by default the name of the key. */
  readonly origin?: string;
  /** The mark to compare with. Without it nothing shows a tail that was cut together with the checkpoint. */
  readonly mark?: MarkKeeper;
  /** Another way to read the same entries, such as a page ahead. */
  readonly reading?: (source: EntrySource, size: number) => EntrySource;
  /** Sees each good entry. */
  readonly onEntry?: (entry: FoldedEntry<Command, Event>) => void;
  /** Finds the texts that commands commit to; without it they are not looked at. */
  readonly namesText?: NamesText;
};

/** What stands in the ledger, as far as it is good, and the first thing that is wrong. */
export type FsckReport = {
  readonly sound: boolean;
  readonly entries: number;
  readonly blobs: number;
  readonly root: string;
  readonly time: Instant | null;
  /** Size of the largest signed head that the entries lead to; null without any. */
  readonly signedSize: number | null;
  readonly damage: Damage | null;
  /** What became of the texts that entries commit to; null when they were not looked at. */
  readonly texts: TextCount | null;
};

/** The same, with what was derived on the way. */
export type Examined<State> = {
  readonly report: FsckReport;
  /** Folded from the good entries. */
  readonly state: State;
  /** The largest signed head that they lead to. */
  readonly signed: SignedHead | undefined;
  /** Root of the tree at a size that the good entries have. */
  readonly rootAt: (size: number) => string | undefined;
};

const blobsAtOnce = 16;

const noMark: MarkKeeper = { read: () => ok(undefined), write: async () => {} };

/**
 * Trusts nothing that is stored (SPEC L11): every entry and blob is hashed again, the root derived from entries
 * alone, the rules applied again from the first entry on, and signatures of checkpoint and mark checked. Changes
 * nothing. Refuses only when the store can't be read at all.
 */
export const examine = async <State, Command extends JsonObject, Event extends JsonObject>(
  store: LedgerStore,
  tenant: string,
  decider: Decider<State, Command, Event>,
  logKey: NoteVerifier,
  options: FsckOptions<Command, Event> = {},
): Promise<Result<Examined<State>>> => {
  try {
    return ok(await look(store, tenant, decider, logKey, options));
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
};

/** What it finds, for whoever asks no more. */
export const fsck = async <State, Command extends JsonObject, Event extends JsonObject>(
  store: LedgerStore,
  tenant: string,
  decider: Decider<State, Command, Event>,
  logKey: NoteVerifier,
  options: FsckOptions<Command, Event> = {},
): Promise<Result<FsckReport>> => {
  const examined = await examine(store, tenant, decider, logKey, options);
  return examined.ok ? ok(examined.value.report) : examined;
};

const look = async <State, Command extends JsonObject, Event extends JsonObject>(
  store: LedgerStore,
  tenant: string,
  decider: Decider<State, Command, Event>,
  logKey: NoteVerifier,
  { origin = logKey.name, mark, reading, onEntry, namesText }: FsckOptions<Command, Event>,
): Promise<Examined<State>> => {
  const audited = {
    tenant,
    store,
    decider,
    logKey,
    origin,
    mark: mark ?? noMark,
    acceptMissingMark: mark === undefined,
    ...(reading === undefined ? {} : { reading }),
  };
  const named = new Map<string, number>();
  const checked = await audit(audited, (entry) => {
    const text = namesText?.(entry.command);
    if (text !== undefined && !named.has(text.commitment)) named.set(text.commitment, entry.index);
    onEntry?.(entry);
  });
  const { folded, slab, signed } = checked;
  const { count, damage: blobDamage } = await checkBlobs(store, tenant, folded.size);
  const counted = namesText === undefined ? undefined : await countTexts(store, tenant, named);
  const damage = checked.damage ?? blobDamage ?? counted?.damage ?? null;
  const report = {
    sound: damage === null,
    entries: folded.size,
    blobs: count,
    root: rootOf(slab.edge()),
    time: folded.time,
    signedSize: signed?.size ?? null,
    damage,
    texts: counted?.texts ?? null,
  };
  const rootAt = (size: number): string | undefined => (size <= slab.size ? rootOf(slab.edge(size)) : undefined);
  return { report, state: folded.state, signed, rootAt };
};

const checkBlobs = async (
  store: LedgerStore,
  tenant: string,
  size: number,
): Promise<{ readonly count: number; readonly damage?: Damage }> => {
  let count = 0;
  for (let after = ''; ; ) {
    const page = await store.blobs(tenant, after, blobsAtOnce);
    for (const { digest, bytes } of page) {
      if (digestOf(bytes) !== digest) return { count, damage: { index: size, what: `blob \`${digest}\` was changed` } };
      count += 1;
      after = digest;
    }
    if (page.length < blobsAtOnce) return { count };
  }
};
