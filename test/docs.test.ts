// SPDX-License-Identifier: Apache-2.0
// Docs cannot rot: codes, rules, links, commands and claims are held against the tree.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { refusalCodes } from '../src/kernel/refusal-codes.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const list = (pattern: string): string[] =>
  globSync(pattern, { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
const sources = list('src/**/*.ts');
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...list('docs/**/*.md'),
  ...list('spec/*.md'),
  ...list('examples/**/*.md'),
];

test('docs/errors.md explains every refusal code, and no other', () => {
  const explained = [...read('docs/errors.md').matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map((match) => match[1] ?? '');
  assert.deepEqual(
    explained.filter((code) => !(refusalCodes as readonly string[]).includes(code)),
    [],
    'explained, but not a code',
  );
  assert.deepEqual(
    refusalCodes.filter((code) => !explained.includes(code)),
    [],
    'a code that is not explained',
  );
});

test('every refusal code is used, and stands once in the list', () => {
  const code = sources
    .filter((file) => file !== 'src/kernel/refusal-codes.ts')
    .map(read)
    .join('\n');
  assert.deepEqual(
    refusalCodes.filter((one) => !code.includes(`'${one}'`)),
    [],
  );
  assert.equal(new Set(refusalCodes).size, refusalCodes.length);
});

test('every rule that code quotes stands in spec/SPEC.md', () => {
  const rules = new Set([...read('spec/SPEC.md').matchAll(/^- \*\*([A-Z]\d+)\*\*/gm)].map((match) => match[1] ?? ''));
  const quoted = new Map<string, string>();
  for (const file of [...sources, ...list('test/**/*.ts')]) {
    for (const match of read(file).matchAll(/refuse\(\s*'[a-z0-9-]+',\s*'([A-Z]\d+)'/g))
      quoted.set(match[1] ?? '', file);
    for (const match of read(file).matchAll(/SPEC ([A-Z]\d+)/g)) quoted.set(match[1] ?? '', file);
  }
  assert.deepEqual(
    [...quoted].filter(([rule]) => !rules.has(rule)).map(([rule, file]) => `${rule} in ${file}`),
    [],
  );
});

test('links between pages lead somewhere', () => {
  const dead = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !existsSync(join(root, dirname(page), link)))
      .map((link) => `${page} → ${link}`),
  );
  assert.deepEqual(dead, []);
});

test('commands that pages name exist', () => {
  const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
  const verbs = new Set(
    [
      ...execFileSync(process.execPath, [join(root, 'src/cli/main.ts'), 'help'], { encoding: 'utf8' }).matchAll(
        /^ {2}([a-z][a-z-]*)/gm,
      ),
    ].map((match) => match[1] ?? ''),
  );
  const missing = pages.flatMap((page) => {
    const text = read(page);
    const named = [...text.matchAll(/npm run ([a-z:]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => !scripts.includes(name));
    const used = [...text.matchAll(/(?:^|`|npx )countersign ([a-z][a-z-]*)/gm)]
      .map((match) => match[1] ?? '')
      .filter((verb) => !verbs.has(verb));
    return [...named, ...used].map((name) => `${page}: ${name}`);
  });
  assert.deepEqual(missing, []);
});

test('the README opens with the two commands', () => {
  const block = /```(?:sh|bash|console)?\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
  assert.match(block, /npm start/);
  assert.match(block, /npm test/);
});

test('the changelog knows the version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  assert.ok(read('CHANGELOG.md').includes(`## [${version}]`) || read('CHANGELOG.md').includes('## [Unreleased]'));
});

test('nothing tracked names a machine, a home folder or a package host', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const told = tracked.filter(
    (file) =>
      file !== 'test/docs.test.ts' &&
      /(^|[\s"'(`=])\/(work|root|home\/[a-z]+)\/|registry\.npmjs\.org|"resolved":/.test(read(file)),
  );
  assert.deepEqual(told, []);
});
