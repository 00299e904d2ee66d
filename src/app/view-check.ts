// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import type { FoldedEntry } from '../kernel/decider.ts';
import type { JsonValue } from '../kernel/refusal.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { changeRows, readPointer, readRows, rowsUnder, type View } from './view.ts';
import type { Damage } from './sequencer-replay.ts';

export type ViewCheck<Command, Event> = {
  readonly entry: (entry: FoldedEntry<Command, Event>) => void;
  /** Compares once all entries were seen. */
  readonly finish: (size: number) => Promise<{ readonly rows: number; readonly damage?: Damage }>;
};

type Watched<Command, Event> = {
  readonly view: View<Command, Event>;
  readonly under: string;
  readonly cursor: number;
  readonly rows: Map<string, JsonValue>;
};

/**
 * Makes every view again from the entries that its follower has seen, and compares it with its rows, byte for byte. One
 * that is of another version, or was never built, is built by the next server and is not looked at.
 */
export const startViewCheck = async <Command, Event>(
  store: LedgerStore,
  tenant: string,
  views: readonly View<Command, Event>[],
): Promise<ViewCheck<Command, Event>> => {
  const watched: Watched<Command, Event>[] = [];
  for (const view of views) {
    const pointer = await readPointer(store, tenant, view.name);
    if (pointer?.version !== view.version) continue;
    const under = rowsUnder(view.name, pointer.generation);
    watched.push({ view, under, cursor: (await store.cursor(tenant, under)) ?? 0, rows: new Map() });
  }
  return {
    entry: (entry) => {
      for (const { view, cursor, rows } of watched)
        if (entry.index < cursor)
          changeRows(
            rows,
            view.apply(entry, (key) => rows.get(key)),
          );
    },
    finish: async (size) => {
      let count = 0;
      for (const { view, under, cursor, rows } of watched) {
        if (cursor > size)
          return { rows: count, damage: { index: size, what: `view \`${view.name}\` has seen entry ${cursor - 1}` } };
        const stored = await readRows(store, tenant, under);
        const wrong = [...new Set([...stored.keys(), ...rows.keys()])]
          .sort()
          .find((key) => textOf(stored.get(key)) !== textOf(rows.get(key)));
        if (wrong !== undefined) {
          const what = `row \`${wrong}\` of view \`${view.name}\` says ${textOf(stored.get(wrong))}, the entries give ${textOf(rows.get(wrong))}`;
          return {
            rows: count,
            damage: { index: cursor, what: `${what}; \`countersign ledger rebuild\` builds it again` },
          };
        }
        count += rows.size;
      }
      return { rows: count };
    },
  };
};

const textOf = (value: JsonValue | undefined): string => (value === undefined ? 'nothing' : canonicalize(value));
