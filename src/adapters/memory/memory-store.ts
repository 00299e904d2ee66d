// SPDX-License-Identifier: Apache-2.0
import { refuse, type JsonValue } from '../../kernel/refusal.ts';
import { emptyEdge, rootOf } from '../../ledger/merkle.ts';
import { StoreFailure, tenantForm, type IdempotencyKey, type KeptAnswer, type LedgerHead } from '../../ledger/store.ts';
import type { LedgerStore, Opening, StoreBatch, StoredEntry } from '../../ledger/store.ts';

type Contents = {
  head: LedgerHead;
  entries: StoredEntry[];
  blobs: Map<string, Uint8Array>;
  answers: Map<string, KeptAnswer>;
  openings: Map<string, Opening>;
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
      [...of(tenant).blobs]
        .filter(([digest]) => digest > after)
        .sort(([a], [b]) => compare(a, b))
        .slice(0, limit)
        .map(([digest, bytes]) => ({ digest, bytes })),
    checkpoint: async (tenant) => of(tenant).checkpoint,
    putCheckpoint: async (tenant, note) => batch(tenant, (tx) => tx.putCheckpoint(note)),
    opening: async (tenant, commitment) => of(tenant).openings.get(commitment),
    putOpening: async (tenant, commitment, opening) => batch(tenant, (tx) => tx.putOpening(commitment, opening)),
    eraseOpening: async (tenant, commitment) => {
      // In its turn: a batch under way works on a copy, and would bring the text back.
      const target = of(tenant);
      const mine = target.last.then(() => target.openings.delete(commitment));
      target.last = mine;
      return mine;
    },
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
    close: async () => {
      closed = true;
    },
  };
};

const copy = ({ head, entries, blobs, answers, openings, checkpoint }: Contents): Contents => ({
  head,
  entries: [...entries],
  blobs: new Map(blobs),
  answers: new Map(answers),
  openings: new Map(openings),
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
  putOpening: async (commitment, opening) => void draft.openings.set(commitment, opening),
  putCheckpoint: async (note) => {
    draft.checkpoint = note;
  },
});
