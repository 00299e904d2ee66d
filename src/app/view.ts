// SPDX-License-Identifier: Apache-2.0
import type { FoldedEntry } from '../kernel/decider.ts';
import type { JsonValue } from '../kernel/refusal.ts';
import type { LedgerStore } from '../ledger/store.ts';

/** A row that changes; null removes it. */
export type RowChange = { readonly key: string; readonly value: JsonValue };

/**
 * Rows that follow from the entries and from nothing else (SPEC L25): no clock, no state, nothing outside. Raise
 * `version` with every change of what it makes of an entry, and it is built again.
 */
export type View<Command, Event> = {
  readonly name: string;
  readonly version: number;
  readonly apply: (
    entry: FoldedEntry<Command, Event>,
    row: (key: string) => JsonValue | undefined,
  ) => readonly RowChange[];
};

/** Which rows of a view are read: they lie under `<name>.<generation>`, and the next are built beside them. */
export type ViewPointer = { readonly version: number; readonly generation: number };

const pointers = 'views';

export const rowsUnder = (name: string, generation: number): string => `view-${name}.${generation}`;

export const readPointer = async (
  store: LedgerStore,
  tenant: string,
  name: string,
): Promise<ViewPointer | undefined> => {
  const row = (await store.viewRow(tenant, pointers, name)) as Partial<ViewPointer> | undefined;
  const { version, generation } = row ?? {};
  return Number.isSafeInteger(version) && Number.isSafeInteger(generation)
    ? { version: version ?? 0, generation: generation ?? 0 }
    : undefined;
};

const drawnUnder = (name: string): string => `view-${name}.drawn`;

/** Draws a generation that nobody has drawn before: whoever builds in it builds alone (SPEC L18). */
export const drawGeneration = async (store: LedgerStore, tenant: string, name: string): Promise<number> => {
  const follower = drawnUnder(name);
  for (;;) {
    const from = (await store.cursor(tenant, follower)) ?? null;
    const read = (await readPointer(store, tenant, name))?.generation ?? 0;
    const next = Math.max(from ?? 0, read) + 1;
    if (await store.writeViews(tenant, [], { follower, from, next })) return next;
  }
};

/** Which generation others will find in place: what has to be named to put another there. */
export const placedGeneration = async (store: LedgerStore, tenant: string, name: string): Promise<number | null> =>
  (await store.cursor(tenant, `view-${name}`)) ?? null;

/** Puts rows in the place of those that were there. False where another process has put its own there meanwhile. */
export const placeRows = (
  store: LedgerStore,
  tenant: string,
  name: string,
  pointer: ViewPointer,
  from: number | null,
): Promise<boolean> =>
  store.writeViews(tenant, [{ view: pointers, key: name, value: { ...pointer } }], {
    follower: `view-${name}`,
    from,
    next: pointer.generation,
  });

/** All rows of a view as they are stored. */
export const readRows = async (store: LedgerStore, tenant: string, view: string): Promise<Map<string, JsonValue>> => {
  const rows = new Map<string, JsonValue>();
  for (let after = ''; ; ) {
    const page = await store.viewRows(tenant, view, after, 500);
    for (const { key, value } of page) rows.set(key, value);
    after = page.at(-1)?.key ?? after;
    if (page.length < 500) return rows;
  }
};

/** Takes changes into rows in memory. */
export const changeRows = (rows: Map<string, JsonValue>, changes: readonly RowChange[]): void => {
  for (const { key, value } of changes) {
    if (value === null) rows.delete(key);
    else rows.set(key, value);
  }
};
