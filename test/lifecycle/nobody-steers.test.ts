// SPDX-License-Identifier: Apache-2.0
// What the people concerned cannot turn in their favour: the promise of the genesis, the draw of reviews, the executor's chair.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { initialState } from '../../src/lifecycle/state.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { policyDigest } from '../../src/policy/policy-shape.ts';
import { rosterAfter } from '../../src/roster/change.ts';
import {
  day,
  deployAction,
  governanceAction,
  personOf,
  policyOf,
  rosterRecords,
  tier,
  World,
} from '../support/world.ts';
import { recovery } from '../verify/sealed-world.ts';

const governedBy = (count: number): CompiledPolicy => {
  const seats = [{ name: 'founders', count, group: 'group:founders' }];
  const governance = (name: string) => ({ ...governanceAction(name), tiers: [tier({ name: 'governance', seats })] });
  const policy = policyOf(deployAction());
  return {
    ...policy,
    actions: {
      ...policy.actions,
      'governance.policy': governance('governance.policy'),
      'governance.roster': governance('governance.roster'),
    },
  };
};

test('N3: what the genesis promises is lowered by nobody, not even by those who could approve it', () => {
  const world = new World(governedBy(3));
  world.state = initialState;
  world.entries.length = 0;
  world.accept(world.genesis(governedBy(3), rosterRecords(), { trial: false, recovery, threshold: 3 }));
  const propose = (policy: CompiledPolicy) => {
    const from = { version: world.state.policyVersion, policy: policyDigest(governedBy(3)) };
    const content = world.attach(canonicalize({ type: 'countersign.dev/policy-change/v0', from, policy }));
    const over = { action: 'governance.policy', facts: {}, content, audience: null, executor: null };
    return world.request(over, { by: 'grace', attested: [], attachments: [content] });
  };
  world.refuse(propose(governedBy(2)), 'genesis-threshold');
  world.accept(propose({ ...governedBy(3), commit: `git:${'a'.repeat(40)}` }));
});

test('E2: which uses get a review is drawn from the votes, so that whoever asks cannot ask until none is drawn', () => {
  const world = new World(policyOf(deployAction({ tiers: [tier({ review_percent: 50 })] })));
  const digestSays = (digest: string): boolean => Number.parseInt(digest.slice(7, 15), 16) % 100 < 50;
  const uses = Array.from({ length: 60 }, () => {
    const id = world.ask();
    world.accept(world.vote(id, 'grace'));
    world.accept(world.permit(id));
    world.accept(world.consumption(id));
    const events = world.accept(world.result(id, 'succeeded'));
    return { owed: events.some(({ type }) => type === 'ReviewOpened'), asked: digestSays(world.stateOf(id).digest) };
  });
  const owed = uses.filter((use) => use.owed).length;
  assert.ok(owed > 10 && owed < 50, `${owed} of 60 at 50 %`);
  assert.ok(uses.some((use) => use.owed && !use.asked) && uses.some((use) => !use.owed && use.asked));
});

test('E2: whoever runs it and says nothing of the result does not get round the review', () => {
  const world = new World(policyOf(deployAction({ tiers: [tier({ review_percent: 100 })] })));
  const id = world.ask();
  world.accept(world.vote(id, 'grace'));
  world.accept(world.permit(id));
  world.accept(world.consumption(id));
  world.later(day);
  const events = world.accept({ type: 'Tick', attachments: [] });
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ResultRecorded', 'FindingRaised', 'ReviewOpened'],
  );
  assert.ok(world.state.debts.has(id));
  world.refuse(world.result(id, 'succeeded'), 'result-not-expected');
  assert.equal(world.state.debts.size, 1);
});

test('E2: nobody closes the review of an emergency before its permit was used, or has ended', () => {
  const world = new World(policyOf(deployAction()));
  const permitted = (): string => {
    const id = world.ask({ emergency: true });
    world.accept(world.vote(id, 'linus', { seats: ['commander'] }));
    world.accept(world.permit(id));
    world.refuse(world.review(id, 'vint'), 'review-not-open');
    return id;
  };
  const used = permitted();
  world.accept(world.consumption(used));
  world.accept(world.review(used, 'vint'));
  const unused = permitted();
  world.later(day);
  world.accept(world.review(unused, 'vint'));
  assert.equal(world.state.debts.size, 0);
});

test('V3: whoever answers for the machine that runs a change fills no seat of it', () => {
  const records = rosterRecords();
  records['group/platform'] = { members: ['grace', 'linus', 'margaret'].map(personOf) };
  const world = new World(policyOf(deployAction()), records);
  const id = world.ask();
  world.refuse(world.vote(id, 'margaret', { seats: ['platform'] }), 'vote-by-executor');
  world.accept(world.vote(id, 'linus'));
  world.accept(world.permit(id));
});

test('P7: a gate that only the person behind the running machine could fill is refused', () => {
  const records = rosterRecords();
  records['group/platform'] = { members: ['margaret'].map(personOf) };
  const world = new World();
  world.state = initialState;
  world.refuse(world.genesis(policyOf(deployAction()), records), 'policy-gate-unmeetable');
});

test('S4 E3: a machine stops with the person who answers for it', () => {
  const records = rosterRecords();
  const margaret = `person/${personOf('margaret')}`;
  const world = new World();
  const id = world.ask();
  world.accept(world.vote(id, 'linus'));
  world.accept(world.permit(id));
  const set = { [margaret]: { ...records[margaret], status: 'suspended' } };
  const { version, root, records: before } = world.state.roster;
  const to = { version: version + 1, root: rosterAfter(before, set, []) };
  const change = {
    type: 'countersign.dev/roster-change/v0',
    from: { version, root },
    to,
    set,
    remove: [],
    possession: [],
  };
  const content = world.attach(canonicalize(change));
  const asked = world.request(
    { action: 'governance.roster', facts: {}, content, audience: null, executor: null },
    { by: 'grace', attested: [], attachments: [content] },
  );
  world.accept(asked);
  for (const founder of ['radia', 'vint']) world.accept(world.vote(asked.request, founder, { seats: ['founders'] }));
  world.accept({ type: 'ActivateChange', request: asked.request, attachments: [content] });
  world.refuse(world.consumption(id), 'principal-suspended');
});

test('F5: whoever attaches somebody else’s attestation to a request of their own does not use it up', () => {
  const world = new World();
  const asked = world.request();
  world.refuse(world.request({}, { by: 'bob', attested: asked.attested }), 'fact-unattested');
  const own = world.request({}, { by: 'bob' });
  world.accept({ ...own, attested: [...own.attested, ...asked.attested] });
  world.accept(asked);
});
