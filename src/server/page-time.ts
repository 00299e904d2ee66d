// SPDX-License-Identifier: Apache-2.0
import { instantToMs, parseInstant, type Instant } from '../kernel/instant.ts';
import { counted, units } from '../kernel/spoken.ts';
import { html, type Html } from './page-html.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `23 Nov 2026, 14:48 UTC`. */
export const utcText = (instant: string): string => {
  const [year, month, day] = instant.slice(0, 10).split('-');
  return `${Number(day)} ${months[Number(month) - 1] ?? ''} ${year ?? ''}, ${instant.slice(11, 16)} UTC`;
};

/** `15 minutes`, `3 hours 20 minutes`: the two largest units, rounded down. */
export const durationText = (ms: number): string => {
  const first = units.findIndex(([, size]) => ms >= size);
  if (first === -1) return 'no time';
  let rest = ms;
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? '' : counted(count, unit);
    })
    .filter((part) => part !== '')
    .join(' ');
};

/** `in 3 hours`, `2 days ago`, `now`. */
export const relativeText = (instant: string, now: Instant): string => {
  const parsed = parseInstant(instant);
  if (!parsed.ok) return '';
  const ms = instantToMs(parsed.value) - instantToMs(now);
  if (Math.abs(ms) < 1000) return 'now';
  return ms > 0 ? `in ${durationText(ms)}` : `${durationText(-ms)} ago`;
};

/** A moment in UTC and how far off it is, by the server's clock when the page was made. */
export const when = (instant: string, now: Instant): Html =>
  html`<time datetime="${instant}">${utcText(instant)}</time> <span class="quiet">(${relativeText(instant, now)})</span>`;
