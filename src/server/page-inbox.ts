// SPDX-License-Identifier: Apache-2.0
import type { RequestPage, RequestSummary } from '../contract/api.ts';
import { readerPage, type PageContext } from './page-frame.ts';
import { html, type Html } from './page-html.ts';
import { principalName } from './page-names.ts';
import { statusWord } from './page-reasons.ts';
import { seatDots } from './page-request-status.ts';
import { relativeText, utcText } from './page-time.ts';

export type InboxContext = PageContext & {
  /** Ids of the requests on this page that the viewer could decide now. */
  readonly forViewer: readonly string[];
};

const open: readonly string[] = ['pending', 'met', 'permitted', 'consumed'];

/** What waits for the reader, then what is under way, then what is over. */
export const renderInbox = (page: RequestPage, context: InboxContext): string => {
  // Once a gate is met a vote can still reject, but nobody waits for it.
  const waits = (item: RequestSummary): boolean =>
    item.status === 'pending' && context.forViewer.includes(item.request);
  const mine = page.items.filter(waits).sort(byUrgency);
  const rest = page.items.filter((item) => !waits(item));
  const underWay = rest.filter((item) => open.includes(item.status));
  const over = rest.filter((item) => !open.includes(item.status));
  return readerPage(
    context,
    'Requests',
    html`<h1>Requests</h1>
${group('mine', 'Waiting for you', mine, context, 'Nothing waits for your decision.')}
${group('open', 'Under way', underWay, context, 'Nothing else is under way.')}
${over.length > 0 && group('over', 'Over', over, context, '')}
${page.next !== null && html`<p><a href="/?cursor=${encodeURIComponent(page.next)}">Older requests</a></p>`}`,
  );
};

// Emergencies first, then what has the least time left.
const byUrgency = (a: RequestSummary, b: RequestSummary): number =>
  Number(b.emergency) - Number(a.emergency) || (a.answer_by < b.answer_by ? -1 : Number(a.answer_by > b.answer_by));

const group = (
  id: string,
  title: string,
  items: readonly RequestSummary[],
  context: InboxContext,
  none: string,
): Html => html`<section aria-labelledby="${id}"><h2 id="${id}">${title}${items.length > 0 && ` (${items.length})`}</h2>
${items.length === 0 ? html`<p class="quiet">${none}</p>` : html`<ul class="list">${items.map((item) => row(item, context))}</ul>`}</section>`;

const row = (item: RequestSummary, { people, now }: InboxContext): Html => html`<li>
<div><a href="/requests/${item.request}">${item.title === '' ? item.action : item.title}</a>${item.emergency && html` <span class="tag danger">emergency</span>`}
<br><code>${item.action}</code> on <code>${item.target}</code><br><span class="quiet small">asked by ${principalName(people, item.requester)}</span></div>
<div class="side small">${!item.emergency && html`<span class="tag">${item.tier}</span> `}${statusWord(item.status)}<br>${seatDots(item.seats_filled, item.seats_wanted)}<br>${timeLeft(item, now)}</div></li>`;

const timeLeft = ({ status, answer_by, not_after }: RequestSummary, now: PageContext['now']): Html | false => {
  if (status !== 'pending' && status !== 'met') return false;
  const [what, end] = status === 'pending' ? ['decide', answer_by] : ['ends', not_after];
  return html`<time class="quiet" datetime="${end}" title="${utcText(end)}">${end <= now ? 'time is over' : `${what} ${relativeText(end, now)}`}</time>`;
};
