// SPDX-License-Identifier: Apache-2.0
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import type { Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Result } from '../kernel/refusal.ts';
import { instant, integer, isObject, listOf, matching, shape, type Check } from '../kernel/shape.ts';
import { tenantForm } from './store.ts';

/**
 * One entry of a ledger (FORMATS §4), canonical JSON:
 *
 *     {"command":{…},"events":[{…}],"index":7,"semantics":0,"tenant":"main","time":"2026-11-23T14:48:48.000Z"}
 *
 * The command as it was received and the events it led to. Its bytes are the leaf of the tree.
 */
export type Entry = {
  readonly tenant: string;
  readonly index: number;
  readonly time: Instant;
  /** Which rules it was decided by (SPEC L24). */
  readonly semantics: number;
  readonly command: JsonObject;
  readonly events: readonly JsonObject[];
};

/** 60 KiB: an entry must fit into a C2SP entry bundle, whose lengths are 16 bits (SPEC L5). */
export const maxEntryBytes = 61440;
/** A command or event may be nested this deep; the entry around it adds two levels. */
export const maxValueDepth = 32;

const object: Check<JsonObject> = (value, path) =>
  isObject(value)
    ? ok(value)
    : refuse('shape-mismatch', 'K5', `field \`${path}\` must be an object`, { field: path }, 'give an object');

const entryShape = shape({
  command: object,
  events: listOf(object, 4096),
  index: integer(0),
  semantics: integer(0),
  tenant: matching(tenantForm, 'a tenant name'),
  time: instant,
});

/** Whether a value can stand in an entry and be read back: whole safe numbers, no undefined, not too deep. */
export const isRecordable = (value: JsonValue | undefined, depthLeft = maxValueDepth): boolean => {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value === 'boolean' || value === null) return true;
  if (typeof value !== 'object' || depthLeft <= 0) return false;
  if (Array.isArray(value)) return value.every((item) => isRecordable(item as JsonValue, depthLeft - 1));
  for (const [key, item] of Object.entries(value))
    if (!key.isWellFormed() || !isRecordable(item, depthLeft - 1)) return false;
  return true;
};

/** The parts of an entry whose canonical text is known already; saves writing a long command twice. */
export type EntryParts = {
  readonly tenant: string;
  readonly index: number;
  readonly time: Instant;
  readonly semantics: number;
  readonly commandText: string;
  readonly eventsText: string;
};

/** Joins canonical parts into the canonical entry. Refuses what would be too large. */
export const joinEntry = ({ tenant, index, time, semantics, commandText, eventsText }: EntryParts): Result<string> => {
  const text = `{"command":${commandText},"events":${eventsText},"index":${index},"semantics":${semantics},"tenant":"${tenant}","time":"${time}"}`;
  // A text of n UTF-16 units has at most 3n bytes, so most entries need not be measured.
  const bytes = text.length * 3 <= maxEntryBytes ? text.length : Buffer.byteLength(text);
  if (bytes <= maxEntryBytes) return ok(text);
  return refuse(
    'entry-too-large',
    'L5',
    `the entry would have ${bytes} bytes, more than ${maxEntryBytes}`,
    { bytes, limit: maxEntryBytes },
    'attach large content by its digest',
  );
};

/** The canonical text of an entry. Refuses one that is too large. */
export const encodeEntry = (entry: Entry): Result<string> =>
  joinEntry({
    tenant: entry.tenant,
    index: entry.index,
    time: entry.time,
    semantics: entry.semantics,
    commandText: canonicalize(entry.command),
    eventsText: canonicalize(entry.events),
  });

/** Reads an entry strictly: canonical, complete, nothing else in it, at most 60 KiB. */
export const parseEntry = (bytes: string | Uint8Array): Result<Entry> => {
  const parsed = parseCanonical(bytes, { maxBytes: maxEntryBytes, maxDepth: maxValueDepth + 2 });
  return parsed.ok ? entryShape(parsed.value, '') : parsed;
};
