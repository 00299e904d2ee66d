// SPDX-License-Identifier: Apache-2.0
// What people are shown first of a change to policy or roster.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differenceLines, rosterDifference } from '../../src/client/difference-lines.ts';
import { fingerprintWords } from '../../src/crypto/words.ts';

test('a value that changed is one line; what stayed is none', () => {
  const before = { 'restart.service': { timing: { permit_valid_ms: 900_000, answer_within_ms: 1 } } };
  const after = { 'restart.service': { timing: { permit_valid_ms: 1_200_000, answer_within_ms: 1 } } };
  assert.deepEqual(differenceLines(before, after), ['restart.service.timing.permit_valid_ms 900000 → 1200000']);
  assert.deepEqual(differenceLines(before, before), []);
});

test('tiers are known by name, so that one in between moves none of the others', () => {
  const tier = (name: string, count: number) => ({ name, count });
  const lines = differenceLines(
    { tiers: [tier('standard', 1), tier('critical', 3)] },
    { tiers: [tier('standard', 1), tier('strict', 2), tier('critical', 2)] },
  );
  assert.deepEqual(lines, ['tiers.critical.count 3 → 2', 'tiers.strict.name + "strict"', 'tiers.strict.count + 2']);
});

test('nothing that differs is without a line: order, types, and lists that cannot be told apart', () => {
  assert.deepEqual(differenceLines({ a: [1, 2] }, { a: [2, 1] }), ['a [1,2] → [2,1]']);
  assert.deepEqual(differenceLines({ a: [] }, { a: {} }), ['a [] → {}']);
  assert.deepEqual(differenceLines({ a: [{ x: 1 }] }, { a: [{ x: 2 }] }), ['a [{"x":1}] → [{"x":2}]']);
  const named = (...names: readonly string[]) => ({ a: names.map((name) => ({ name })) });
  assert.equal(differenceLines(named('x', 'y'), named('y', 'x')).length, 1, 'the order of tiers counts');
  assert.deepEqual(differenceLines({ a: 1 }, {}), ['a - 1']);
  assert.deepEqual(differenceLines({}, { a: {} }), ['a + {}']);
});

test('T9: names that would move a cursor are written out', () => {
  assert.deepEqual(differenceLines({}, { 'a\u202e': '\u001b[2J' }), ['a\\u{202e} + "\\\\u001b[2J"']);
});

test('who joins a group, which key comes in and with which six words', () => {
  const key = `SHA256:${'A'.repeat(43)}`;
  const records = new Map([
    ['group/ops', { members: ['p_ada0'] }],
    [`key/SHA256:${'B'.repeat(43)}`, { status: 'active', holder: 'person:p_ada0' }],
  ]);
  const change = {
    set: {
      'group/ops': { members: ['p_ada0', 'p_nsrm'] },
      [`key/${key}`]: { status: 'active', holder: 'person:p_nsrm', level: 'own-key', line: 'ssh-ed25519 AAAA' },
      [`key/SHA256:${'B'.repeat(43)}`]: { status: 'revoked', holder: 'person:p_ada0' },
    },
    remove: ['group/old'],
  };
  assert.deepEqual(rosterDifference(records, change), [
    'group/ops + "p_nsrm"',
    `key/${key} enrolled for person:p_nsrm (six words: ${fingerprintWords(key).join(' ')}), level own-key`,
    `key/SHA256:${'B'.repeat(43)}.status "active" → "revoked"`,
    'group/old removed',
  ]);
});
