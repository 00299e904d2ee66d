// SPDX-License-Identifier: Apache-2.0
// SPEC L5: what an entry can hold.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import {
  encodeEntry,
  isRecordable,
  maxEntryBytes,
  maxValueDepth,
  parseEntry,
  type Entry,
} from '../../src/ledger/entry.ts';

const entry: Entry = {
  tenant: 'main',
  index: 7,
  time: '2026-11-23T14:48:48.000Z' as Instant,
  semantics: 0,
  command: { type: 'Do' },
  events: [{ type: 'Done' }],
};
const textOf = (over: JsonObject): string => canonicalize({ ...entry, ...over });
const codeOf = (text: string | Uint8Array): string | undefined => {
  const read = parseEntry(text);
  return read.ok ? undefined : read.refusal.code;
};
const deep = (levels: number): JsonValue => (levels === 0 ? 1 : [deep(levels - 1)]);

describe('entries', () => {
  it('come back as they were written', () => {
    const text = encodeEntry(entry);
    assert.ok(text.ok);
    assert.equal(
      text.value,
      '{"command":{"type":"Do"},"events":[{"type":"Done"}],"index":7,"semantics":0,"tenant":"main","time":"2026-11-23T14:48:48.000Z"}',
    );
    assert.deepEqual(parseEntry(Buffer.from(text.value)), { ok: true, value: entry });
  });

  it('SPEC L5: have 60 KiB at most, in bytes', () => {
    const empty = encodeEntry({ ...entry, command: { text: '' } });
    assert.ok(empty.ok);
    const room = maxEntryBytes - Buffer.byteLength(empty.value);
    const full = encodeEntry({ ...entry, command: { text: 'x'.repeat(room) } });
    assert.ok(full.ok && Buffer.byteLength(full.value) === 61440 && parseEntry(full.value).ok);
    for (const text of ['x'.repeat(room + 1), `${'x'.repeat(room - 1)}ü`, '€'.repeat(Math.ceil(room / 3) + 1)]) {
      const refused = encodeEntry({ ...entry, command: { text } });
      assert.ok(!refused.ok && refused.refusal.code === 'entry-too-large', String(text.length));
      assert.equal(codeOf(textOf({ command: { text } })), 'json-too-large');
    }
    assert.ok(encodeEntry({ ...entry, command: { text: '€'.repeat(Math.floor(room / 3)) } }).ok);
  });

  it('SPEC L5: have exactly their fields, in canonical form', () => {
    const good = textOf({});
    for (const wrong of [
      textOf({ more: 1 }),
      textOf({ semantics: -1 }),
      textOf({ semantics: '1' }),
      textOf({ index: -1 }),
      textOf({ index: 1.5 }),
      textOf({ tenant: 'Main' }),
      textOf({ tenant: '../x' }),
      textOf({ time: '2026-11-23' }),
      textOf({ command: [] }),
      textOf({ command: 'x' }),
      textOf({ events: {} }),
      textOf({ events: [1] }),
      good.replace('{"command"', '{"command":{},"command"'),
      ` ${good}`,
      `${good}\n`,
      good.slice(0, -1),
      '',
      '[]',
      good.replace('"index":7,"semantics":0', '"semantics":0,"index":7'),
    ])
      assert.ok(codeOf(wrong) !== undefined, wrong.slice(0, 80));
  });

  it('SPEC L5: a command that can be recorded can be read back, to the last level', () => {
    const command = { deep: deep(maxValueDepth - 1) };
    assert.ok(isRecordable(command));
    const text = encodeEntry({ ...entry, command, events: [] });
    assert.ok(text.ok && parseEntry(text.value).ok);
    assert.ok(!isRecordable({ deep: deep(maxValueDepth) }));
    for (const value of [1.5, Number.NaN, 2 ** 53, '\ud800', { '\ud800': 1 }, [undefined], { a: undefined }, () => 1])
      assert.ok(!isRecordable(value as JsonValue), String(value));
  });
});
