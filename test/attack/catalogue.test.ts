// SPDX-License-Identifier: Apache-2.0
// The catalogue of attacks is whole and true: every class once, every test it names there, every test named after what it shows.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { catalogue } from './catalogue.ts';

const numbered = (letter: string, count: number, digits: number): string[] =>
  Array.from({ length: count }, (_, at) => `${letter}${String(at + 1).padStart(digits, '0')}`);
const classes = [...numbered('A', 48, 2), ...numbered('C', 32, 1), ...numbered('T', 14, 1)];

const own = basename(import.meta.filename);
const titles = globSync('*.test.ts', { cwd: import.meta.dirname })
  .filter((file) => file !== own)
  .flatMap((file) =>
    [...readFileSync(`${import.meta.dirname}/${file}`, 'utf8').matchAll(/^test\(\s*'((?:[^'\\]|\\.)*)'/gm)].map(
      (match) => match[1] ?? '',
    ),
  );
const idsOf = (title: string): readonly string[] => (/^((?:[A-Z]+\d+ )*[A-Z]+\d+): /.exec(title)?.[1] ?? '').split(' ');

test('every class of attacks stands in the catalogue once, in order', () => {
  assert.deepEqual(
    catalogue.map(({ id }) => id),
    classes,
  );
});

test('every class is shown by tests that exist and name it, or says why not yet', () => {
  for (const one of catalogue) {
    if ('notYet' in one) {
      assert.ok(one.notYet.length > 40, one.id);
      continue;
    }
    assert.ok(one.shownBy.length > 0, one.id);
    for (const title of one.shownBy) {
      assert.ok(titles.includes(title), `${one.id}: there is no test \`${title}\``);
      assert.ok(idsOf(title).includes(one.id), `\`${title}\` does not name ${one.id}`);
    }
  }
});

test('every test of an attack begins with the ids it shows, and no two have one title', () => {
  assert.ok(titles.length > 60);
  assert.equal(new Set(titles).size, titles.length);
  assert.deepEqual(
    titles.filter((title) => idsOf(title).join('') === ''),
    [],
  );
});

test('every class that a title names finds that test in the catalogue', () => {
  const missing = titles.flatMap((title) =>
    idsOf(title)
      .filter((id) => classes.includes(id))
      .filter((id) => {
        const one = catalogue.find((found) => found.id === id);
        return one === undefined || 'notYet' in one || !one.shownBy.includes(title);
      })
      .map((id) => `${id}: ${title}`),
  );
  assert.deepEqual(missing, []);
});
