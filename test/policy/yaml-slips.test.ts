// SPDX-License-Identifier: Apache-2.0
// One slip in the YAML is one error, in words that say where to look.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base } from './diagnostic-cases.ts';
import { diagnosticsOf } from './policy-files.ts';

const spread = base
  .replace('tiers:\n', 'tiers:\n  # from the lowest score on\n')
  .replace(
    '  - {name: strict, from-score: 60, approvals: {platform: 2 of group:platform}, sign-with: own-key}',
    '  - name: strict\n    from-score: 60\n    approvals:\n      platform: 2 of group:platform\n    sign-with: own-key',
  );

const slips: readonly (readonly [
  name: string,
  from: string,
  to: string,
  place: string,
  message: RegExp,
  help: RegExp,
])[] = [
  [
    'a key too far right',
    '  start: 0',
    '   start: 0',
    '14:3',
    /line 14 begins at column 3, the line above at column 4/,
    /same column/,
  ],
  [
    'a key too far left',
    '  commit: {',
    ' commit: {',
    '9:2',
    /line 9 begins at column 2, the line above at column 3/,
    /./,
  ],
  [
    'a key deeper than its sibling',
    'title: ',
    ' title: ',
    '3:2',
    /line 3 begins at column 2, the line above at column 1/,
    /./,
  ],
  [
    'a key beside a dash',
    '    from-score: 60',
    '   from-score: 60',
    '21:4',
    /line 21 begins at column 4, the line above at column 5/,
    /./,
  ],
  [
    'an item too far left',
    '  - name: strict',
    ' - name: strict',
    '20:2',
    /line 20 begins at column 2, the line above at column 3/,
    /./,
  ],
  [
    'an item below a remark',
    '  - {name: standard',
    ' - {name: standard',
    '20:3',
    /line 20 begins at column 3, the line above at column 2/,
    /./,
  ],
  ['a tab', '  start: 0', '\tstart: 0', '13:1', /a tab stands where spaces have to/, /spaces/],
  ['a brace that is not closed', 'source: git(commit)}', 'source: git(commit)', '10:12', /`\{` is not closed/, /`\}`/],
  ['a bracket that is not closed', 'facts.authors], run', 'facts.authors, run', '11:44', /`\[` is not closed/, /`\]`/],
  ['a colon too many', 'title: Put it', 'title: Put: it', '3:8', /a second colon/, /quotes/],
  ['a colon too few', 'owner: group', 'owner group', '4:1', /a key without a colon/, /`key: value`/],
];

for (const [name, from, to, place, message, help] of slips)
  test(`P14: ${name} is one error at its place`, () => {
    assert.ok(spread.includes(from), from);
    const found = diagnosticsOf(spread.replace(from, () => to));
    assert.deepEqual(
      found.map((one) => [one.code, `${one.line}:${one.column}`]),
      [['policy-yaml-malformed', place]],
      found.map((one) => one.message).join('\n'),
    );
    assert.match(found[0]?.message ?? '', message);
    assert.match(found[0]?.help ?? '', help);
  });

test('P14: each key that stands twice is told, with the line where it stood first', () => {
  const found = diagnosticsOf(base.replace('timing:', 'enforced: advisory\nowner: group:x\ntiming:'));
  assert.deepEqual(
    found.map((one) => [one.line, one.message]),
    [
      [20, '`enforced` stands twice, first in line 6'],
      [21, '`owner` stands twice, first in line 4'],
    ],
  );
});

test('P14: whatever line slips by a column, there is at most one error of YAML', () => {
  const lines = spread.split('\n');
  lines.forEach((line, at) => {
    for (const slipped of [` ${line}`, line.replace(/^ /, ''), line.replace(/[}\]"]/, ''), line.replace(':', '')]) {
      const text = lines.with(at, slipped).join('\n');
      if (text === spread) continue;
      try {
        const found = diagnosticsOf(text).filter((one) => one.code === 'policy-yaml-malformed');
        assert.ok(found.length <= 1, `${slipped}: ${found.map((one) => one.message).join('; ')}`);
        assert.doesNotMatch(found[0]?.message ?? '', /implicit|compact|collection/i, slipped);
      } catch (error) {
        if (!(error instanceof Error && error.message.includes('expected it to be refused'))) throw error;
      }
    }
  });
});
