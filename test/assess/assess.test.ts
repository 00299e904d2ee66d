// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assess } from '../../src/assess/assess.ts';
import { strictestTier } from '../../src/assess/strictest.ts';
import { actionWith, call, fact, int, record } from '../policy/policy-sample.ts';

const large = call('>', call('size', fact('authors')), int(5));

test('SPEC R1: points of rules that hold add up, and the highest tier reached by score is taken', () => {
  const action = actionWith({
    risk: {
      start: 20,
      add: [
        { points: 15, when: call('>', fact('migrations'), int(0)) },
        { points: 30, when: large },
      ],
      never_below: [],
    },
  });
  const facts = { migrations: record(1, 'adapter'), authors: record([], 'adapter') };
  assert.deepEqual(assess(action, facts), {
    score: 35,
    outcomes: ['add[0]:true', 'add[1]:false'],
    worst_case: [],
    tier: 'standard',
  });
  const many = { ...facts, authors: record(['p_aaaa', 'p_bbbb', 'p_cccc', 'p_dddd', 'p_eeee', 'p_ffff'], 'adapter') };
  assert.deepEqual(assess(action, many), {
    score: 65,
    outcomes: ['add[0]:true', 'add[1]:true'],
    worst_case: [],
    tier: 'critical',
  });
});

test('SPEC R4: never-below raises the tier whatever the score is', () => {
  const action = actionWith({
    risk: { start: 0, add: [], never_below: [{ tier: 'critical', when: call('>', fact('migrations'), int(0)) }] },
  });
  assert.equal(assess(action, { migrations: record(0, 'attested') }).tier, 'standard');
  assert.equal(assess(action, { migrations: record(3, 'attested') }).tier, 'critical');
});

test('SPEC R2, A32: a fact of the requester never lowers anything, and is named as counted at its worst', () => {
  const action = actionWith({
    risk: {
      start: 0,
      add: [{ points: 30, when: large }],
      never_below: [{ tier: 'critical', when: call('!', fact('tested')) }],
    },
  });
  const said = { tested: record(true, 'requester'), authors: record([], 'adapter') };
  assert.deepEqual(assess(action, said), {
    score: 0,
    outcomes: ['add[0]:false', 'never_below[0]:worst-case'],
    worst_case: ['tested'],
    tier: 'critical',
  });
  const vouched = { ...said, tested: record(true, 'attested') };
  assert.equal(assess(action, vouched).tier, 'standard');
});

test('SPEC R2: a condition that is false whatever the requester says does not count', () => {
  const action = actionWith({
    risk: {
      start: 0,
      add: [{ points: 90, when: call('&&', fact('tested'), call('>', fact('migrations'), int(0))) }],
      never_below: [],
    },
  });
  const facts = { tested: record(true, 'requester'), migrations: record(0, 'adapter') };
  assert.deepEqual(assess(action, facts).outcomes, ['add[0]:false']);
});

test('SPEC R3, INV4: an error, a missing fact and an outcome that is no truth value count as if the rule held', () => {
  const action = actionWith({
    risk: {
      start: 0,
      add: [
        { points: 1, when: call('>', call('/', int(1), fact('migrations')), int(0)) },
        { points: 2, when: call('==', fact('nowhere'), int(1)) },
        { points: 4, when: fact('migrations') },
      ],
      never_below: [],
    },
  });
  const assessed = assess(action, { migrations: record(0, 'adapter') });
  assert.deepEqual(assessed.outcomes, ['add[0]:error', 'add[1]:error', 'add[2]:error']);
  assert.equal(assessed.score, 7);
});

test('SPEC R4: a floor whose tier is not there raises to the strictest tier', () => {
  const action = actionWith({
    risk: { start: 0, add: [], never_below: [{ tier: 'gone', when: { op: 'literal', value: true } }] },
  });
  assert.equal(assess(action, {}).tier, strictestTier(action).name);
});
