// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../../kernel/refusal.ts';
import { corrupt } from './postgres-failure.ts';

/** What a column holds as JSON; damage where it does not. */
export const storedJson = (place: string, text: unknown): JsonValue => {
  try {
    return JSON.parse(text as string) as JsonValue;
  } catch {
    throw corrupt(place, 'a row is not what was written');
  }
};

/** Free text, which is kept as JSON. */
export const storedText = (place: string, text: unknown): string => {
  const value = storedJson(place, text);
  if (typeof value === 'string') return value;
  throw corrupt(place, 'a row is not what was written');
};
