// SPDX-License-Identifier: Apache-2.0
import { usage } from './output.ts';

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `30s`, `15m`, `4h` or `30d` as milliseconds; anything else ends the command with exit code 2. */
export const durationMs = (given: string, option: string): number => {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(given);
  if (match === null)
    return usage(`${option} \`${given}\` is no duration`, 'write a whole number and a unit: 30s, 15m, 4h, 30d');
  return Number(match[1]) * units[match[2] as keyof typeof units];
};

export { spoken } from '../kernel/spoken.ts';
