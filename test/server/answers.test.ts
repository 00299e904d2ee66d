// SPDX-License-Identifier: Apache-2.0
// What an answer says beside the bare facts: how far a vote brought the gate, who closed a review, what people are called.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Accepted, RequestPage } from '../../src/contract/api.ts';
import { addMs } from '../../src/kernel/instant.ts';
import { deployAction, minute, personOf, policyOf, sign, tier } from '../support/world.ts';
import { found, serveFolder, type Running } from './running.ts';

let running: Running;
let skew = 0;
before(async () => {
  const policy = policyOf(
    deployAction({
      tiers: [
        tier({
          seats: [
            { name: 'platform', count: 1, group: 'group:platform' },
            { name: 'security', count: 1, group: 'group:security' },
          ],
        }),
      ],
    }),
  );
  const { dir, token, pin } = await found({ policy });
  const names = { ada: 'Ada Byron', linus: 'Linus Pauling', radia: 'Radia Perlman', vint: 'Vint Cerf' };
  writeFileSync(
    join(dir, 'people.json'),
    JSON.stringify(Object.fromEntries(Object.entries(names).map(([name, shown]) => [personOf(name), shown]))),
  );
  running = await serveFolder(dir, token, pin, { now: () => Date.now() + skew });
});
after(() => running.close());

test('a vote that fills no seat says how many are filled and how many there are', async () => {
  const { request } = await running.ask();
  const first = await running.vote(request, 'linus');
  assert.deepEqual([first.body.seats_filled, first.body.seats_wanted], [1, 2]);
  // Also of the platform group, and of no other: the seat that would be hers is taken.
  const second = await running.vote(request, 'grace', { seats: ['platform'] });
  assert.deepEqual([second.status, second.body.status], [201, 'pending'], JSON.stringify(second.body));
  assert.deepEqual([second.body.seats_filled, second.body.seats_wanted], [1, 2]);
  const third = await running.vote(request, 'radia');
  assert.deepEqual([third.body.status, third.body.seats_filled, third.body.seats_wanted], ['met', 2, 2]);
});

test('a review that was closed says by whom, with what finding and when; one that is owed, nothing yet', async () => {
  const { request } = await running.ask({ emergency: true });
  await running.vote(request, 'linus');
  const permit = await running.permit(request);
  assert.equal(permit.status, 200, JSON.stringify(permit.body));
  const { change } = await running.show(request);
  const use = running.consumptionBody(permit.body.permit, change);
  assert.equal((await running.post(`/v1/permits/${permit.body.permit}/consume`, use)).status, 200);
  const owed = await running.show(request);
  assert.equal(owed.review, null);
  assert.equal(owed.debt?.reviewers, 'group:risk');
  const statement = {
    type: 'countersign.dev/review/v0',
    ...running.common('vint'),
    request,
    finding: 'unjustified',
    summary: `sha256:${'0'.repeat(64)}`,
    at: running.now(),
  };
  const closed = await running.post<Accepted>(`/v1/requests/${request}/review`, { envelope: sign(statement, 'vint') });
  assert.equal(closed.status, 200, JSON.stringify(closed.body));
  const { debt, review } = await running.show(request);
  assert.equal(debt, null);
  assert.deepEqual(
    [review?.by, review?.finding, review?.at],
    [`person:${personOf('vint')}`, 'unjustified', /"time":"([^"]+)"/.exec(closed.body.receipt.entry)?.[1]],
  );
});

test('an answer names the persons it tells of, and nobody else', async () => {
  const { request } = await running.ask();
  await running.vote(request, 'linus');
  const view = await running.show(request);
  assert.equal(view.people[personOf('ada')], 'Ada Byron');
  assert.equal(view.people[personOf('linus')], 'Linus Pauling');
  assert.equal(view.people[personOf('radia')], 'Radia Perlman', 'she could fill a seat');
  assert.equal(view.people[personOf('grace')], undefined, 'no name is known');
  assert.equal(view.people[personOf('vint')], undefined, 'he has no part in it');
  const { body } = await running.get<RequestPage>('/v1/requests?limit=1');
  assert.deepEqual(body.people, { [personOf('ada')]: 'Ada Byron' });
});

test('a request that was carried out shows the seats as they were filled, also when its votes have ended', async () => {
  const asked = await running.ask();
  const { request } = asked;
  const not_after = addMs(running.now(), 5 * minute);
  for (const by of ['linus', 'radia']) assert.equal((await running.vote(request, by, { not_after })).status, 201);
  const { body } = await running.permit(request);
  const used = running.consumptionBody(body.permit, asked.change);
  assert.equal((await running.post(`/v1/permits/${body.permit}/consume`, used)).status, 200);
  skew = 6 * minute;
  const view = await running.show(request);
  assert.deepEqual([view.status, view.seats_filled, view.seats_wanted], ['consumed', 2, 2]);
  assert.deepEqual(
    view.explanation.children.filter(({ code }) => code === 'vote-expired'),
    [],
  );
});
