// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parseJson } from '../kernel/canonical-json.ts';
import { isObject } from '../kernel/shape.ts';

/** The version in package.json, which stands two folders up in a clone and in the published package alike. */
export const packageVersion = (): string => {
  const parsed = parseJson(readFileSync(new URL('../../package.json', import.meta.url)), { numbers: 'any' });
  const version = parsed.ok && isObject(parsed.value) ? parsed.value['version'] : undefined;
  return typeof version === 'string' ? version : 'unknown';
};
