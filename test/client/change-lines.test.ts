// SPDX-License-Identifier: Apache-2.0
// Content as people see it before they sign it (SPEC W2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentLines } from '../../src/client/change-lines.ts';
import { digestOf } from '../../src/crypto/digest.ts';

const shown = (text: string): readonly string[] => {
  const lines = contentLines(digestOf(text), Buffer.from(text));
  assert.ok(lines.ok);
  return lines.value.map(({ path, value }) => `${path} ${value}`);
};

test('W2: a line break at the end begins no line, and one that is missing is said: the bytes are others', () => {
  assert.deepEqual(shown('echo a\n'), ['line 1 echo a']);
  assert.deepEqual(shown('echo a'), ['line 1 echo a', 'end (without a line break)']);
  assert.deepEqual(shown('echo a\n\n'), ['line 1 echo a', 'line 2 ']);
  assert.deepEqual(shown('\n'), ['line 1 ']);
  assert.deepEqual(shown('{"a":1}'), ['a 1'], 'canonical JSON is shown value by value');
});
