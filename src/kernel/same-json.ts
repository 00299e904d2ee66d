// SPDX-License-Identifier: Apache-2.0

/**
 * Whether two values have one canonical text, without writing either. Undefined members, which no such text has, differ
 * from everything.
 */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return a !== undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a as { [key: string]: unknown }, b as { [key: string]: unknown }];
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]));
};
