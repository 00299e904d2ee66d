// SPDX-License-Identifier: Apache-2.0
import type { View } from '../app/view.ts';
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';

type LedgerView = View<Command & JsonObject, LifecycleEvent & JsonObject>;

/** How often each thing has happened since the genesis: events by type, recorded refusals and findings by code. */
export const totalsView: LedgerView = {
  name: 'totals',
  version: 1,
  apply: ({ events }, row) => {
    const totals = new Map<string, number>();
    for (const event of events)
      for (const key of keysOf(event)) totals.set(key, (totals.get(key) ?? numberIn(row(key))) + 1);
    return [...totals].map(([key, value]) => ({ key, value }));
  },
};

/** Every view of the server: what is built again, and what a replay compares. */
export const ledgerViews: readonly LedgerView[] = [totalsView];

const keysOf = (event: LifecycleEvent): readonly string[] => {
  const type = `event.${event.type}`;
  if (event.type === 'CommandRefused') return [type, `refusal.${event.code}`];
  return event.type === 'FindingRaised' ? [type, `finding.${event.code}`] : [type];
};

const numberIn = (value: JsonValue | undefined): number => (typeof value === 'number' ? value : 0);

/** The totals of one kind, by event type or code. */
export const totalsOf = (
  rows: ReadonlyMap<string, JsonValue>,
  kind: 'event' | 'refusal' | 'finding',
): ReadonlyMap<string, number> =>
  new Map(
    [...rows].flatMap(([key, value]) =>
      key.startsWith(`${kind}.`) ? [[key.slice(kind.length + 1), numberIn(value)] as const] : [],
    ),
  );
