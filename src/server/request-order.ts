// SPDX-License-Identifier: Apache-2.0
import type { FoldedEntry } from '../kernel/decider.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import type { State } from '../lifecycle/state.ts';

/** A request and the index of the entry that submitted it. */
export type Placed = { readonly id: string; readonly index: number };

const placedIn = (state: State): Placed[] =>
  [...state.requests.values()]
    .map(({ id, entries }) => ({ id, index: entries[0] ?? 0 }))
    .sort((a, b) => a.index - b.index);

/** Requests in the order they were asked, for lists: rebuilt from the state at every start, never decided on. */
export class RequestOrder {
  #placed: Placed[];

  constructor(state: State) {
    this.#placed = placedIn(state);
  }

  /** Notes what was published, whoever appended it; null when the state says it better. */
  note(entries: readonly Pick<FoldedEntry<unknown, LifecycleEvent>, 'index' | 'events'>[] | null, state: State): void {
    if (entries === null) {
      this.#placed = placedIn(state);
      return;
    }
    for (const { index, events } of entries)
      for (const event of events)
        if (event.type === 'RequestSubmitted' && index > (this.#placed.at(-1)?.index ?? -1))
          this.#placed.push({ id: event.request, index });
  }

  /** Newest first, all that were asked before the given index. */
  *before(index: number): IterableIterator<Placed> {
    let [low, high] = [0, this.#placed.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#placed[middle]?.index ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    for (let at = low - 1; at >= 0; at -= 1) {
      const placed = this.#placed[at];
      if (placed !== undefined) yield placed;
    }
  }
}
