// SPDX-License-Identifier: Apache-2.0

/** `1 person`, `2 persons`; the plural where it is irregular: `1 entry`, `2 entries`. */
export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;

export const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** Milliseconds as people say them, exactly, in the largest unit that goes into them: `15 minutes`, `3 days`. */
export const spoken = (ms: number): string => {
  for (const [unit, length] of units) if (ms >= length && ms % length === 0) return counted(ms / length, unit);
  return `${ms} ms`;
};
