// SPDX-License-Identifier: Apache-2.0
import { refuse, type JsonValue } from '../../kernel/refusal.ts';
import { emptyEdge, rootOf } from '../../ledger/merkle.ts';
import { StoreFailure, tenantForm, type IdempotencyKey, type KeptAnswer, type LedgerHead } from '../../ledger/store.ts';
import { heldFailure, type Erasure, type Hold } from '../../ledger/store.ts';
import type { LedgerStore, Opening, StoreBatch, StoredEntry } from '../../ledger/store.ts';

type Contents = {
  head: LedgerHead;
  entries: StoredEntry[];
  blobs: Map<string, Uint8Array>;
  answers: Map<string, KeptAnswer>;
  openings: Map<string, Opening>;
  erasures: Map<string, Erasure>;
  holds: Hold[];
  checkpoint: string | undefined;
};
type Compartment = Contents & {
  last: Promise<unknown>;
  rows: Map<string, JsonValue>;
  cursors: Map<string, number>;
  claims: Map<string, { readonly by: string; readonly untilMs: number }>;
};

const fresh = (): Compartment => ({
  head: { size: 0, root: rootOf(emptyEdge), edge: emptyEdge, time: null },
  entries: [],
  blobs: new Map(),
  answers: new Map(),
  openings: new Map(),
  erasures: new Map(),
  holds: [],
  checkpoint: undefined,
  last: Promise.resolve(),
  rows: new Map(),
  cursors: new Map(),
  claims: new Map(),
});

const failure = (code: 'store-conflict' | 'store-closed' | 'shape-mismatch', message: string): StoreFailure =>
  new StoreFailure(refuse(code, 'L6', message).refusal, 'nothing-written');

const keyOf = ({ principal, route, key }: IdempotencyKey): string => JSON.stringify([principal, route, key]);
const rowKey = (view: string, key: string): string => `${view}\u0000${key}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const page = <T>(rows: ReadonlyMap<string, T>, after: string, limit: number): [string, T][] =>
  [...rows]
    .filter(([key]) => key > after)
    .sort(([a], [b]) => compare(a, b))
    .slice(0, limit);

const standing = ({ holds }: Contents, names: readonly string[]): Hold | undefined =>
  holds.find(({ name, lifted }) => lifted === null && names.includes(name));

// A batch under way works on a copy, and would undo what is done beside it.
const inTurn = <T>(target: Compartment, work: (target: Compartment) => T): Promise<T> => {
  const mine = target.last.then(() => work(target));
  target.last = mine.catch(() => undefined);
  return mine;
};

const remove = ({ rows, claims }: Compartment, name: string): void => {
  rows.delete(name);
  claims.delete(name);
};

/** Keeps ledgers in memory, for tests and simulations. It passes the same contract, except that nothing outlives it. */
export const memoryStore = (now: () => number = Date.now): LedgerStore => {
  const compartments = new Map<string, Compartment>();
  let closed = false;
  const of = (tenant: string): Compartment => {
    if (closed) throw failure('store-closed', 'the store is closed');
    if (!tenantForm.test(tenant)) throw failure('shape-mismatch', `\`${tenant}\` is not a tenant name`);
    const known = compartments.get(tenant) ?? fresh();
    compartments.set(tenant, known);
    return known;
  };
  const batch = <T>(tenant: string, work: (tx: StoreBatch) => Promise<T>): Promise<T> => {
    const target = of(tenant);
    const mine = target.last.then(async () => {
      const draft = copy(target);
      const result = await work(transaction(draft));
      Object.assign(target, draft);
      return result;
    });
    target.last = mine.catch(() => undefined);
    return mine;
  };
  return {
    batch: async (tenant, work) => batch(tenant, work),
    head: async (tenant) => of(tenant).head,
    entries: async (tenant, from, to) => of(tenant).entries.slice(from, to),
    leafHashes: async (tenant, from, to) =>
      of(tenant)
        .entries.slice(from, to)
        .map(({ leafHash }) => leafHash),
    blob: async (tenant, digest) => of(tenant).blobs.get(digest),
    blobs: async (tenant, after, limit) =>
      page(of(tenant).blobs, after, limit).map(([digest, bytes]) => ({ digest, bytes })),
    checkpoint: async (tenant) => of(tenant).checkpoint,
    putCheckpoint: async (tenant, note) => batch(tenant, (tx) => tx.putCheckpoint(note)),
    opening: async (tenant, commitment) => of(tenant).openings.get(commitment),
    putOpening: async (tenant, commitment, opening) => batch(tenant, (tx) => tx.putOpening(commitment, opening)),
    openings: async (tenant, after, limit) =>
      page(of(tenant).openings, after, limit).map(([commitment, opening]) => ({ commitment, opening })),
    eraseOpening: async (tenant, erasure, names) =>
      inTurn(of(tenant), (target) => {
        const { commitment } = erasure;
        const hold = standing(target, [commitment, '*', ...names]);
        if (hold !== undefined) throw heldFailure(hold, commitment);
        const erased = target.openings.delete(commitment);
        if (erased) target.erasures.set(commitment, erasure);
        return erased;
      }),
    putErasure: async (tenant, erasure) =>
      inTurn(of(tenant), ({ openings, erasures }) => {
        if (openings.has(erasure.commitment)) return false;
        erasures.set(erasure.commitment, erasure);
        return true;
      }),
    erasure: async (tenant, commitment) => of(tenant).erasures.get(commitment),
    erasures: async (tenant, after, limit) => page(of(tenant).erasures, after, limit).map(([, erasure]) => erasure),
    holds: async (tenant) => [...of(tenant).holds],
    putHold: async (tenant, name, occasion) =>
      inTurn(of(tenant), (target) => {
        if (standing(target, [name]) !== undefined) return false;
        target.holds = [...target.holds, { name, ...occasion, lifted: null }];
        return true;
      }),
    liftHold: async (tenant, name, occasion) =>
      inTurn(of(tenant), (target) => {
        const hold = standing(target, [name]);
        target.holds = target.holds.map((one) => (one === hold ? { ...one, lifted: occasion } : one));
        return hold !== undefined;
      }),
    ...viewsIn(of, now),
    close: async () => {
      closed = true;
    },
  };
};

const viewsIn = (
  of: (tenant: string) => Compartment,
  now: () => number,
): Pick<LedgerStore, 'viewRow' | 'viewRows' | 'writeViews' | 'claimRow' | 'clearView' | 'cursor'> => ({
  viewRow: async (tenant, view, key) => of(tenant).rows.get(rowKey(view, key)),
  viewRows: async (tenant, view, after, limit) =>
    [...of(tenant).rows]
      .filter(([name]) => name.startsWith(`${view}\u0000`) && name > rowKey(view, after))
      .sort(([a], [b]) => compare(a, b))
      .slice(0, limit)
      .map(([name, value]) => ({ key: name.slice(view.length + 1), value })),
  writeViews: async (tenant, rows, cursor) => {
    const target = of(tenant);
    if (cursor !== undefined) {
      if ((target.cursors.get(cursor.follower) ?? null) !== cursor.from) return false;
      target.cursors.set(cursor.follower, cursor.next);
    }
    for (const { view, key, value } of rows) {
      if (value === null) remove(target, rowKey(view, key));
      else target.rows.set(rowKey(view, key), value);
    }
    return true;
  },
  claimRow: async (tenant, view, key, { by, forMs }) => {
    const { rows, claims } = of(tenant);
    const name = rowKey(view, key);
    if (!rows.has(name)) return 'missing';
    const held = claims.get(name);
    if (held !== undefined && held.by !== by && held.untilMs > now()) return 'held';
    claims.set(name, { by, untilMs: now() + forMs });
    return 'claimed';
  },
  clearView: async (tenant, view) => {
    const target = of(tenant);
    for (const name of target.rows.keys()) if (name.startsWith(`${view}\u0000`)) remove(target, name);
  },
  cursor: async (tenant, follower) => of(tenant).cursors.get(follower),
});

const copy = ({ head, entries, blobs, answers, openings, erasures, holds, checkpoint }: Contents): Contents => ({
  head,
  entries: [...entries],
  blobs: new Map(blobs),
  answers: new Map(answers),
  openings: new Map(openings),
  erasures,
  holds,
  checkpoint,
});

const transaction = (draft: Contents): StoreBatch => ({
  head: async () => draft.head,
  entries: async (from, to) => draft.entries.slice(from, to),
  insert: async (entries, before, after) => {
    if (draft.head.size !== before.size || draft.head.root !== before.root)
      throw failure('store-conflict', `the ledger has ${draft.head.size} entries, not ${before.size}`);
    draft.entries.push(...entries);
    draft.head = after;
  },
  blob: async (digest) => draft.blobs.get(digest),
  putBlob: async ({ digest, bytes }) => void draft.blobs.set(digest, bytes),
  answers: async (keys) => keys.map((key) => draft.answers.get(keyOf(key))),
  putAnswer: async (key, answer) => void draft.answers.set(keyOf(key), answer),
  pruneAnswers: async (before) => {
    for (const [key, { at }] of draft.answers) if (at < before) draft.answers.delete(key);
  },
  putOpening: async (commitment, opening) => {
    if (!draft.erasures.has(commitment)) draft.openings.set(commitment, opening);
  },
  putCheckpoint: async (note) => {
    draft.checkpoint = note;
  },
});
