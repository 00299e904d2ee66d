// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import type { EventOf } from '../lifecycle/event.ts';
import type { RequestState } from '../request/request-state.ts';
import type { ServerContext } from './server-context.ts';

/** The review of a request that was closed, read from its entry; null while it is owed, and where there was none. */
export const closedReview = async (
  { papers, sequencer }: ServerContext,
  { id, entries, permit }: RequestState,
): Promise<RequestView['review']> => {
  if (permit === null || sequencer.state().debts.get(id) !== undefined) return null;
  for (const index of entries.toReversed()) {
    const text = await papers.entry(index);
    // Quotes within a text are escaped, so that nobody's words look like this.
    if (!text.includes('"type":"ReviewClosed"')) continue;
    const entry = parseEntry(text);
    if (!entry.ok) throw new BrokenInvariant(`entry ${index} cannot be read again: ${entry.refusal.message}`);
    const closed = entry.value.events.find(({ type }) => type === 'ReviewClosed');
    if (closed === undefined) continue;
    const { by, finding } = closed as unknown as EventOf<'ReviewClosed'>;
    return { by, finding, at: entry.value.time };
  }
  return null;
};
