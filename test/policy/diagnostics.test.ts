// SPDX-License-Identifier: Apache-2.0
// What people are told about documents that are wrong: the code, the exact place, and what to do. All of it at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDiagnostic } from '../../src/policy/diagnostic.ts';
import { base, cases } from './diagnostic-cases.ts';
import { diagnosticsOf } from './policy-files.ts';

for (const [name, from, to, code, message, help] of cases)
  test(`P14: ${name} is refused with its place and what to do`, () => {
    assert.equal(base.split(from).length > 1, true, `the sample has no \`${from}\``);
    const marked = base.replace(from, () => to);
    const mark = marked.indexOf('«');
    const text = marked.replace('«', '');
    const found = diagnosticsOf(text);
    const [first] = found;
    assert.ok(first);
    const shown = found.map(formatDiagnostic).join('\n\n');
    assert.equal(found.length, 1, shown);
    assert.equal(first.code, code, shown);
    assert.match(first.message, message);
    assert.match(first.help, help);
    assert.equal(first.file, 'a.yaml');
    if (mark < 0) return;
    const before = text.slice(0, mark);
    assert.deepEqual([first.line, first.column], [before.split('\n').length, mark - before.lastIndexOf('\n')], shown);
  });

test('P14: everything that is wrong is told at once, also beside a wrong shape', () => {
  const found = diagnosticsOf(
    base
      .replace('title: Put it into staging\n', '')
      .replace('group:developers', 'developers')
      .replace('15m', '15min')
      .replace('facts.authors) > 5', 'facts.autors) > 5')
      .replace('git(commit)', 'git(comit)'),
  );
  assert.deepEqual(
    found.map((one) => one.message),
    [
      '`title` is missing',
      'fact `comit` is not declared',
      '`15min` is no duration',
      '`developers` does not say what it is',
      'fact `autors` is not declared',
    ].toSorted((a, b) => found.findIndex((one) => one.message === a) - found.findIndex((one) => one.message === b)),
    found.map(formatDiagnostic).join('\n'),
  );
});

test('P14: one missing section is one finding, not one for each text in it', () => {
  const found = diagnosticsOf(base.replace(/timing: .*\n/, '').replace(/people: .*\n/, ''));
  assert.deepEqual(found.map((one) => one.message).sort(), ['`people` is missing', '`timing` is missing']);
});

test('P14: an action in two documents is refused, and the other place is named', () => {
  const found = diagnosticsOf(base, `# second\n${base}`);
  assert.equal(found.length, 1);
  assert.equal(found[0]?.code, 'policy-action-twice');
  assert.deepEqual([found[0]?.file, found[0]?.line, found[0]?.column], ['b.yaml', 3, 7]);
  assert.match(found[0]?.help ?? '', /a\.yaml, line 2/);
});

test('a diagnostic shows file, line, column, the line itself with a mark, and help', () => {
  const [first] = diagnosticsOf(base.replace('4h', '4 hours'));
  assert.ok(first);
  assert.equal(
    formatDiagnostic(first),
    [
      'a.yaml:20:25: error[policy-duration-malformed]: `4 hours` is no duration',
      '20 | timing: {answer-within: 4 hours, permit-valid: 15m, review-within: 3d}',
      `   | ${' '.repeat(24)}^`,
      '  help: write a whole number from 1 and a unit: `30s`, `15m`, `4h`, `3d`',
    ].join('\n'),
  );
});

test('places inside quoted conditions are exact too, and at the start of the text where it has escapes', () => {
  const quoted = base.replace('when: size(facts.authors) > 5', 'when: "true && size(facts.autors) > 5"');
  const [first] = diagnosticsOf(quoted);
  assert.equal(first?.column, (quoted.split('\n')[(first?.line ?? 1) - 1]?.indexOf('.autors') as number) + 1);
  const escaped = base.replace('when: size(facts.authors) > 5', 'when: "\\x20size(facts.autors) > 5"');
  const [second] = diagnosticsOf(escaped);
  assert.equal(second?.column, (escaped.split('\n')[14]?.indexOf('"') ?? 0) + 1);
});
