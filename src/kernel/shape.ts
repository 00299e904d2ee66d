// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from './refusal-codes.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from './refusal.ts';
import { parseInstant, type Instant } from './instant.ts';

/**
 * Strict shapes for parsed JSON: a check takes a value and where it stands, and gives the value back typed or a
 * refusal that names the field, what was expected and what came. Unknown and missing fields are refused (SPEC K5).
 */
export type Check<T> = (value: JsonValue | undefined, path: string) => Result<T>;
export type Checked<C> = C extends Check<infer T> ? T : never;

const shown = (value: JsonValue | undefined): string => {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const wrong = (path: string, expected: string, value: JsonValue | undefined, code: RefusalCode = 'shape-mismatch') =>
  refuse(code, 'K5', `field \`${path}\` must be ${expected}, got \`${shown(value)}\``, { field: path, expected });

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const literal =
  <const L extends string | number | boolean | null>(...allowed: readonly L[]): Check<L> =>
  (value, path) =>
    allowed.includes(value as L)
      ? ok(value as L)
      : wrong(path, allowed.map((item) => `\`${String(item)}\``).join(' or '), value);

export const matching =
  <T extends string = string>(form: RegExp, expected: string): Check<T> =>
  (value, path) =>
    typeof value === 'string' && form.test(value) ? ok(value as T) : wrong(path, expected, value);

/** A whole number within bounds, both inclusive; never beyond the safe range. */
export const integer =
  (min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Check<number> =>
  (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? ok(value)
      : wrong(path, `a whole number from ${min} to ${max}`, value);

export const boolean: Check<boolean> = (value, path) =>
  typeof value === 'boolean' ? ok(value) : wrong(path, '`true` or `false`', value);

export const text =
  (maxLength: number): Check<string> =>
  (value, path) =>
    typeof value === 'string' && value.length <= maxLength
      ? ok(value)
      : wrong(path, `text of at most ${maxLength} characters`, value);

export const instant: Check<Instant> = (value, path) =>
  parseInstant(value).ok ? ok(value as Instant) : wrong(path, 'an instant such as 2026-11-23T14:48:48.000Z', value);

export const anyJson: Check<JsonValue> = (value, path) =>
  value === undefined ? wrong(path, 'a value', value) : ok(value);

export const nullable =
  <T>(inner: Check<T>): Check<T | null> =>
  (value, path) =>
    value === null ? ok(null) : inner(value, path);

/** A field that may be missing; `undefined` where it is. */
export const optional =
  <T>(inner: Check<T>): Check<T | undefined> =>
  (value, path) =>
    value === undefined ? ok(undefined) : inner(value, path);

export const listOf =
  <T>(inner: Check<T>, maxItems: number): Check<readonly T[]> =>
  (value, path) => {
    if (!Array.isArray(value) || value.length > maxItems) return wrong(path, `a list of at most ${maxItems}`, value);
    const items: T[] = [];
    for (const [at, item] of (value as readonly JsonValue[]).entries()) {
      const checked = inner(item, `${path}[${at}]`);
      if (!checked.ok) return checked;
      items.push(checked.value);
    }
    return ok(items);
  };

export const recordOf =
  <T>(keyForm: RegExp, inner: Check<T>, maxEntries: number): Check<{ readonly [key: string]: T }> =>
  (value, path) => {
    if (!isObject(value)) return wrong(path, 'an object', value);
    const keys = Object.keys(value);
    if (keys.length > maxEntries) return wrong(path, `an object of at most ${maxEntries} entries`, keys.length);
    const result: { [key: string]: T } = Object.create(null);
    for (const key of keys) {
      if (!keyForm.test(key)) return wrong(`${path}.${key}`, `a name like ${keyForm.source}`, key);
      const checked = inner(value[key], `${path}.${key}`);
      if (!checked.ok) return checked;
      result[key] = checked.value;
    }
    return ok(result);
  };

/** Exactly these fields, no more and no fewer. */
export const shape = <F extends { readonly [field: string]: Check<unknown> }>(
  fields: F,
): Check<{ readonly [K in keyof F]: Checked<F[K]> }> => {
  const checks = Object.entries(fields);
  return (value, path) => {
    if (!isObject(value)) return wrong(path || 'document', 'an object', value);
    const result: { [field: string]: unknown } = {};
    let present = 0;
    for (const [field, check] of checks) {
      const has = Object.hasOwn(value, field);
      if (has) present += 1;
      const checked = check(has ? value[field] : undefined, path ? `${path}.${field}` : field);
      if (!checked.ok) return unknownField(value, fields, path) ?? checked;
      result[field] = checked.value;
    }
    if (Object.keys(value).length > present)
      return unknownField(value, fields, path) ?? wrong(path, 'an object', value);
    return ok(result as { readonly [K in keyof F]: Checked<F[K]> });
  };
};

// Said before all else: a field with a slip in its name is also one that is missing.
const unknownField = (value: JsonObject, fields: object, path: string): Refused | undefined => {
  const field = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
  return field === undefined
    ? undefined
    : refuse(
        'shape-mismatch',
        'K5',
        `unknown field \`${path ? `${path}.` : ''}${field}\``,
        { field },
        `the fields are ${Object.keys(fields).join(', ')}`,
      );
};
