// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsEscaping, visibleLines, visibleText } from '../../src/client/visible-text.ts';

test('what a terminal would obey, hide, turn around or draw like something else is written out (A35, C23)', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain ~!"§', 'plain ~!"§'],
    ['\u001b[2Jgone', '\\u{1b}[2Jgone'],
    ['a\u202etxt.exe', 'a\\u{202e}txt.exe'],
    ['zero\u200bwidth', 'zero\\u{200b}width'],
    ['p\u0430ypal', 'p\\u{430}ypal'],
    ['full\uff0fwidth', 'full\\u{ff0f}width'],
    ['non\u00a0breaking', 'non\\u{a0}breaking'],
    ['e\u0301', 'e\\u{301}'],
    ['\u{1d41a}', '\\u{1d41a}'],
    ['\u{e0041}tag', '\\u{e0041}tag'],
    ['hangul\u3164filler', 'hangul\\u{3164}filler'],
    ['minus\u2212', 'minus\\u{2212}'],
    ['line\nbreak', 'line\\u{a}break'],
    ['lone\ud800', 'lone\\u{d800}'],
    ['Grüße, 東京', 'Grüße, 東京'],
  ];
  for (const [given, shown] of cases) assert.equal(visibleText(given), shown);
});

test('an escape typed as text does not pass for one: the backslash is doubled', () => {
  assert.equal(visibleText('\\u{202e}'), '\\\\u{202e}');
  assert.ok(!needsEscaping('C:\\plain'));
  assert.ok(needsEscaping('a\u202eb'));
});

test('lines stay lines and nothing else does', () => {
  assert.deepEqual(visibleLines('one\ntwo\r'), ['one', 'two\\u{d}']);
});
