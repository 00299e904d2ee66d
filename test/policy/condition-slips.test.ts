// SPDX-License-Identifier: Apache-2.0
// What people are told about a condition that cannot be read: our words and the place, never the parser's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCondition } from '../../src/policy/cel.ts';

/** `«` stands before the place that the problem has to be at. */
const slips: readonly (readonly [text: string, message: string, help: RegExp])[] = [
  ['facts.rows «>', 'the condition ends too early', /something has to follow/],
  ['facts.rows > 5 «&& ', 'the condition ends too early', /something has to follow/],
  ['facts.rows «in', 'the condition ends too early', /something has to follow/],
  ['facts«.', 'the condition ends too early', /something has to follow/],
  ['«  ', 'the condition is empty', /facts\.migrations > 0/],
  ['size«(facts.rows', '`(` is not closed', /facts\.migrations > 0/],
  ["facts.rows > size(«'a)", 'a text is not closed', /the quote it begins with/],
  ["facts.rows > size(')') + size(facts.rows)«) ", 'the condition cannot be read from `)` on', /facts\.migrations > 0/],
  ['facts.rows «= 5', 'the condition cannot be read from `=` on', /^write `==`$/],
  ['facts.rows «<> 5', 'the condition cannot be read from `<>` on', /^write `!=`$/],
  ['facts.rows > 5 «and facts.rows < 9', 'the condition cannot be read from `and` on', /^write `&&`$/],
  ['facts.rows > 5 «or', 'the condition cannot be read from `or` on', /^write `||`$/],
  ['facts.rows > 5«;', 'the condition cannot be read from `;` on', /facts\.migrations > 0/],
];

for (const [marked, message, help] of slips)
  test(`P15: \`${marked.replace('«', '')}\`: ${message}`, () => {
    const parsed = parseCondition(marked.replace('«', ''), ['rows']);
    assert.ok(!parsed.ok);
    const { problem } = parsed;
    assert.equal(problem.code, 'policy-condition-malformed');
    assert.equal(problem.message, message);
    assert.match(problem.help, help);
    assert.equal(problem.at, marked.indexOf('«'));
  });

test('P15: no half of a condition is told in the words of the parser', () => {
  const text = `!(size(facts.rows) > 5 || facts.rows.exists(one, one == "a)") ? facts.rows == [1, 2] : -1 in [3] && true)`;
  for (let end = 0; end < text.length; end += 1)
    for (const half of [text.slice(0, end), text.slice(end)]) {
      const parsed = parseCondition(half, ['rows']);
      if (!parsed.ok) assert.doesNotMatch(parsed.problem.message, /expecting|end of input/, half);
    }
});
