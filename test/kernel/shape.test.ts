// SPDX-License-Identifier: Apache-2.0
// SPEC K5: exactly the fields of the shape, each of its type and within its bounds.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import {
  anyJson,
  boolean,
  instant,
  integer,
  listOf,
  literal,
  matching,
  nullable,
  recordOf,
  shape,
  text,
  type Check,
} from '../../src/kernel/shape.ts';
import { parseJson } from '../../src/kernel/canonical-json.ts';

const refused = (check: Check<unknown>, value: JsonValue | undefined, words: string): void => {
  const result = check(value, 'field');
  assert.ok(!result.ok, `${JSON.stringify(value)} was taken`);
  assert.equal(result.refusal.code, 'shape-mismatch');
  assert.equal(result.refusal.rule, 'K5');
  assert.ok(result.refusal.message.includes(words), result.refusal.message);
  assert.ok(!result.refusal.message.includes('\n'));
};
const taken = (check: Check<unknown>, value: JsonValue): void => {
  const result = check(value, 'field');
  assert.deepEqual(result, { ok: true, value });
};

const person = shape({ name: text(5), age: nullable(integer(0, 150)), tags: listOf(literal('a', 'b'), 2) });

describe('shapes', () => {
  it('SPEC K5: take what fits', () => {
    taken(person, { name: 'ada', age: 36, tags: ['a', 'b'] });
    taken(person, { name: '', age: null, tags: [] });
    taken(matching(/^x+$/, 'some x'), 'xx');
    taken(boolean, false);
    taken(anyJson, { deep: [1] });
    taken(instant, '2026-11-23T14:48:48.000Z');
  });

  it('SPEC K5: refuse unknown, missing and mistyped fields, and say which, what was expected and what came', () => {
    refused(person, { name: 'ada', age: 1, tags: [], more: 1 }, 'unknown field `field.more`');
    refused(person, { name: 'ada', tags: [] }, '`field.age`');
    refused(person, { name: 'ada', age: '1', tags: [] }, 'a whole number from 0 to 150, got `"1"`');
    refused(person, { name: 'ada', age: 151, tags: [] }, 'got `151`');
    refused(person, { name: 'adalovelace', age: 1, tags: [] }, 'at most 5 characters');
    refused(person, { name: 'ada', age: 1, tags: ['a', 'c'] }, '`field.tags[1]`');
    refused(person, { name: 'ada', age: 1, tags: ['a', 'a', 'a'] }, 'a list of at most 2');
    refused(person, [], 'an object');
    refused(person, null, 'an object');
    refused(person, undefined, 'got `nothing`');
    refused(integer(), 1.5, 'whole number');
    refused(integer(), 2 ** 53, 'whole number');
    refused(boolean, 'true', '`true` or `false`');
    refused(instant, '2026-11-23', 'an instant');
    refused(anyJson, undefined, 'a value');
    refused(text(5), 'x'.repeat(500), '…');
  });

  it('take no field from a prototype: a field that is not there is not there', () => {
    const check = shape({ constructor: anyJson });
    refused(check, {}, '`field.constructor`');
    const read = parseJson('{"__proto__":{"name":"ada","age":1,"tags":[]}}');
    assert.ok(read.ok);
    refused(person, read.value, 'unknown field `field.__proto__`');
  });

  it('records hold names of one form, and `__proto__` only as a name', () => {
    const check = recordOf(/^[a-z_]+$/, integer(0), 2);
    const read = parseJson('{"__proto__":1,"a":2}');
    assert.ok(read.ok);
    const result = check(read.value, 'field');
    assert.ok(result.ok);
    assert.deepEqual(Object.entries(result.value), [
      ['__proto__', 1],
      ['a', 2],
    ]);
    assert.equal(Object.getPrototypeOf(result.value), null);
    refused(check, { A: 1 }, '`field.A`');
    refused(check, { a: 1, b: 2, c: 3 }, 'at most 2 entries');
    refused(check, { a: -1 }, '`field.a`');
  });
});
