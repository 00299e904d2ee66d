// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { subjectOf } from '../../src/request/draft.ts';
import {
  deployAction,
  fingerprintOf,
  hour,
  minute,
  personOf,
  policyOf,
  rosterRecords,
  sign,
  tier,
  World,
} from '../support/world.ts';

const types = (events: readonly { readonly type: string }[]): string[] => events.map((event) => event.type);
const critical = { facts: { service: 'shop', risk: 90 } };
const riskyPolicy = policyOf(
  deployAction({
    risk: {
      start: 0,
      add: [
        {
          points: 60,
          when: {
            op: 'call',
            function: '>',
            arguments: [
              { op: 'fact', name: 'risk' },
              { op: 'literal', value: 50 },
            ],
          },
        },
      ],
      never_below: [],
    },
  }),
);
const attestedRisk = policyOf(
  deployAction({
    facts: {
      ...deployAction().facts,
      risk: { type: 'int', source: { kind: 'attested', by: 'group:security' }, max: 100 },
    },
    risk: {
      start: 0,
      add: [
        {
          points: 60,
          when: {
            op: 'call',
            function: '>',
            arguments: [
              { op: 'fact', name: 'risk' },
              { op: 'literal', value: 50 },
            ],
          },
        },
      ],
      never_below: [],
    },
  }),
);

test('a request goes from asking to its result, one event at every step (LC1–LC6)', () => {
  const world = new World();
  const id = world.ask();
  assert.deepEqual(types(world.accept(world.vote(id, 'grace'))), ['ApprovalRecorded', 'GateMet']);
  assert.deepEqual(types(world.accept(world.permit(id))), ['PermitIssued']);
  const { permit, change } = world.stateOf(id);
  assert.equal(permit?.persons, 1);
  assert.deepEqual(
    permit?.seats.map((seat) => seat.person),
    [personOf('grace')],
  );
  assert.deepEqual(change.producers, [personOf('ada')]);
  assert.deepEqual(types(world.accept(world.consumption(id))), ['PermitConsumed']);
  assert.deepEqual(types(world.accept(world.result(id, 'succeeded'))), ['ResultRecorded']);
  assert.equal(world.stateOf(id).status, 'finished');
});

test('Q1, LC2: whom the policy does not let ask is refused, and the refusal is recorded', () => {
  const world = new World();
  const events = world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed');
  assert.deepEqual(types(events), ['CommandRefused']);
});

test('refusals of one principal are recorded sixty times an hour and then no more', () => {
  const world = new World();
  for (let at = 0; at < 60; at += 1) world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed');
  assert.deepEqual(world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed'), []);
  world.later(hour);
  assert.equal(world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed').length, 1);
});

test('A01, INV1: the requester fills no seat, though a member of its group', () => {
  const world = new World();
  const id = world.ask();
  world.refuse(world.vote(id, 'ada'), 'vote-by-producer');
});

test('INV10, E3: a machine votes for nothing, and who owns the requesting machine fills no seat', () => {
  const world = new World();
  const id = world.ask({}, { by: 'ci' });
  assert.deepEqual(world.stateOf(id).change.producers, [personOf('ada')]);
  world.refuse(world.vote(id, 'ada'), 'vote-by-producer');
  const vote = world.vote(id, 'grace', { by: 'machine:agent' }, 'agent');
  world.refuse(vote, 'vote-by-machine');
});

test('Q3: whoever drove a machine fills no seat', () => {
  const world = new World();
  const id = world.ask({ drivers: [personOf('grace')] }, { by: 'ci' });
  world.refuse(world.vote(id, 'grace'), 'vote-by-producer');
  assert.deepEqual(types(world.accept(world.vote(id, 'linus'))), ['ApprovalRecorded', 'GateMet']);
});

test('V3, A05: a second key of one person is no second vote', () => {
  const world = new World(riskyPolicy);
  const id = world.ask(critical);
  assert.deepEqual(types(world.accept(world.vote(id, 'grace'))), ['ApprovalRecorded']);
  world.refuse(world.vote(id, 'grace', { seats: ['security'] }, 'grace-second'), 'vote-already-cast');
  assert.equal(world.stateOf(id).status, 'pending');
});

test('A04, C21: a person in both groups fills one seat; two persons fill the two, in either order', () => {
  for (const order of [
    ['grace', 'radia'],
    ['radia', 'grace'],
    ['grace', 'linus'],
  ] as const) {
    const world = new World(riskyPolicy);
    const id = world.ask(critical);
    assert.equal(world.stateOf(id).change.tier, 'strict');
    world.accept(world.vote(id, order[0]));
    assert.equal(world.stateOf(id).status, 'pending');
    assert.deepEqual(types(world.accept(world.vote(id, order[1]))), ['ApprovalRecorded', 'GateMet', 'TimelockStarted']);
    assert.equal(new Set(world.stateOf(id).seats.map((seat) => seat.person)).size, 2);
  }
});

test('T1: no permit before the time lock is over; T2: a veto during it ends the request', () => {
  const world = new World(riskyPolicy);
  const id = world.ask(critical);
  world.accept(world.vote(id, 'grace'));
  world.accept(world.vote(id, 'radia'));
  world.later(15 * minute - 1);
  world.refuse(world.permit(id), 'timelock-running');
  world.refuse(world.stop(id, 'vint', 'veto'), 'veto-not-allowed');
  const other = new World(riskyPolicy);
  const vetoed = other.ask(critical);
  other.accept(other.vote(vetoed, 'grace'));
  other.accept(other.vote(vetoed, 'radia'));
  assert.deepEqual(types(other.accept(other.stop(vetoed, 'margaret', 'veto'))), ['RequestVetoed']);
  other.later(hour);
  other.refuse(other.permit(vetoed), 'request-vetoed');
  world.later(1);
  world.accept(world.permit(id));
});

test('INV6: a rejection ends a request, and a late vote has no effect', () => {
  const world = new World();
  const id = world.ask();
  assert.deepEqual(types(world.accept(world.vote(id, 'linus', { decision: 'reject' }))), [
    'RejectionRecorded',
    'RequestRefused',
  ]);
  world.refuse(world.vote(id, 'grace'), 'request-refused');
  world.refuse(world.permit(id), 'request-refused');
});

test('A32, R2: a fact that the requester typed low does not lower the tier', () => {
  const world = new World(riskyPolicy);
  const low = world.ask({ facts: { service: 'shop', risk: 1 } });
  const { change } = world.stateOf(low);
  assert.equal(change.tier, 'strict');
  assert.deepEqual(change.risk.outcomes, ['add[0]:worst-case']);
  const vouched = new World(attestedRisk);
  const command = (risk: number) => {
    const request = vouched.request({ facts: { service: 'shop' } });
    const subject = subjectOf(JSON.parse(request.envelope.statement) as Parameters<typeof subjectOf>[0]);
    return { ...request, attested: [vouched.attest('tested', true, subject), vouched.attest('risk', risk, subject)] };
  };
  const lower = command(10);
  vouched.accept(lower);
  assert.equal(vouched.stateOf(lower.request).change.tier, 'standard');
  const higher = command(90);
  vouched.accept(higher);
  assert.equal(vouched.stateOf(higher.request).change.tier, 'strict');
});

test('F5: an attestation by the requester, for another request, or by nobody in the group vouches for nothing', () => {
  const world = new World();
  const unattested = (attested: Parameters<World['request']>[1]) =>
    world.refuse(world.request({}, attested), 'fact-unattested');
  unattested({ attested: [] });
  unattested({ attested: [world.attest('tested', true, digestOf('another draft'))] });
  const byOutsider = world.request();
  const subject = subjectOf(JSON.parse(byOutsider.envelope.statement) as Parameters<typeof subjectOf>[0]);
  world.refuse({ ...byOutsider, attested: [world.attest('tested', true, subject, 'margaret')] }, 'fact-unattested');
  const own = world.request({}, { by: 'grace' });
  const ownSubject = subjectOf(JSON.parse(own.envelope.statement) as Parameters<typeof subjectOf>[0]);
  world.refuse({ ...own, attested: [world.attest('tested', true, ownSubject, 'grace')] }, 'fact-unattested');
});

test('facts: missing, unexpected and mistyped ones are refused by name', () => {
  const world = new World();
  world.refuse(world.request({ facts: { service: 'shop' } }), 'fact-missing');
  world.refuse(world.request({ facts: { service: 'shop', risk: 1, extra: 1 } }), 'fact-unexpected');
  world.refuse(world.request({ facts: { service: 'shop', risk: 'low' } }), 'fact-mistyped');
  world.refuse(world.request({ facts: { service: 'shop', risk: 101 } }), 'fact-mistyped');
  world.refuse(world.request({ facts: { service: '../etc', risk: 1 } }), 'fact-mistyped');
});

test('Q4: executor and enforcement point must be enrolled for the action', () => {
  const world = new World();
  world.refuse(world.request({ audience: 'nowhere' }), 'audience-unknown');
  world.refuse(world.request({ audience: null }), 'audience-unknown');
  world.refuse(world.request({ executor: fingerprintOf('ci') }), 'executor-not-allowed');
  world.refuse(world.request({ action: 'deploy.nothing' }), 'action-unknown');
});

test('T6, V1: a vote holds for the request, revision and change that were signed', () => {
  const world = new World();
  const first = world.ask();
  const second = world.ask();
  world.refuse(world.vote(second, 'grace', { change: world.stateOf(first).digest }), 'vote-wrong-change');
  world.refuse(world.vote(first, 'grace', { revision: 2 }), 'revision-stale');
  world.refuse(world.vote(first, 'grace', { ledger: `sha256:${'0'.repeat(64)}` }), 'statement-elsewhere');
  world.refuse(world.vote(first, 'grace', { tenant: 'other' }), 'statement-elsewhere');
});

test('S2–S4, T7: wrong purpose, unknown key, another principal, changed bytes', () => {
  const world = new World();
  const id = world.ask();
  const vote = world.vote(id, 'grace') as Extract<ReturnType<World['vote']>, { type: 'CastVote' }>;
  const statement = JSON.parse(vote.envelope.statement);
  world.refuse({ ...vote, envelope: sign(statement, 'grace', 'countersign-login@v1') }, 'signature-namespace');
  world.refuse({ ...vote, envelope: sign(statement, 'stranger') }, 'key-unknown');
  world.refuse({ ...vote, envelope: sign(statement, 'linus') }, 'key-of-another');
  world.refuse(
    { ...vote, envelope: { ...vote.envelope, statement: vote.envelope.statement.replace('approve', 'reject') } },
    'signature-invalid',
  );
  world.refuse({ ...vote, envelope: { ...vote.envelope, signature: 'AAAA' } }, 'signature-malformed');
});

test('V7, T5: a vote that saw another history is refused', () => {
  const world = new World();
  const id = world.ask();
  world.refuse(
    world.vote(id, 'grace', { seen: { size: world.state.edge.size, root: 'ab'.repeat(32) } }),
    'seen-not-in-history',
  );
  world.refuse(
    world.vote(id, 'grace', { seen: { size: world.state.edge.size + 5, root: 'ab'.repeat(32) } }),
    'seen-not-in-history',
  );
});

test('X2, X3, T12: a permit is used once, by its executor, where it says, while it lasts', () => {
  const world = new World();
  const id = world.ask();
  world.accept(world.vote(id, 'grace'));
  world.accept(world.permit(id));
  world.refuse(world.permit(id), 'permit-issued');
  world.refuse(world.consumption(id, {}, 'ci'), 'permit-wrong-executor');
  world.refuse(world.consumption(id, { audience: 'other' }), 'permit-wrong-audience');
  world.refuse(world.consumption(id, { change: `sha256:${'0'.repeat(64)}` }), 'permit-wrong-change');
  world.refuse(world.consumption(id, { permit: `pmt_${'0'.repeat(26)}` }), 'permit-unknown');
  world.refuse(world.result(id, 'succeeded'), 'result-not-expected');
  world.accept(world.consumption(id));
  world.refuse(world.consumption(id, { challenge: '1'.repeat(32) }), 'permit-used');
  world.refuse(world.stop(id, 'linus', 'veto'), 'permit-used');
  world.accept(world.result(id, 'failed'));
  world.refuse(world.result(id, 'succeeded'), 'result-not-expected');
});

test('X4: an expired permit is void, and nothing is renewed', () => {
  const world = new World();
  const id = world.ask();
  world.accept(world.vote(id, 'grace'));
  world.accept(world.permit(id));
  world.later(15 * minute);
  assert.ok(types(world.refuse(world.consumption(id), 'permit-expired')).includes('PermitExpired'));
  world.refuse(world.permit(id), 'request-expired');
});

test('Q7: a request that nobody answered expires, timer or no timer', () => {
  const world = new World();
  const id = world.ask();
  world.later(4 * hour);
  assert.ok(types(world.refuse(world.vote(id, 'grace'), 'request-expired')).includes('RequestExpired'));
  const other = new World();
  const forgotten = other.ask();
  other.refuse(other.tick(), 'nothing-due');
  other.later(4 * hour);
  assert.deepEqual(types(other.accept(other.tick())), ['RequestExpired']);
  assert.equal(other.stateOf(forgotten).status, 'expired');
});

test('Q5, G6: a request statement is used once', () => {
  const world = new World();
  const command = world.request();
  world.accept(command);
  world.refuse(command, 'statement-replayed');
});

test('T3: the requester withdraws, others do not', () => {
  const world = new World();
  const id = world.ask();
  world.refuse(world.stop(id, 'bob', 'withdrawal'), 'withdraw-not-allowed');
  assert.deepEqual(types(world.accept(world.stop(id, 'ada', 'withdrawal'))), ['RequestWithdrawn']);
});

test('E1–E3, INV9: the emergency path works with one other person, alerts, ends by itself and leaves a debt', () => {
  const world = new World();
  const asked = world.request({ emergency: true }, { by: 'margaret' });
  assert.deepEqual(types(world.accept(asked)), ['RequestSubmitted', 'BreakGlassInvoked']);
  const id = asked.request;
  world.refuse(world.vote(id, 'margaret', { seats: ['commander'] }), 'vote-by-producer');
  assert.deepEqual(types(world.accept(world.vote(id, 'radia'))), ['ApprovalRecorded', 'GateMet']);
  assert.deepEqual(types(world.accept(world.permit(id))), ['PermitIssued', 'ReviewOpened']);
  world.later(hour);
  assert.deepEqual(types(world.accept(world.tick())), ['PermitExpired', 'BreakGlassEnded']);
  const next = world.ask({ emergency: true }, { by: 'margaret' });
  assert.deepEqual(world.stateOf(next).change.gate.raised, ['debt-open']);
  world.refuse(world.review(id, 'radia'), 'review-not-entitled');
  assert.deepEqual(types(world.accept(world.review(id, 'vint'))), ['ReviewClosed']);
  world.refuse(world.review(id, 'vint'), 'review-not-open');
  const after = world.ask({ emergency: true }, { by: 'margaret' });
  assert.deepEqual(world.stateOf(after).change.gate.raised, []);
});

test('INV9: an unpaid debt raises the bar and never bars the exit', () => {
  const world = new World();
  const first = world.ask({ emergency: true }, { by: 'margaret' });
  world.accept(world.vote(first, 'radia'));
  world.accept(world.permit(first));
  world.later(25 * hour);
  assert.ok(types(world.accept(world.tick())).includes('ReviewOverdue'));
  const second = world.ask({ emergency: true }, { by: 'ada' });
  world.accept(world.vote(second, 'linus'));
  assert.equal(world.stateOf(second).status, 'met');
});

test('V3: a level is a ceiling in the roster, and has to show in the signature itself', () => {
  const records = rosterRecords();
  for (const name of ['grace', 'linus', 'radia', 'margaret', 'vint'])
    records[`key/${fingerprintOf(name)}`] = { ...records[`key/${fingerprintOf(name)}`], level: 'present' };
  const strong = new World(policyOf(deployAction({ tiers: [tier({ sign_with: 'present' })] })), records);
  const id = strong.ask();
  strong.refuse(strong.vote(id, 'grace'), 'vote-level-too-low');
});
