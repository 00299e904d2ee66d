// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, spoken } from '../../src/kernel/spoken.ts';
import { checkSentence } from '../../src/verify/report.ts';

test('one is not counted as many', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'webhook')),
    ['0 webhooks', '1 webhook', '2 webhooks'],
  );
  assert.equal(counted(1, 'entry', 'entries'), '1 entry');
  assert.equal(counted(3, 'entry', 'entries'), '3 entries');
});

test('a duration is said exactly, in the largest unit that goes into it', () => {
  assert.deepEqual([86_400_000, 5_400_000, 60_000, 20_000, 1500, 0].map(spoken), [
    '1 day',
    '90 minutes',
    '1 minute',
    '20 seconds',
    '1500 ms',
    '0 ms',
  ]);
});

test('a verdict counts and waits as people say it', () => {
  assert.match(
    checkSentence({ ok: true, code: 'time-lock', values: { wait_ms: 20_000, from: 'a', to: 'b' } }),
    /lock of 20 seconds was over/,
  );
  assert.match(
    checkSentence({ ok: true, code: 'persons', values: { persons: 1, floor: 1 } }),
    /^1 distinct person approved/,
  );
  assert.match(checkSentence({ ok: true, code: 'later', values: { entries: 1 } }), /^1 later entry is proven/);
});
