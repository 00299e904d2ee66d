// SPDX-License-Identifier: Apache-2.0
// Documents meant to hurt: deep, huge, self-multiplying, or full of what YAML can do and policy must not (T14).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCondition } from '../../src/policy/cel.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { parsePolicyFile } from '../../src/policy/parse.ts';
import { base } from './diagnostic-cases.ts';
import { diagnosticsOf } from './policy-files.ts';

const codesOf = (text: string): readonly string[] => diagnosticsOf(text).map((one) => one.code);
/** Runs it and holds it to a few seconds; what these documents are for would take hours. */
const quickly = <T>(act: () => T): T => {
  const from = performance.now();
  const result = act();
  const took = performance.now() - from;
  assert.ok(took < 10_000, `took ${Math.round(took)} ms`);
  return result;
};

test('P14: an alias bomb is refused without being spelt out', () => {
  let text = `${base}bomb:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n`;
  for (let at = 1; at < 12; at += 1)
    text += `  a${at}: &a${at} [${Array.from({ length: 10 }, () => `*a${at - 1}`).join(', ')}]\n`;
  const codes = quickly(() => codesOf(text));
  assert.ok(codes.includes('policy-yaml-forbidden'));
});

test('P14: nesting deeper than any stack is refused', () => {
  for (const text of [
    '['.repeat(100_000),
    `a: ${'{a: '.repeat(50_000)}`,
    `${base}x: ${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  ])
    quickly(() => assert.ok(codesOf(text).length > 0));
});

test('P14: a huge file, and one of very many documents, is refused at once', () => {
  assert.deepEqual(
    quickly(() => codesOf(`# ${'x'.repeat(300_000)}`)),
    ['policy-too-large'],
  );
  assert.deepEqual(
    quickly(() => codesOf('---\nkind: Action\n'.repeat(200))),
    ['policy-too-large'],
  );
});

test('P14: more actions than a policy may have are refused', () => {
  const files = Array.from({ length: 65 }, (_, at) => ({
    name: `${at}.yaml`,
    text: base.replace('deploy.staging', `deploy.staging${at}`),
  }));
  const result = quickly(() => compilePolicy(files, { commit: null }));
  assert.ok(!result.ok);
  assert.deepEqual(
    result.diagnostics.map((one) => one.code),
    ['policy-too-large'],
  );
});

test('P14: keys that JavaScript objects know already are keys like any other, and unknown', () => {
  for (const key of ['constructor', 'prototype', 'toString', 'valueOf'])
    assert.deepEqual(codesOf(`${base}${key}: {kind: Action, owner: group:x}\n`), ['policy-document-malformed'], key);
  assert.deepEqual(codesOf(`${base}__proto__: {kind: Action}\n`), ['policy-yaml-forbidden']);
  const fact = codesOf(base.replace('  service: {', '  __proto__: {type: int, source: requester}\n  service: {'));
  assert.deepEqual(fact, ['policy-yaml-forbidden']);
  assert.equal(({} as { type?: string }).type, undefined);
});

test('P14: what YAML could smuggle in is refused', () => {
  for (const [put, code] of [
    ['start: !!js/function "x"', 'policy-yaml-malformed'],
    ['start: !custom 1', 'policy-yaml-malformed'],
    ['? [a, b]\n  : 1', 'policy-yaml-forbidden'],
    ['1: x', 'policy-yaml-forbidden'],
    ['true: x', 'policy-yaml-forbidden'],
    ['~: x', 'policy-yaml-forbidden'],
  ] as const)
    assert.ok(
      codesOf(base.replace('start: 0', put)).some((one) => one.startsWith('policy-yaml-')),
      `${put} ${code}`,
    );
});

test('P14: `no`, `on` and old octals mean what YAML 1.2 says, so that nothing is a surprise', () => {
  const parsed = parsePolicyFile({ name: 'x', text: 'a: no\nb: on\nc: 010\nd: 0o10\ne: 1_000\nf: 2026-11-23\n' });
  assert.deepEqual(parsed.documents[0]?.value, { a: 'no', b: 'on', c: 10, d: 8, e: '1_000', f: '2026-11-23' });
});

test('P15: hostile conditions are refused, and quickly', () => {
  for (const condition of [
    `${'('.repeat(900)}true${')'.repeat(900)}`,
    '!'.repeat(1999),
    `${'!('.repeat(600)}true${')'.repeat(600)}`,
    `[${'['.repeat(900)}`,
    `${'true ? '.repeat(280)}true`,
    `${'size(facts.authors) + '.repeat(80)}1 > 0`,
    `${'true && '.repeat(240)}true`,
    `"${'x'.repeat(1900)}" == facts.service`,
    `'\\uD800' == facts.service`,
    `"\\ud800" == facts.service`,
  ]) {
    const text = base.replace('when: size(facts.authors) > 5', () => `when: ${JSON.stringify(condition)}`);
    quickly(() =>
      assert.match(codesOf(text)[0] ?? '', /^policy-(condition|document)-malformed$/, condition.slice(0, 40)),
    );
  }
});

test('P15: 200 brackets are read and 201 are not, however much room is left on the stack', () => {
  const nested = (brackets: number): string => `${'('.repeat(brackets)}true${')'.repeat(brackets)}`;
  assert.ok(parseCondition(nested(200), []).ok);
  const deep = (left: number): ReturnType<typeof parseCondition> =>
    left > 0 ? deep(left - 1) : parseCondition(nested(200), []);
  assert.ok(deep(1000).ok);
  for (const text of [nested(201), `size(${'['.repeat(200)}${']'.repeat(200)}) > 0`, `'${'{'.repeat(201)}' == 'x'`]) {
    const refused = parseCondition(text, []);
    assert.match(refused.ok ? 'read' : refused.problem.message, /opens more than 200 brackets/, text.slice(0, 20));
  }
});

test('P15: half a surrogate pair that a YAML escape puts into a condition is refused', () => {
  const text = base.replace('when: size(facts.authors) > 5', () => String.raw`when: "facts.service == '\uD800'"`);
  assert.deepEqual(codesOf(text), ['policy-yaml-forbidden']);
  assert.deepEqual(codesOf(base.replace('why: large', String.raw`why: "\uDC00"`)), ['policy-yaml-forbidden']);
});

test('A35: characters that turn or hide text are shown at their place and never reach a name', () => {
  for (const put of ['deploy.stag\u202eing', 'deploy.stаging', 'deploy.staging\u200b'])
    assert.ok(codesOf(base.replace('deploy.staging', put)).includes('policy-document-malformed'));
});

test('a file that ends with `---` or begins with a byte-order mark reads as without', () => {
  for (const text of [`${base}---\n`, `---\n${base}...\n`, `\ufeff${base}`, base.replaceAll('\n', '\r\n')])
    assert.ok(compilePolicy([{ name: 'x.yaml', text }], { commit: null }).ok, JSON.stringify(text.slice(0, 20)));
});
