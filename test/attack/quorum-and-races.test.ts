// SPDX-License-Identifier: Apache-2.0
// Counting: how many, who still counts, and what happens when everything comes at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Accepted, PermitAnswer, RequestPage } from '../../src/contract/api.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { day, deployAction, minute, personOf, policyOf, tier } from '../support/world.ts';
import { startRunning, type HttpAnswer, type Running } from '../server/running.ts';
import {
  changePolicy,
  changeRoster,
  headOf,
  lockedAction,
  oneSeatAction,
  policyChange,
  proposalBody,
  recordOf,
  refused,
  twoSeatAction,
  twoSeats,
  votesOf,
  worked,
} from './stage.ts';

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(twoSeatAction()) });
});
after(() => running.close());

const statuses = (answers: readonly HttpAnswer<unknown>[]): number[] =>
  answers.map(({ status }) => status).sort((a, b) => a - b);

test('A19: twenty votes of one person at the same moment, over many connections and two keys, are one vote', async () => {
  const { request: id } = await running.ask();
  const bodies = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      running.voteBody(
        id,
        'grace',
        { comment: null, seats: at % 2 === 0 ? ['platform'] : ['security'] },
        at % 3 === 0 ? 'grace-second' : 'grace',
      ),
    ),
  );
  const answers = await Promise.all(
    bodies.map((body, at) =>
      running.post<Accepted>(`/v1/requests/${id}/votes`, body, {
        connection: 'close',
        'idempotency-key': `at-once-${at}`,
      }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  for (const answer of answers) if (answer.status !== 201) refused(answer, 'vote-already-cast');
  assert.deepEqual(await votesOf(running, id), [personOf('grace')]);
  refused(await running.permit(id), 'gate-pending');
});

test('A19 A42 T12: of many uses of one permit at the same moment one wins; of many askers each gets the same permit', async () => {
  const { request: id, change } = await running.ask();
  worked(await running.vote(id, 'linus'));
  worked(await running.vote(id, 'radia'));
  const permits = await Promise.all(Array.from({ length: 8 }, () => running.permit(id)));
  assert.deepEqual(new Set(permits.map((answer) => worked<PermitAnswer>(answer).file)).size, 1);
  const { permit } = worked<PermitAnswer>(permits[0] as HttpAnswer<PermitAnswer>);
  const uses = await Promise.all(
    Array.from({ length: 12 }, () =>
      running.post(`/v1/permits/${permit}/consume`, running.consumptionBody(permit, change)),
    ),
  );
  assert.deepEqual(statuses(uses), [200, ...Array.from({ length: 11 }, () => 409)]);
  for (const use of uses) if (use.status !== 200) refused(use, 'permit-used');
  const results = await Promise.all(
    Array.from({ length: 4 }, () => running.post(`/v1/executions/${permit}/result`, running.resultBody(permit))),
  );
  assert.deepEqual(statuses(results), [200, 409, 409, 409]);
});

test('A19 INV6: votes, permits, vetoes and withdrawals at the same moment leave one end and at most one permit', async () => {
  const racing = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    for (let round = 0; round < 4; round += 1) {
      const { request: id, change } = await racing.ask();
      const bodies = await Promise.all([
        racing.voteBody(id, 'linus'),
        racing.voteBody(id, 'grace', { decision: 'reject', seats: [] }),
        racing.stopBody(id, 'ada', 'withdrawal'),
        racing.stopBody(id, 'linus', 'veto'),
      ]);
      const paths = ['votes', 'votes', 'withdraw', 'veto'];
      await Promise.all([
        ...bodies.map((body, at) => racing.post(`/v1/requests/${id}/${paths[at] ?? ''}`, body)),
        racing.permit(id),
        racing.permit(id),
      ]);
      const { status, permit } = await racing.show(id);
      assert.ok(['refused', 'withdrawn', 'vetoed'].includes(status), status);
      refused(await racing.permit(id), `request-${status}`, 'request-over');
      if (permit !== null)
        refused(
          await racing.post(`/v1/permits/${permit.permit}/consume`, racing.consumptionBody(permit.permit, change)),
          `request-${status}`,
          'request-over',
        );
    }
  } finally {
    await racing.close();
  }
});

test('A17: more votes than seats meet the gate as well', async () => {
  const { request: id } = await running.ask({}, 'bob');
  for (const by of ['ada', 'grace', 'linus']) worked(await running.vote(id, by));
  worked(await running.vote(id, 'radia'));
  const view = await running.show(id);
  assert.deepEqual([view.status, view.votes.length], ['met', 4]);
  assert.equal(worked(await running.permit(id)).receipt === null, false);
});

test('A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it', async () => {
  const seats = (count: number, group = 'group:platform'): Partial<CompiledAction> => ({
    tiers: [tier({ seats: [{ name: 'p', count, group }] })],
  });
  const emergency = (count: number, lasts_ms = minute): Partial<CompiledAction> => ({
    emergency: {
      ask: ['group:commanders'],
      confirm: { count, group: 'group:commanders' },
      lasts_ms,
      review_within_ms: minute,
    },
  });
  const weak: readonly (readonly [Partial<CompiledAction>, string])[] = [
    [{ tiers: [] }, 'policy-malformed'],
    [{ tiers: [tier({ seats: [] })] }, 'policy-production-without-person'],
    [seats(0), 'policy-seat-count'],
    [seats(-1), 'policy-seat-count'],
    [seats(9), 'policy-gate-unmeetable'],
    [seats(1, 'group:nobody'), 'policy-principal-unknown'],
    [seats(1, '*'), 'shape-mismatch'],
    [{ tiers: [tier({ ...seats(2).tiers?.[0], must_not_share: ['team'] })] }, 'policy-gate-unmeetable'],
    [{ ask: [] }, 'policy-nobody'],
    [{ run: [] }, 'policy-nobody'],
    [{ reviewers: null }, 'policy-reviewers-missing'],
    [{ tiers: [tier({ time_lock: { wait_ms: minute, veto: [] } })] }, 'policy-time-lock'],
    [{ tiers: [tier({ time_lock: { wait_ms: 0, veto: ['group:oncall'] } })] }, 'shape-mismatch'],
    [
      { tiers: [tier(), twoSeats({ name: 'two', from_score: 50 }), tier({ name: 'last', from_score: 90 })] },
      'policy-tier-weaker',
    ],
    [{ tiers: [tier({ name: 'critical' })] }, 'policy-critical-own-key'],
    [emergency(0), 'policy-seat-count'],
    [emergency(2), 'policy-emergency-unmeetable'],
    [emergency(1, 2 * day), 'policy-timing'],
  ];
  for (const [over, code] of weak) {
    const change = await policyChange(running, policyOf(deployAction(over)));
    refused(await running.post('/v1/requests', proposalBody(running, 'governance.policy', change)), code);
  }
  const whole = policyOf(twoSeatAction());
  const actions = Object.fromEntries(Object.entries(whole.actions).filter(([name]) => name !== 'governance.roster'));
  const ungoverned = await policyChange(running, { ...whole, actions });
  refused(
    await running.post('/v1/requests', proposalBody(running, 'governance.policy', ungoverned)),
    'policy-governance-missing',
  );
});

test('A18 A26 A37 INV3: a raised quorum holds for what is open: its votes fall, and the permits that were out are void', async () => {
  const raised = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const open = await raised.ask();
    const out = await raised.permitted();
    worked(await raised.vote(open.request, 'linus'));
    await changePolicy(raised, policyOf(twoSeatAction()));
    const late = raised.consumptionBody(out.permit.permit, out.request.change);
    refused(
      await raised.post(`/v1/permits/${out.permit.permit}/consume`, late),
      'permit-void',
      'request-refused',
      'policy-changed',
    );
    const first = await raised.permit(open.request);
    refused(first, 'revision-stale', 'gate-pending');
    const view = await raised.show(open.request);
    assert.deepEqual([view.revision, view.status, view.seats_wanted, view.seats_filled], [2, 'pending', 2, 0]);
    worked(await raised.vote(open.request, 'linus'));
    refused(await raised.permit(open.request), 'gate-pending');
    worked(await raised.vote(open.request, 'radia'));
    worked(await raised.permit(open.request));
  } finally {
    await raised.close();
  }
});

test('A24 A38: a gate that was met is looked at again: who was suspended or left the group counts no more', async () => {
  for (const set of [
    async (of: Running) => recordOf(of, `person/${personOf('linus')}`, { status: 'suspended' }),
    async (of: Running) => recordOf(of, 'group/platform', { members: ['grace', 'ada'].map(personOf) }),
  ]) {
    const met = await startRunning({ policy: policyOf(oneSeatAction()) });
    try {
      const asked = await met.ask();
      const permitted = await met.permitted();
      worked(await met.vote(asked.request, 'linus'));
      assert.equal((await met.show(asked.request)).status, 'met');
      await changeRoster(met, await set(met));
      refused(await met.permit(asked.request), 'gate-lost');
      refused(await met.permit(asked.request), 'gate-pending');
      const { permit } = permitted.permit;
      const use = met.consumptionBody(permit, permitted.request.change);
      refused(await met.post(`/v1/permits/${permit}/consume`, use), 'gate-lost');
      refused(await met.post(`/v1/permits/${permit}/consume`, use), 'permit-void', 'request-refused', 'gate-lost');
    } finally {
      await met.close();
    }
  }
});

test('A25: an action that policy no longer has ends its requests as refused, and their history stays', async () => {
  const gone = await startRunning({
    policy: policyOf(oneSeatAction(), oneSeatAction({ name: 'deploy.staging', target: 'staging/{service}' })),
  });
  try {
    const asked = await gone.ask();
    worked(await gone.vote(asked.request, 'linus'));
    await changePolicy(gone, policyOf(oneSeatAction({ name: 'deploy.staging', target: 'staging/{service}' })));
    refused(await gone.permit(asked.request), 'policy-changed', 'request-refused');
    const view = await gone.show(asked.request);
    assert.deepEqual([view.status, view.votes.length], ['refused', 1]);
    assert.ok(view.entries.length >= 2);
  } finally {
    await gone.close();
  }
});

test('A20: voting on, or fetching again, moves no end further away', async () => {
  const { request: id } = await running.ask({}, 'bob');
  for (const by of ['grace', 'linus']) worked(await running.vote(id, by));
  const { not_after, answer_by } = await running.show(id);
  const first = worked(await running.permit(id));
  refused(await running.vote(id, 'radia'), 'vote-too-late');
  refused(await running.vote(id, 'ada'), 'vote-too-late');
  assert.equal(worked(await running.permit(id)).expires_at, first.expires_at);
  const view = await running.show(id);
  assert.deepEqual([view.not_after, view.answer_by], [not_after, answer_by]);
});

test('A21 A23 C11: cancelling, asking again and sending again take no approval along', async () => {
  const body = running.requestBody();
  const first = worked(await running.post<{ request: string }>('/v1/requests', body)).request;
  worked(await running.vote(first, 'linus'));
  worked(await running.vote(first, 'radia'));
  refused(await running.post('/v1/requests', body), 'statement-replayed');
  worked(await running.post(`/v1/requests/${first}/withdraw`, await running.stopBody(first, 'ada', 'withdrawal')));
  refused(await running.permit(first), 'request-withdrawn');
  refused(await running.vote(first, 'grace'), 'request-withdrawn');
  refused(await running.post('/v1/requests', body), 'statement-replayed');
  const second = await running.ask();
  assert.deepEqual(await votesOf(running, second.request), []);
  refused(await running.permit(second.request), 'gate-pending');
});

test('A43 A44: strangers to a request stop nothing of it, and one that hangs holds up no other', async () => {
  const locked = await startRunning({ policy: policyOf(lockedAction()) });
  try {
    const hanging = await locked.ask();
    const before = await headOf(locked);
    const foreign = await locked.stopBody(hanging.request, 'margaret', 'veto');
    refused(await locked.post(`/v1/requests/${hanging.request}/withdraw`, foreign), 'address-mismatch');
    assert.equal(await headOf(locked), before);
    for (const [by, kind, code] of [
      ['bob', 'withdrawal', 'withdraw-not-allowed'],
      ['linus', 'withdrawal', 'withdraw-not-allowed'],
      ['bob', 'veto', 'veto-not-allowed'],
      ['vint', 'veto', 'veto-not-allowed'],
      ['ci', 'veto', 'veto-not-allowed'],
    ] as const) {
      const path = `/v1/requests/${hanging.request}/${kind === 'veto' ? 'veto' : 'withdraw'}`;
      refused(await locked.post(path, await locked.stopBody(hanging.request, by, kind)), code);
    }
    assert.equal((await locked.show(hanging.request)).status, 'pending');
    const others = await Promise.all(Array.from({ length: 6 }, () => locked.ask()));
    for (const { request } of others) worked(await locked.vote(request, 'grace'));
    const page = worked(await locked.get<RequestPage>('/v1/requests?state=met'));
    assert.equal(page.items.length, 6);
  } finally {
    await locked.close();
  }
});
