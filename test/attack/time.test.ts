// SPDX-License-Identifier: Apache-2.0
// Clocks, locks, ends, and the emergency path: too early, too late, and for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs } from '../../src/kernel/instant.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import {
  day,
  deployAction,
  fingerprintOf,
  hour,
  minute,
  personOf,
  policyOf,
  rosterRecords,
  sign,
} from '../support/world.ts';
import { startRunning, subjectIn, type Running } from '../server/running.ts';
import { changeRoster, Clock, headOf, lockedAction, oneSeatAction, recordOf, refused, worked } from './stage.ts';

const withClock = async (
  policy: CompiledPolicy,
  attack: (running: Running, clock: Clock) => Promise<void>,
  records = rosterRecords(),
): Promise<void> => {
  const clock = new Clock();
  const running = await startRunning({ policy, records, now: clock.now, tickEveryMs: 3_600_000 });
  try {
    await attack(running, clock);
  } finally {
    await running.close();
  }
};
const votes = (id: string): string => `/v1/requests/${id}/votes`;
const consume = async (running: Running, permit: string, change: string, over = {}) =>
  running.post(`/v1/permits/${permit}/consume`, running.consumptionBody(permit, change, over));

test('A39 C24: no permit a moment before the time lock is over, and none that outlives its end', () =>
  withClock(policyOf(lockedAction()), async (running, clock) => {
    const { request: id, change } = await running.ask();
    worked(await running.vote(id, 'grace'));
    refused(await running.permit(id), 'timelock-running');
    clock.turn(15 * minute - 2000);
    refused(await running.permit(id), 'timelock-running');
    clock.turn(4000);
    const { permit, expires_at } = worked(await running.permit(id));
    clock.turn(15 * minute - 5000);
    assert.equal(worked(await running.permit(id)).expires_at, expires_at);
    clock.turn(6000);
    refused(await consume(running, permit, change, { at: running.now() }), 'permit-expired');
    refused(await running.permit(id), 'permit-expired', 'request-expired');
    refused(await running.vote(id, 'linus'), 'request-expired', 'permit-expired');
    assert.equal((await running.show(id)).status, 'expired');
  }));

test('A39 A40: a permit never lives beyond the request, however late it is fetched', () =>
  withClock(policyOf(oneSeatAction()), async (running, clock) => {
    const not_after = addMs(running.now(), hour);
    const { request: id, change } = await running.ask({ not_after });
    worked(await running.vote(id, 'linus'));
    clock.turn(hour - 10_000);
    const { permit, expires_at } = worked(await running.permit(id));
    assert.equal(expires_at, not_after);
    clock.turn(10_001);
    refused(await consume(running, permit, change), 'permit-expired');
    const met = await running.ask({ not_after: addMs(running.now(), 2 * hour) });
    worked(await running.vote(met.request, 'linus'));
    clock.turn(hour);
    refused(await running.permit(met.request), 'request-expired');
    for (const wrong of [running.now(), addMs(running.now(), 31 * day + hour), '9999-12-31T23:59:59.999Z'])
      refused(
        await running.post('/v1/requests', running.requestBody({ not_after: wrong })),
        'request-expired',
        'validity-too-long',
      );
  }));

test('A38 INV6: a vote after the end, a vote that has ended, and a vote for ever count nothing', () =>
  withClock(policyOf(oneSeatAction()), async (running, clock) => {
    const [late, short] = [await running.ask(), await running.ask()];
    const soon = addMs(running.now(), minute);
    refused(await running.vote(short.request, 'linus', { not_after: addMs(running.now(), 40 * day) }), 'vote-expired');
    refused(await running.vote(short.request, 'linus', { not_after: addMs(running.now(), -minute) }), 'vote-expired');
    worked(await running.vote(short.request, 'linus', { not_after: soon }));
    clock.turn(2 * minute);
    refused(await running.permit(short.request), 'gate-lost');
    clock.turn(4 * hour);
    refused(await running.vote(late.request, 'linus'), 'request-expired');
    refused(await running.vote(late.request, 'linus'), 'request-expired');
    refused(await running.permit(late.request), 'request-expired');
    refused(await running.permit(short.request), 'request-expired');
  }));

test('C24 A38: a time lock counts from votes that hold: one that fell starts the wait anew', () =>
  withClock(policyOf(lockedAction()), async (running, clock) => {
    const { request: id } = await running.ask();
    worked(await running.vote(id, 'grace'));
    clock.turn(minute);
    await changeRoster(running, await recordOf(running, `key/${fingerprintOf('grace')}`, { status: 'revoked' }), {
      by: 'vint',
    });
    clock.turn(13 * minute + 50_000);
    worked(await running.vote(id, 'linus'));
    clock.turn(20_000);
    refused(await running.permit(id), 'timelock-running');
    clock.turn(15 * minute);
    worked(await running.permit(id));
  }));

test('C24 A41 INV6: one veto stops it in the wait, after it, and after the permit is out; the requester’s withdrawal too', () =>
  withClock(policyOf(lockedAction()), async (running, clock) => {
    const [waiting, ready, out, withdrawn, used] = await Promise.all(Array.from({ length: 5 }, () => running.ask()));
    assert.ok(waiting && ready && out && withdrawn && used);
    for (const { request } of [waiting, ready, out, withdrawn, used]) worked(await running.vote(request, 'grace'));
    const veto = async (id: string) =>
      running.post(`/v1/requests/${id}/veto`, await running.stopBody(id, 'margaret', 'veto'));
    worked(await veto(waiting.request));
    clock.turn(15 * minute + 1000);
    refused(await running.permit(waiting.request), 'request-vetoed');
    worked(await veto(ready.request));
    refused(await running.permit(ready.request), 'request-vetoed');
    const permit = worked(await running.permit(out.request)).permit;
    worked(await veto(out.request));
    refused(await consume(running, permit, out.change), 'request-vetoed');
    refused(await running.permit(out.request), 'request-vetoed');
    const own = worked(await running.permit(withdrawn.request)).permit;
    worked(
      await running.post(
        `/v1/requests/${withdrawn.request}/withdraw`,
        await running.stopBody(withdrawn.request, 'ada', 'withdrawal'),
      ),
    );
    refused(await consume(running, own, withdrawn.change), 'request-withdrawn');
    const done = worked(await running.permit(used.request)).permit;
    worked(await consume(running, done, used.change));
    refused(await veto(used.request), 'permit-used');
  }));

test('T11: a clock that runs back or leaps ahead takes no command; no lock is over and nothing ends by it', () =>
  withClock(policyOf(lockedAction()), async (running, clock) => {
    const { request: id } = await running.ask();
    worked(await running.vote(id, 'grace'));
    const [vote, ask] = [await running.voteBody(id, 'linus'), running.requestBody()];
    const head = await headOf(running);
    clock.turn(-10_000);
    refused(await running.permit(id), 'clock-behind');
    refused(await running.post('/v1/requests', ask), 'clock-behind');
    clock.turn(10_000 + 25 * hour);
    refused(await running.post(votes(id), vote), 'clock-ahead');
    refused(await running.post('/v1/requests', ask), 'clock-ahead');
    assert.equal(await headOf(running), head);
    clock.turn(-25 * hour);
    refused(await running.permit(id), 'timelock-running');
    clock.turn(15 * minute);
    worked(await running.permit(id));
  }));

const emergency = { emergency: true };

test('C24 A01 INV9: nobody commands their own emergency: not the requester, not the driver, not the agent’s owner', () =>
  withClock(
    policyOf(
      deployAction({
        emergency: {
          ask: ['group:oncall', 'group:developers'],
          confirm: { count: 1, group: 'group:commanders' },
          lasts_ms: hour,
          review_within_ms: day,
        },
      }),
    ),
    async (running) => {
      const own = await running.ask(emergency, 'linus');
      refused(await running.vote(own.request, 'linus'), 'vote-by-producer');
      const driven = await running.ask({ ...emergency, drivers: [personOf('linus')] }, 'grace');
      refused(await running.vote(driven.request, 'linus'), 'vote-by-producer');
      refused(await running.vote(driven.request, 'grace', { seats: ['commander'] }), 'vote-by-producer');
      refused(await running.vote(own.request, 'vint', { seats: ['commander'] }), 'vote-not-entitled');
      for (const id of [own.request, driven.request]) refused(await running.permit(id), 'gate-pending');
      refused(await running.post('/v1/requests', running.requestBody(emergency, 'vint')), 'ask-not-allowed');
      refused(await running.post('/v1/requests', running.requestBody(emergency, 'ci')), 'ask-not-allowed');
      refused(await running.post('/v1/requests', running.requestBody(emergency, 'agent')), 'ask-not-allowed');
    },
  ));

test('C24 INV9: an emergency alerts, ends by itself, and leaves a debt that raises the next one until somebody else has looked', () =>
  withClock(
    policyOf(deployAction()),
    async (running, clock) => {
      const { request: id, change } = await running.ask(emergency);
      worked(await running.vote(id, 'bob', { seats: ['commander'] }));
      const { permit } = worked(await running.permit(id));
      const view = await running.show(id);
      assert.ok(view.debt);
      clock.turn(16 * minute);
      refused(await consume(running, permit, change), 'permit-expired');
      const next = await running.ask(emergency);
      refused(await running.vote(next.request, 'bob', { seats: ['commander'] }), 'vote-not-independent');
      const asked = await running.ask({ ...emergency, drivers: ['linus'].map(personOf) });
      refused(await running.vote(asked.request, 'bob', { seats: ['commander'] }), 'vote-not-independent');
      const review = (by: string) => ({
        envelope: sign(
          {
            type: 'countersign.dev/review/v0',
            ...running.common(by),
            request: id,
            finding: 'justified',
            summary: `sha256:${'0'.repeat(64)}`,
            at: running.now(),
          },
          by,
        ),
      });
      const close = async (by: string) => running.post(`/v1/requests/${id}/review`, review(by));
      refused(await close('ada'), 'review-not-entitled', 'review-by-involved');
      refused(await close('bob'), 'review-not-entitled', 'review-by-involved');
      refused(await close('radia'), 'review-not-entitled');
      worked(await close('vint'));
      refused(await close('linus'), 'review-not-open');
    },
    {
      ...rosterRecords(),
      'group/commanders': { members: ['bob', 'linus', 'radia'].map(personOf) },
    },
  ));

test('INV9: naming everybody as driver does not bring the raised bar of an unpaid emergency down again', () =>
  withClock(
    policyOf(deployAction()),
    async (running) => {
      const first = await running.ask(emergency);
      worked(await running.vote(first.request, 'linus', { seats: ['commander'] }));
      worked(await running.permit(first.request));
      const drivers = ['linus', 'radia'].map(personOf);
      const body = running.requestBody({ ...emergency, drivers });
      const asked = worked(
        await running.post<{ request: string }>('/v1/requests', {
          ...body,
          attested: [running.attest('tested', true, subjectIn(body), 'grace')],
        }),
      );
      refused(await running.vote(asked.request, 'bob', { seats: ['commander'] }), 'vote-not-independent');
      refused(await running.permit(asked.request), 'gate-pending');
    },
    { ...rosterRecords(), 'group/commanders': { members: ['bob', 'linus', 'radia'].map(personOf) } },
  ));
