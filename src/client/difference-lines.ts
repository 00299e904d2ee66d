// SPDX-License-Identifier: Apache-2.0
import { fingerprintWords } from '../crypto/words.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { visibleText } from './visible-text.ts';

/**
 * What one document changes in another, a line each, safe to print:
 *
 *     restart.service.timing.permit_valid_ms 900000 → 1200000
 *     group/ops.members + "p_7h2k9w"
 *
 * It says what to look at first. What is signed is the whole document, which is shown as well.
 */
export const differenceLines = (before: JsonValue, after: JsonValue, path = ''): readonly string[] => {
  if (canonicalize(before) === canonicalize(after)) return [];
  if (isObject(before) && isObject(after)) return ofRecords(before, after, path);
  if (Array.isArray(before) && Array.isArray(after)) return ofLists(before, after, path);
  return [`${path} ${shown(before)} → ${shown(after)}`];
};

const shown = (value: JsonValue): string => visibleText(JSON.stringify(value));
const inner = (path: string, key: string): string => (path === '' ? visibleText(key) : `${path}.${visibleText(key)}`);

const ofRecords = (before: JsonObject, after: JsonObject, path: string): readonly string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((key) => {
    const [old, fresh] = [before, after].map((one) => (Object.hasOwn(one, key) ? one[key] : undefined));
    if (old === undefined) return values(fresh ?? null, inner(path, key)).map((line) => `${line.path} + ${line.value}`);
    if (fresh === undefined) return values(old, inner(path, key)).map((line) => `${line.path} - ${line.value}`);
    return differenceLines(old, fresh, inner(path, key));
  });

type Line = { readonly path: string; readonly value: string };
const values = (value: JsonValue, path: string): readonly Line[] =>
  isObject(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, one]) => values(one, inner(path, key)))
    : [{ path, value: shown(value) }];

const isPlain = (value: JsonValue): boolean => value === null || typeof value !== 'object';
const nameOf = (value: JsonValue): string | undefined =>
  isObject(value) && typeof value['name'] === 'string' ? value['name'] : undefined;

// Tiers and seats are known by name, so that one in between moves none of the others; names and ids come and go.
const ofLists = (before: readonly JsonValue[], after: readonly JsonValue[], path: string): readonly string[] => {
  const whole = [`${path} ${shown(before)} → ${shown(after)}`];
  const both = [...before, ...after];
  if (both.every(isPlain)) {
    const [old, fresh] = [new Set(before.map(shown)), new Set(after.map(shown))];
    const moved = [
      ...[...old].filter((one) => !fresh.has(one)).map((one) => `${path} - ${one}`),
      ...[...fresh].filter((one) => !old.has(one)).map((one) => `${path} + ${one}`),
    ];
    return moved.length === 0 ? whole : moved;
  }
  const [old, fresh] = [byName(before), byName(after)];
  if (old === undefined || fresh === undefined) return whole;
  const [oldOrder, freshOrder] = [kept(old, fresh), kept(fresh, old)];
  const order = oldOrder === freshOrder ? [] : [`${path} order: ${oldOrder} → ${freshOrder}`];
  return [...order, ...ofRecords(old, fresh, path)];
};

const kept = (one: JsonObject, other: JsonObject): string =>
  Object.keys(one)
    .filter((name) => Object.hasOwn(other, name))
    .map(visibleText)
    .join(', ');

const byName = (list: readonly JsonValue[]): JsonObject | undefined => {
  const entries = list.map((one) => [nameOf(one) ?? '', one] as const);
  const names = new Set(entries.map(([name]) => name));
  return names.has('') || names.size < list.length ? undefined : Object.fromEntries(entries);
};

const keyLine = (key: string, record: JsonObject): string => {
  const fingerprint = key.slice('key/'.length);
  return `${visibleText(key)} enrolled for ${visibleText(String(record['holder']))} (six words: ${fingerprintWords(fingerprint).join(' ')}), level ${visibleText(String(record['level']))}`;
};

const memberLines = (key: string, before: JsonObject, after: JsonObject): readonly string[] =>
  differenceLines(before, after, visibleText(key)).map((line) => line.replace('.members ', ' '));

/** What a roster change does, record by record: who joins which group, whose key comes in, with its six words. */
export const rosterDifference = (
  records: ReadonlyMap<string, JsonObject>,
  { set, remove }: { readonly set: { readonly [key: string]: JsonObject }; readonly remove: readonly string[] },
): readonly string[] => [
  ...Object.entries(set).flatMap(([key, record]) => {
    const before = records.get(key);
    if (before !== undefined) return memberLines(key, before, record);
    if (key.startsWith('key/')) return [keyLine(key, record)];
    return [`${visibleText(key)} added: ${shown(record)}`];
  }),
  ...remove.map((key) => `${visibleText(key)} removed`),
];
