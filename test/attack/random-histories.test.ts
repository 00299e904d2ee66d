// SPDX-License-Identifier: Apache-2.0
// Everybody does anything, over HTTP, in any order; whatever permit comes of it is counted by others than who made it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { EntriesPage } from '../../src/contract/api.ts';
import { verifyEvidence, verifyPermit } from '../../src/verify/verify.ts';
import { deployAction, minute, personOf, policyOf } from '../support/world.ts';
import { principalOf, startRunning, type Running } from '../server/running.ts';
import { countPersons, everybody } from './own-count.ts';
import { Clock, twoSeats, worked } from './stage.ts';

const lockMs = 2 * minute;
const clock = new Clock();
let running: Running;
before(async () => {
  const locked = twoSeats({ time_lock: { wait_ms: lockMs, veto: ['group:oncall'] } });
  const action = deployAction({
    ask: ['group:developers', 'machine:ci', 'machine:agent'],
    run: ['machine:deployer', 'group:platform'],
    tiers: [locked],
  });
  running = await startRunning({ policy: policyOf(action), now: clock.now });
});
after(() => running.close());

const runs = Math.min(Number(process.env['COUNTERSIGN_PROPERTY_RUNS'] ?? 20), 100);
const anybody = fc.constantFrom(...everybody);
const at = fc.nat(1);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      by: fc.constantFrom('ada', 'bob', 'grace', 'ci', 'agent'),
      emergency: fc.boolean(),
      drivers: fc.subarray(['linus', 'vint']),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      at,
      by: fc.constantFrom('linus', 'radia', 'grace', 'grace-second', 'bob', 'ada'),
      seats: fc.subarray(['platform', 'security', 'commander'], { minLength: 1 }),
      reject: fc.integer({ min: 0, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('many-votes' as const),
      at,
      by: fc.shuffledSubarray(['linus', 'radia', 'grace', 'bob'], { minLength: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('foreign-vote' as const), at, by: anybody, key: anybody }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('permit' as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('consume' as const),
      at,
      by: fc.constantFrom('deployer', 'deployer', 'ada', 'linus'),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stop' as const),
      at,
      by: fc.constantFrom('ada', 'margaret', 'linus', 'vint'),
      veto: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(1, 2, 3, 16) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const vote = async (
  id: string,
  by: string,
  key: string,
  seats: readonly string[],
  decision = 'approve',
): Promise<void> => {
  const over = { by: principalOf(by), seats: decision === 'approve' ? seats : [], decision };
  await running.post(`/v1/requests/${id}/votes`, await running.voteBody(id, by, over, key));
};

/** One step, whatever comes of it: most of what people try is refused. */
const play = async (ids: string[], one: Step): Promise<void> => {
  if (one.kind === 'wait') return clock.turn(one.minutes * minute);
  if (one.kind === 'ask') {
    const { body, status } = await running.post<{ request: string }>(
      '/v1/requests',
      running.requestBody({ emergency: one.emergency, drivers: one.drivers.map(personOf) }, one.by),
    );
    if (status === 201) ids.unshift(body.request);
    return;
  }
  const id = ids[one.at];
  if (id === undefined) return;
  if (one.kind === 'vote') await vote(id, one.by, one.by, one.seats, one.reject === 0 ? 'reject' : 'approve');
  if (one.kind === 'many-votes')
    await Promise.all(one.by.map((by) => vote(id, by, by, by === 'radia' ? ['security'] : ['platform'])));
  if (one.kind === 'foreign-vote') await vote(id, one.by, one.key, ['platform', 'security']);
  if (one.kind === 'permit') await Promise.all([running.permit(id), running.permit(id)]);
  if (one.kind === 'stop') {
    const path = `/v1/requests/${id}/${one.veto ? 'veto' : 'withdraw'}`;
    await running.post(path, await running.stopBody(id, one.by, one.veto ? 'veto' : 'withdrawal'));
  }
  if (one.kind === 'consume') {
    const { permit, change } = await running.show(id);
    if (permit === null) return;
    await Promise.all(
      Array.from({ length: one.times }, () =>
        running.post(
          `/v1/permits/${permit.permit}/consume`,
          running.consumptionBody(permit.permit, change, {}, one.by),
        ),
      ),
    );
  }
};

const allEntries = async (): Promise<readonly string[]> => {
  const texts: string[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const page: EntriesPage = worked(await running.get<EntriesPage>(`/v1/ledger/entries?from=${from}&limit=500`));
    texts.push(...page.entries);
    from = page.next;
  }
  return texts;
};

test('INV1 INV3 INV6 C25: whatever everybody tries over HTTP, every permit has distinct persons without a part in it, one use, and no life after its end', async () => {
  const looked = new Set<string>();
  const check = async () => {
    const count = countPersons(await allEntries(), lockMs);
    for (const { permit, request } of count.permits) {
      if (looked.has(permit)) continue;
      looked.add(permit);
      const options = { pin: running.pin, allowTrial: true };
      const answer = await fetch(`${running.url}/v1/requests/${request}/evidence`, {
        headers: { authorization: `Bearer ${running.token}` },
      });
      const verdict = verifyEvidence(await answer.text(), options);
      assert.deepEqual(
        verdict.reasons.map(({ message }) => message),
        [],
      );
      const again = await running.permit(request);
      if (again.status === 200) assert.equal(verifyPermit(again.body.file, options).result, 'PASS');
    }
    return count;
  };
  const known: string[] = [];
  for (const one of [
    { kind: 'ask', by: 'ada', emergency: false, drivers: [] },
    { kind: 'vote', at: 0, by: 'grace', seats: ['platform', 'security'], reject: 1 },
    { kind: 'vote', at: 0, by: 'grace-second', seats: ['security'], reject: 1 },
    { kind: 'vote', at: 0, by: 'linus', seats: ['platform'], reject: 1 },
    { kind: 'permit', at: 0 },
    { kind: 'wait', minutes: 3 },
    { kind: 'permit', at: 0 },
    { kind: 'consume', at: 0, by: 'deployer', times: 3 },
  ] as const)
    await play(known, { ...one } as Step);
  const first = await check();
  assert.deepEqual([first.permits.length, first.consumed], [1, 1]);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
      const ids: string[] = [];
      await play(ids, { kind: 'ask', by: 'bob', emergency: steps.length % 4 === 0, drivers: [] });
      for (const one of steps) await play(ids, one);
      await check();
    }),
    { numRuns: runs },
  );
});
