// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Result } from './refusal.ts';

declare const instantBrand: unique symbol;
/**
 * A moment in UTC, always written `2026-11-23T14:48:48.000Z`: 24 characters, so that comparing the strings
 * compares the moments, and the signed bytes can be read by people.
 */
export type Instant = string & { readonly [instantBrand]: true };

const instantForm = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

export const parseInstant = (value: unknown): Result<Instant> => {
  if (typeof value === 'string' && instantForm.test(value)) {
    // Every month has 28 days; what lies beyond is a matter of the calendar.
    if (value.slice(8, 10) <= '28') return ok(value as Instant);
    const ms = Date.parse(value);
    if (!Number.isNaN(ms) && new Date(ms).toISOString() === value) return ok(value as Instant);
  }
  return refuse(
    'instant-malformed',
    'K4',
    `\`${String(value).slice(0, 40)}\` is not an instant`,
    {},
    'write UTC with milliseconds, such as 2026-11-23T14:48:48.000Z',
  );
};

// A batch has one time, and asks for it again and again.
let lastMs = 0;
let lastText = '1970-01-01T00:00:00.000Z' as Instant;

export const instantFromMs = (ms: number): Instant => {
  if (ms === lastMs) return lastText;
  const text = new Date(ms).toISOString() as Instant;
  lastMs = ms;
  lastText = text;
  return text;
};
export const instantToMs = (instant: Instant): number => Date.parse(instant);
export const addMs = (instant: Instant, ms: number): Instant => instantFromMs(Date.parse(instant) + ms);
export const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);
export const later = (a: Instant, b: Instant): Instant => (a < b ? b : a);
