// SPDX-License-Identifier: Apache-2.0
// What people who are known may not do: each refusal is an entry, and nothing else comes of it.
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { addMs } from '../../src/kernel/instant.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { digestOf } from '../../src/crypto/digest.ts';
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
  tier,
} from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import { strict, type History } from './history.ts';

const presentKeys = (): ReturnType<typeof rosterRecords> => {
  const records = rosterRecords();
  records['instance/strong'] = { status: 'active', actions: ['deploy.strong'], operator: 'machine:deployer' };
  records['instance/alone'] = { status: 'active', actions: ['deploy.alone'], operator: 'person:p_margaret0' };
  const key = `key/${fingerprintOf('radia')}`;
  records[key] = { ...records[key], level: 'present' };
  records[`key/${fingerprintOf('linus')}`] = { ...records[`key/${fingerprintOf('linus')}`], level: 'present' };
  return records;
};

const policy = policyOf(
  deployAction({ tiers: [...deployAction().tiers], consume: 'online' }),
  deployAction({
    name: 'deploy.strong',
    target: 'strong/{service}',
    facts: { service: { type: 'name', source: { kind: 'requester' }, max: null } },
    tiers: [tier({ sign_with: 'present', seats: [{ name: 'platform', count: 1, group: 'group:platform' }] })],
    emergency: null,
  }),
  deployAction({
    name: 'deploy.alone',
    target: 'alone/{service}',
    facts: { service: { type: 'name', source: { kind: 'requester' }, max: null } },
    run: ['group:oncall'],
    tiers: [
      tier({
        must_not_share: ['team'],
        seats: [{ name: 'any', count: 1, group: 'group:oncall' }],
      }),
    ],
    emergency: null,
  }),
);

const asking = (world: SealedWorld): void => {
  const no = (code: string, over: object, options: Parameters<SealedWorld['request']>[1] = {}): void =>
    void world.refuse(world.request(over as never, options), code);
  no('ask-not-allowed', {}, { by: 'vint' });
  no('action-unknown', { action: 'deploy.nothing' });
  no('fact-missing', { facts: { service: 'shop' } });
  no('fact-unexpected', { facts: { service: 'shop', risk: 1, extra: 1 } });
  no('fact-mistyped', { facts: { service: 'shop', risk: 101 } });
  no('fact-unattested', {}, { attested: [] });
  no('fact-unattested', {}, { attested: [world.attest('tested', true, digestOf('another draft'))] });
  no(
    'key-of-another',
    {},
    { attested: [world.attest('tested', true, digestOf('x'), 'radia', { by: 'person:p_vint0' })] },
  );
  no(
    'statement-elsewhere',
    {},
    { attested: [world.attest('tested', true, digestOf('x'), 'radia', { tenant: 'other' })] },
  );
  no(
    'key-unknown',
    {},
    { attested: [world.attest('tested', true, digestOf('x'), 'stranger', { by: 'person:p_vint0' })] },
  );
  const vouched = world.attest('tested', true, digestOf('x'));
  const other = canonicalize({ ...(JSON.parse(vouched.statement) as JsonObject), value: false });
  no('signature-invalid', {}, { attested: [{ ...vouched, statement: other }] });
  no('signature-malformed', {}, { attested: [{ ...vouched, signature: 'AAAA' }] });
  no('base64-malformed', {}, { attested: [{ ...vouched, signature: 'A' }] });
  no('signature-namespace', {}, { attested: [sign(JSON.parse(vouched.statement) as JsonObject, 'radia', 'git')] });
  no('audience-unknown', { audience: 'nowhere' });
  no('audience-unknown', { audience: null });
  no('executor-not-allowed', { executor: fingerprintOf('ci') });
  no('request-expired', { not_after: world.time });
  no('validity-too-long', { not_after: addMs(world.time, 31 * day) });
  no('producer-unknown', { drivers: ['p_nobody0'] });
  no('attachment-missing', { content: digestOf('nobody attached this') });
  no(
    'ask-not-allowed',
    { action: 'deploy.strong', audience: 'strong', facts: { service: 'shop' }, emergency: true },
    { attested: [] },
  );
  const once = world.request();
  world.accept(once);
  world.refuse(once, 'statement-replayed');
  const misnamed = world.request();
  world.refuse({ ...misnamed, request: once.request }, 'request-id-mismatch');
};

const voting = (world: SealedWorld): void => {
  const id = world.ask(strict);
  const other = world.ask();
  const size = world.state.edge.size;
  world.refuse(world.vote(id, 'ada'), 'vote-by-producer');
  world.refuse(world.vote(id, 'grace', { by: 'machine:agent' }, 'agent'), 'vote-by-machine');
  world.refuse(world.vote(id, 'grace', { change: world.stateOf(other).digest }), 'vote-wrong-change');
  world.refuse(world.vote(id, 'grace', { revision: 2 }), 'revision-stale');
  world.refuse(world.vote(id, 'grace', { not_after: world.time }), 'vote-expired');
  world.refuse(world.vote(id, 'grace', { seats: ['chair'] }), 'vote-seat-unknown');
  world.refuse(world.vote(id, 'vint', { seats: ['platform'] }), 'vote-not-entitled');
  world.refuse(world.vote(id, 'grace', { request: 'req_00000000000000000000000000' }), 'request-unknown');
  world.refuse(world.vote(id, 'grace', { seen: { size: size + 5, root: 'ab'.repeat(32) } }), 'seen-not-in-history');
  world.accept(world.vote(id, 'grace'));
  world.refuse(world.vote(id, 'grace', { seats: ['platform'] }, 'grace-second'), 'vote-already-cast');
  const strong = world.ask(
    { action: 'deploy.strong', audience: 'strong', facts: { service: 'shop' } },
    { attested: [] },
  );
  world.refuse(world.vote(strong, 'linus'), 'vote-level-too-low');
  const alone = {
    action: 'deploy.alone',
    audience: 'alone',
    executor: fingerprintOf('margaret'),
    facts: { service: 'shop' },
  };
  const run = world.ask(alone, { attested: [] });
  world.refuse(world.vote(run, 'margaret'), 'vote-by-executor');
  const team = world.ask({ ...alone, drivers: [personOf('grace')] }, { attested: [] });
  world.refuse(world.vote(team, 'linus'), 'vote-not-independent');
  world.accept(world.vote(other, 'linus', { decision: 'reject' }));
  world.refuse(world.vote(other, 'grace'), 'request-refused');
};

const using = (world: SealedWorld): void => {
  const id = world.ask();
  world.refuse(world.stop(id, 'vint', 'veto'), 'veto-not-allowed');
  world.refuse(world.stop(id, 'bob', 'withdrawal'), 'withdraw-not-allowed');
  world.refuse(world.stop(id, 'grace', 'veto', { change: digestOf('another') }), 'vote-wrong-change');
  world.accept(world.vote(id, 'grace'));
  world.accept(world.permit(id));
  world.refuse(world.vote(id, 'linus'), 'vote-too-late');
  world.refuse(world.consumption(id, {}, 'ci'), 'permit-wrong-executor');
  world.refuse(world.consumption(id, { audience: 'other' }), 'permit-wrong-audience');
  world.refuse(world.consumption(id, { change: digestOf('another') }), 'permit-wrong-change');
  world.refuse(world.consumption(id, { permit: `pmt_${'0'.repeat(26)}` }), 'permit-unknown');
  world.refuse(world.result(id, 'succeeded'), 'result-not-expected');
  world.accept(world.consumption(id));
  world.refuse(world.consumption(id, { challenge: '1'.repeat(32) }), 'permit-used');
  world.refuse(world.stop(id, 'linus', 'veto'), 'permit-used');
  world.accept(world.result(id, 'succeeded'));
  world.refuse(world.result(id, 'succeeded'), 'result-not-expected');
  world.refuse(world.vote(id, 'linus'), 'request-over');
  world.refuse(world.review(id, 'vint'), 'review-not-open');
  const gone = world.ask();
  world.accept(world.stop(gone, 'ada', 'withdrawal'));
  world.refuse(world.vote(gone, 'grace'), 'request-withdrawn');
  const stopped = world.ask();
  world.accept(world.stop(stopped, 'grace', 'veto'));
  world.refuse(world.vote(stopped, 'grace'), 'request-vetoed');
  const late = world.permitted();
  world.later(15 * minute).refuse(world.consumption(late), 'permit-expired');
  const unanswered = world.ask();
  world.later(4 * hour).refuse(world.vote(unanswered, 'grace'), 'request-expired');
};

// Sixty of one principal in an hour are written down, the rest is counted.
const insisting = (world: SealedWorld): void => {
  world.later(hour);
  for (let at = 0; at < 60; at += 1) world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed');
  world.refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed');
  world.accept({
    type: 'SummariseRefusals',
    principal: 'person:p_vint0',
    count: 1,
    codes: { 'ask-not-allowed': 1 },
    attachments: [],
  });
  world.later(hour).refuse(world.request({}, { by: 'vint' }), 'ask-not-allowed');
};

const live = (): SealedWorld => {
  const world = new SealedWorld({ policy, records: presentKeys() });
  for (const part of [asking, voting, using, insisting]) {
    part(world);
    world.later(hour);
  }
  return world;
};

export const refusals: History = {
  name: 'refusals',
  about: 'Refusals of asking, voting, stopping and using, each on record for whoever signed.',
  live,
};
