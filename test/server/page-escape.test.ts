// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  asciiText,
  clipped,
  escapeAttribute,
  escapeHtml,
  showsWhole,
  visibleText,
} from '../../src/server/page-escape.ts';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { html } from '../../src/server/page-html.ts';

test('a bidi override, an isolate, a zero-width space, a tag and a soft hyphen are seen (A35)', () => {
  assert.equal(visibleText('a\u202eb'), 'a\\u202eb');
  assert.equal(visibleText('\u2066\u200b\u00ad\ufeff'), '\\u2066\\u200b\\u00ad\\ufeff');
  assert.equal(visibleText('\u{e0041}'), '\\udb40\\udc41');
  assert.equal(visibleText('one\ntwo\ttree\u0000\u0085\u2028'), 'one\\u000atwo\\u0009tree\\u0000\\u0085\\u2028');
  assert.equal(visibleText('\u3164\u115f\u2800\u00a0\ufe0f'), '\\u3164\\u115f\\u2800\\u00a0\\ufe0f');
  assert.equal(visibleText('half \ud83d'), 'half \\ud83d');
  for (const plain of ['Łódź, naïve, 北京, שלום, 🙂', 'e\u0301'])
    assert.deepEqual([visibleText(plain), showsWhole(plain)], [plain, true]);
});

test('marks that pile up over other lines are escaped from the third on', () => {
  assert.equal(visibleText(`a${'\u0301'.repeat(4)}`), 'a\u0301\u0301\\u0301\\u0301');
});

test('markup is text, and a typed escape does not look like a real one', () => {
  assert.equal(escapeHtml(`<b a="1" b='2'>&\`</b>`), '&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;&#96;&lt;/b&gt;');
  assert.equal(escapeHtml('\\u202e'), '\\u202e');
  assert.equal(escapeHtml('\u202e'), '<span class="escape">\\u202e</span>');
  assert.equal(escapeAttribute('"\u202e'), '&quot;\\u202e');
});

test('a template with a stray backslash is an error, and no piece of a page vanishes', () => {
  assert.throws(() => html`<p>\u</p>`, BrokenInvariant);
  assert.equal(html`<p>\\u</p>`.markup, '<p>\\u</p>');
});

test('look-alike letters can be told apart when spelt out', () => {
  assert.equal(asciiText('pаypal'), 'p\\u0430ypal');
});

test('what is cut says so, and no character is cut in two', () => {
  assert.equal(clipped('abc', 3), 'abc');
  assert.equal(clipped('ab🙂cd', 3), 'ab … and 4 characters more');
});

test('whatever comes in, neither an element, nor an attribute end, nor anything unseen comes out', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const out = escapeHtml(text).replaceAll(/<span class="escape">(?:\\u[0-9a-f]{4})+<\/span>/g, '');
      assert.doesNotMatch(out, /[<>"'`]/);
      assert.ok(showsWhole(out));
      assert.doesNotMatch(escapeAttribute(text), /[<>"'`\n]/);
      assert.equal(visibleText(visibleText(text)), visibleText(text));
    }),
    { numRuns: 2000 },
  );
});

test('the template escapes by place: an escape frame never lands inside a tag', () => {
  const evil = '"><script>\u202e';
  assert.equal(
    html`<a href="/x/${evil}" title="${evil}">${evil}</a>`.markup,
    '<a href="/x/&quot;&gt;&lt;script&gt;\\u202e" title="&quot;&gt;&lt;script&gt;\\u202e">&quot;&gt;&lt;script&gt;<span class="escape">\\u202e</span></a>',
  );
  assert.equal(html`${false}${null}${[1, html`<i>${'<'}</i>`]}`.markup, '1<i>&lt;</i>');
});

test('an object that came as JSON is never taken for markup', () => {
  const forged = { markup: '<b>' } as unknown as string;
  assert.throws(() => html`<p>${forged}</p>`);
});
