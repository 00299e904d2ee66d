// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../kernel/canonical-json.ts';
import { matching, nullable, recordOf, shape, text, type Check } from '../kernel/shape.ts';

export type Prose = { readonly title: string; readonly runbook: string | null };

const peopleShape = recordOf(/^p_[a-z0-9_]{4,40}$/, text(200), 20_000);
const proseShape = recordOf(
  /^[a-z][a-z0-9.-]{0,200}$/,
  shape({ title: text(300), runbook: nullable(matching(/^[^\r\n]{1,500}$/, 'one line')) }),
  64,
);

/** A small file beside the ledger that is read again when it changes; wrong or missing, it is as good as empty. */
const watched = <T>(file: string, check: Check<T>, empty: T): (() => T) => {
  let [value, version, lookedAt] = [empty, '', Number.NEGATIVE_INFINITY];
  return () => {
    const now = performance.now();
    if (now - lookedAt < 1000) return value;
    lookedAt = now;
    try {
      const { mtimeMs, size } = statSync(file);
      if (`${mtimeMs} ${size}` === version) return value;
      version = `${mtimeMs} ${size}`;
      const parsed = parseJson(readFileSync(file));
      const checked = parsed.ok ? check(parsed.value, '') : parsed;
      value = checked.ok ? checked.value : empty;
    } catch {
      [value, version] = [empty, ''];
    }
    return value;
  };
};

/** Names of people and titles of actions: for the eye only, in no signed bytes and in no entry. */
export type DisplayNames = {
  readonly people: () => { readonly [person: string]: string };
  readonly prose: () => { readonly [action: string]: Prose };
  readonly proseOf: (action: string) => Prose | undefined;
};

export const displayNames = (dir: string): DisplayNames => {
  const people = watched(join(dir, 'people.json'), peopleShape, {});
  const prose = watched(join(dir, 'prose.json'), proseShape, {});
  const proseOf = (action: string): Prose | undefined => {
    const all = prose();
    return Object.hasOwn(all, action) ? all[action] : undefined;
  };
  return { people, prose, proseOf };
};
