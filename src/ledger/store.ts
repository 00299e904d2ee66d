// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import { refuse, type JsonValue, type Refusal } from '../kernel/refusal.ts';
import type { Edge } from './merkle.ts';

/** What a tenant's ledger has come to. `time` is the last entry's, null while there is none. */
export type LedgerHead = {
  readonly size: number;
  readonly root: string;
  readonly edge: Edge;
  readonly time: Instant | null;
};

/** One entry as it is kept: its exact bytes, and the leaf hash they had when they were appended. */
export type StoredEntry = { readonly index: number; readonly bytes: Uint8Array; readonly leafHash: string };

export type StoredBlob = { readonly digest: string; readonly bytes: Uint8Array };

/** Under which an answer is kept: unique within a tenant. */
export type IdempotencyKey = { readonly principal: string; readonly route: string; readonly key: string };

/** The first answer to a key. `at` is when it was given; rows are pruned by it after 24 hours. */
export type KeptAnswer = { readonly bodyDigest: string; readonly answer: JsonValue; readonly at: Instant };

/** Text that signed bytes hold only as a salted commitment, so that it can be erased without touching the ledger. */
export type Opening = { readonly salt: string; readonly text: string };

/** An opening and what it is kept under. */
export type StoredOpening = { readonly commitment: string; readonly opening: Opening };

/** What stays of a text that was erased, for good (SPEC L31). */
export type Erasure = { readonly commitment: string; readonly at: Instant; readonly why: string };

/**
 * A legal hold: while it stands, nothing of that name is erased. A name is a commitment, a request, or `*` for everything.
 * One that was lifted is kept, so that it shows what was held and until when.
 */
export type Hold = {
  readonly name: string;
  readonly at: Instant;
  readonly why: string;
  readonly lifted: { readonly at: Instant; readonly why: string } | null;
};
/** When somebody did it, and why, in their words. */
export type Occasion = { readonly at: Instant; readonly why: string };

/** One row of a view; a value of null removes it. */
export type ViewWrite = { readonly view: string; readonly key: string; readonly value: JsonValue };
export type ViewRow = { readonly key: string; readonly value: JsonValue };
/** A follower's step: its cursor goes on to `next`, if it still stands at `from`; null while it has none. */
export type FollowerCursor = { readonly follower: string; readonly from: number | null; readonly next: number };

/** A row that one process works on, for so long and no longer. `by` names the process, and may claim again what is its own. */
export type RowClaim = { readonly by: string; readonly forMs: number };

/**
 * What can be done while the tenant's head is locked. Nothing of it is seen outside before the batch commits, all of
 * it is durable once `batch` has resolved, none of it has happened when the work throws.
 */
export type StoreBatch = {
  readonly head: () => Promise<LedgerHead>;
  /** Entries `from` up to but without `to`, in order. */
  readonly entries: (from: number, to: number) => Promise<readonly StoredEntry[]>;
  /** Appends directly after `before` and moves the head; the batch fails with `store-conflict`, at the latest when it commits, if the head is another. */
  readonly insert: (entries: readonly StoredEntry[], before: LedgerHead, after: LedgerHead) => Promise<void>;
  readonly blob: (digest: string) => Promise<Uint8Array | undefined>;
  /** Keeps a blob once; the caller has checked that the digest is its digest. */
  readonly putBlob: (blob: StoredBlob) => Promise<void>;
  /** The answers kept under these keys, in their order; undefined where there is none. */
  readonly answers: (keys: readonly IdempotencyKey[]) => Promise<readonly (KeptAnswer | undefined)[]>;
  readonly putAnswer: (key: IdempotencyKey, answer: KeptAnswer) => Promise<void>;
  readonly pruneAnswers: (before: Instant) => Promise<void>;
  /** Keeps a text; one that was erased stays erased. */
  readonly putOpening: (commitment: string, opening: Opening) => Promise<void>;
  readonly putCheckpoint: (note: string) => Promise<void>;
  /** The store's own clock, milliseconds since 1970, read now that the lock is held; only a store that has one. */
  readonly now?: () => Promise<number>;
};

/**
 * Where ledgers live. Tenants are compartments: nothing written under one is seen under another. Every method may
 * reject with a `StoreFailure`, and with nothing else that the store itself brought about.
 */
export type LedgerStore = {
  /** Other processes may append to the same ledgers: whoever reads looks again, and `now` is there for all of them. */
  readonly shared?: boolean;
  /** The store's own clock, milliseconds since 1970: the same for all that share it, however their own clocks go. */
  readonly now?: () => Promise<number>;
  /**
   * Resolves when all that the store shows at this moment is as durable as what a batch has resolved for; only of a store
   * that may show more. Whoever has read what others appended waits for it before signing that.
   */
  readonly confirm?: (tenant: string) => Promise<void>;
  /** Runs the work under the tenant's exclusive lock, then commits durably. One batch of a tenant at a time. */
  readonly batch: <T>(tenant: string, work: (tx: StoreBatch) => Promise<T>) => Promise<T>;
  readonly head: (tenant: string) => Promise<LedgerHead>;
  readonly entries: (tenant: string, from: number, to: number) => Promise<readonly StoredEntry[]>;
  readonly leafHashes: (tenant: string, from: number, to: number) => Promise<readonly string[]>;
  readonly blob: (tenant: string, digest: string) => Promise<Uint8Array | undefined>;
  /** Blobs in the order of their digests, after the given one (`''` for the first page). */
  readonly blobs: (tenant: string, after: string, limit: number) => Promise<readonly StoredBlob[]>;
  /** The signed checkpoint that was kept last; it may lag behind any mark. */
  readonly checkpoint: (tenant: string) => Promise<string | undefined>;
  readonly putCheckpoint: (tenant: string, note: string) => Promise<void>;
  readonly opening: (tenant: string, commitment: string) => Promise<Opening | undefined>;
  readonly putOpening: (tenant: string, commitment: string, opening: Opening) => Promise<void>;
  /** Openings in the order of their commitments, after the given one (`''` for the first page). */
  readonly openings: (tenant: string, after: string, limit: number) => Promise<readonly StoredOpening[]>;
  /**
   * Erases for good, and keeps when and why, in one step; tells whether there was something. Rejects with `text-held`
   * while a hold of the commitment, of `*` or of one of these names stands: the requests that the text belongs to.
   */
  readonly eraseOpening: (tenant: string, erasure: Erasure, names: readonly string[]) => Promise<boolean>;
  /** Keeps that a text was erased elsewhere, so that it does not come here. False, and nothing is written, where it is kept. */
  readonly putErasure: (tenant: string, erasure: Erasure) => Promise<boolean>;
  readonly erasure: (tenant: string, commitment: string) => Promise<Erasure | undefined>;
  /** Erasures in the order of their commitments, after the given one (`''` for the first page). */
  readonly erasures: (tenant: string, after: string, limit: number) => Promise<readonly Erasure[]>;
  /** Holds in the order they were put, lifted ones too. */
  readonly holds: (tenant: string) => Promise<readonly Hold[]>;
  /** False when a hold of that name stands already. */
  readonly putHold: (tenant: string, name: string, occasion: Occasion) => Promise<boolean>;
  /** False when no hold of that name stands. */
  readonly liftHold: (tenant: string, name: string, occasion: Occasion) => Promise<boolean>;
  readonly viewRow: (tenant: string, view: string, key: string) => Promise<JsonValue | undefined>;
  /** Rows of a view in the order of their keys, after the given one. */
  readonly viewRows: (tenant: string, view: string, after: string, limit: number) => Promise<readonly ViewRow[]>;
  /**
   * Writes rows and moves a follower's cursor together. False, and nothing is written, when the cursor stands elsewhere
   * than the step begins: another process has taken it.
   */
  readonly writeViews: (tenant: string, rows: readonly ViewWrite[], cursor?: FollowerCursor) => Promise<boolean>;
  /**
   * Takes a row that nobody holds, or whose claim has run out by the store's clock: `claimed` to one asker at a time.
   * Zero milliseconds give it back. A row that is removed loses its claim; one that is written anew keeps it.
   */
  readonly claimRow: (
    tenant: string,
    view: string,
    key: string,
    claim: RowClaim,
  ) => Promise<'claimed' | 'held' | 'missing'>;
  readonly clearView: (tenant: string, view: string) => Promise<void>;
  /** The next index a follower has not handled yet. */
  readonly cursor: (tenant: string, follower: string) => Promise<number | undefined>;
  readonly close: () => Promise<void>;
};

/**
 * The store could not do it. `nothing-written` is certain; with `unknown` the batch may be durable all the same, so
 * whoever asked must stop and look.
 */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
  readonly refusal: Refusal;
  readonly outcome: 'nothing-written' | 'unknown';

  constructor(refusal: Refusal, outcome: 'nothing-written' | 'unknown', cause?: unknown) {
    super(refusal.message, cause === undefined ? undefined : { cause });
    this.refusal = refusal;
    this.outcome = outcome;
  }
}

/** The form of a tenant's name; it also names files and schemas, so nothing else may pass. */
export const tenantForm = /^[a-z][a-z0-9-]{0,62}$/;

/** The refusal of `eraseOpening` on account of a hold, the same from every store. */
export const heldFailure = ({ name, at, why }: Hold, commitment: string): StoreFailure =>
  new StoreFailure(
    refuse(
      'text-held',
      'L31',
      `\`${commitment}\` is not erased: a legal hold of \`${name}\` stands since ${at}: ${why}`,
      { name, at, why },
      'ask whoever put it; `countersign ledger hold remove` lifts it',
    ).refusal,
    'nothing-written',
  );
