// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateEd25519 } from '../../src/crypto/openssh-private-key.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { policyDigest } from '../../src/policy/policy-shape.ts';
import { rosterAfter } from '../../src/roster/change.ts';
import {
  deployAction,
  fingerprintOf,
  minute,
  personOf,
  policyOf,
  rosterRecords,
  tier,
  World,
} from '../support/world.ts';

const types = (events: readonly { readonly type: string }[]): string[] => events.map((event) => event.type);

const rosterChange = (
  world: World,
  set: { [key: string]: JsonObject },
  remove: readonly string[] = [],
  possession: readonly JsonObject[] = [],
): JsonObject => {
  const { version, root, records } = world.state.roster;
  return {
    type: 'countersign.dev/roster-change/v0',
    from: { version, root },
    to: { version: version + 1, root: rosterAfter(records, set, remove) },
    set,
    remove,
    possession,
  };
};
const policyChange = (world: World, policy: CompiledPolicy): JsonObject => ({
  type: 'countersign.dev/policy-change/v0',
  from: {
    version: world.state.policyVersion,
    policy: world.state.policy === null ? null : policyDigest(world.state.policy),
  },
  policy: policy,
});

const propose = (world: World, action: string, change: JsonObject, by = 'grace') => {
  const content = world.attach(change);
  return world.request(
    { action, facts: {}, content, audience: null, executor: null },
    { by, attested: [], attachments: [content] },
  );
};
const activation = (world: World, id: string) => ({
  type: 'ActivateChange' as const,
  request: id as never,
  attachments: [world.stateOf(id).change.content ?? ''],
});

const apply = (world: World, action: string, change: JsonObject): readonly string[] => {
  const asked = propose(world, action, change);
  world.accept(asked);
  world.accept(world.vote(asked.request, 'radia', { seats: ['founders'] }));
  world.accept(world.vote(asked.request, 'margaret', { seats: ['founders'] }));
  return types(world.accept(activation(world, asked.request)));
};

test('INV8, N4: a roster change needs two others than who proposed it, and is applied once', () => {
  const world = new World();
  const asked = propose(
    world,
    'governance.roster',
    rosterChange(world, { 'group/security': { members: [personOf('radia')] } }),
  );
  world.accept(asked);
  const { request: id } = asked;
  world.refuse(activation(world, id), 'gate-pending');
  world.refuse(world.vote(id, 'grace', { seats: ['founders'] }), 'vote-by-producer');
  world.accept(world.vote(id, 'radia', { seats: ['founders'] }));
  world.refuse(activation(world, id), 'gate-pending');
  world.accept(world.vote(id, 'margaret', { seats: ['founders'] }));
  world.refuse(world.permit(id), 'permit-not-for-governance');
  assert.deepEqual(types(world.accept(activation(world, id))), ['RosterChanged']);
  assert.equal(world.state.roster.version, 2);
  world.refuse(activation(world, id), 'request-over');
});

test('A38, T9: who lost the seat, was suspended, or whose key was revoked counts no more', () => {
  for (const set of [
    { 'group/platform': { members: [personOf('linus')] } },
    { [`person/${personOf('grace')}`]: { status: 'suspended', attributes: { team: 'platform' } } },
    {
      [`key/${fingerprintOf('grace')}`]: {
        ...(rosterRecords()[`key/${fingerprintOf('grace')}`] as JsonObject),
        status: 'revoked',
      },
    },
    {
      [`key/${fingerprintOf('grace')}`]: {
        ...(rosterRecords()[`key/${fingerprintOf('grace')}`] as JsonObject),
        distrusted_from: 0,
      },
    },
  ]) {
    const world = new World();
    const id = world.ask();
    const permitted = world.ask();
    world.accept(world.vote(id, 'grace'));
    world.accept(world.vote(permitted, 'grace'));
    world.accept(world.permit(permitted));
    const change = rosterChange(world, set);
    const asked = propose(world, 'governance.roster', change, 'vint');
    world.accept(asked);
    world.accept(world.vote(asked.request, 'radia', { seats: ['founders'] }));
    world.accept(world.vote(asked.request, 'margaret', { seats: ['founders'] }));
    world.accept(activation(world, asked.request));
    assert.deepEqual(types(world.refuse(world.permit(id), 'gate-lost')), ['GateLost']);
    assert.equal(world.stateOf(id).status, 'pending');
    assert.deepEqual(types(world.refuse(world.consumption(permitted), 'gate-lost')).slice(0, 1), ['PermitVoided']);
  }
});

test('INV3, Q8: a policy change starts a new revision whose votes are void, and voids permits', () => {
  const world = new World();
  const pending = world.ask();
  world.accept(world.vote(pending, 'grace'));
  const permitted = world.ask();
  world.accept(world.vote(permitted, 'grace'));
  world.accept(world.permit(permitted));
  const before = world.stateOf(pending).digest;
  assert.deepEqual(
    apply(
      world,
      'governance.policy',
      policyChange(world, policyOf(deployAction({ timing: { ...deployAction().timing, permit_valid_ms: minute } }))),
    ),
    ['PolicyActivated'],
  );
  assert.deepEqual(types(world.refuse(world.permit(pending), 'revision-stale')), ['RequestRevised']);
  assert.equal(world.stateOf(pending).change.revision, 2);
  assert.notEqual(world.stateOf(pending).digest, before);
  world.refuse(world.permit(pending), 'gate-pending');
  assert.deepEqual(types(world.refuse(world.consumption(permitted), 'permit-void')).slice(0, 1), ['PermitVoided']);
  world.accept(world.vote(pending, 'grace'));
  world.accept(world.permit(pending));
});

test('Q8: a request whose facts the new policy no longer asks for ends', () => {
  const world = new World();
  const id = world.ask();
  apply(
    world,
    'governance.policy',
    policyChange(
      world,
      policyOf(deployAction({ facts: { service: { type: 'name', source: { kind: 'requester' }, max: null } } })),
    ),
  );
  assert.deepEqual(types(world.refuse(world.vote(id, 'grace'), 'policy-changed')).slice(0, 1), ['RequestRefused']);
});

test('N5, C15, T13: an older or other policy or roster is not brought back', () => {
  const world = new World();
  const stalePolicy = policyChange(world, policyOf(deployAction({ tiers: [tier()] })));
  const staleRoster = rosterChange(world, { 'group/security': { members: [personOf('radia')] } });
  apply(world, 'governance.policy', policyChange(world, policyOf(deployAction({ consume: 'offline' }))));
  apply(
    world,
    'governance.roster',
    rosterChange(world, { 'group/risk': { members: [personOf('vint'), personOf('bob')] } }),
  );
  world.refuse(propose(world, 'governance.policy', stalePolicy), 'policy-stale');
  world.refuse(propose(world, 'governance.roster', staleRoster), 'roster-stale');
});

test('O6–O8, T10: a key enters by its own signature, under one person, and stays where it is', () => {
  const world = new World();
  const fresh = generateEd25519();
  const key = `key/${fresh.public.fingerprint}`;
  const record = {
    status: 'active',
    holder: `person:${personOf('bob')}`,
    line: fresh.public.line,
    level: 'own-key',
    distrusted_from: null,
  };
  world.refuse(propose(world, 'governance.roster', rosterChange(world, { [key]: record })), 'key-possession-missing');
  const statement = canonicalize({
    type: 'countersign.dev/key-possession/v0',
    ledger: world.ledger,
    tenant: world.tenant,
    holder: `person:${personOf('bob')}`,
    key: fresh.public.fingerprint,
  });
  const possession = {
    statement,
    signature: encodeBase64(signSsh({ key: fresh, message: statement, namespace: 'countersign-roster@v1' })),
  };
  world.refuse(
    propose(
      world,
      'governance.roster',
      rosterChange(world, { [key]: { ...record, holder: `person:${personOf('ada')}` } }, [], [possession]),
    ),
    'key-possession-missing',
  );
  assert.deepEqual(apply(world, 'governance.roster', rosterChange(world, { [key]: record }, [], [possession])), [
    'RosterChanged',
  ]);
  world.refuse(
    propose(
      world,
      'governance.roster',
      rosterChange(world, { [key]: { ...record, holder: `person:${personOf('ada')}` } }),
    ),
    'key-under-two-persons',
  );
  world.refuse(propose(world, 'governance.roster', rosterChange(world, {}, [key])), 'roster-not-removable');
});

test('N1–N3: a genesis that is not a trial has three founders, a threshold, a recovery set, and every signature', () => {
  const refusal = (over: JsonObject, code: string, drop = 0): void => {
    const world = new World();
    const command = world.genesis(policyOf(deployAction()), rosterRecords(), over) as Extract<
      ReturnType<World['genesis']>,
      { type: 'Genesis' }
    >;
    world.refuse({ ...command, signatures: command.signatures.slice(drop) }, code);
  };
  refusal({}, 'genesis-twice');
  const empty = (over: JsonObject, code: string, drop = 0): void => {
    const world = new World();
    const command = world.genesis(policyOf(deployAction()), rosterRecords(), over) as Extract<
      ReturnType<World['genesis']>,
      { type: 'Genesis' }
    >;
    const fresh = world;
    fresh.state = { ...fresh.state, edge: { size: 0, hashes: [] }, identity: null };
    fresh.refuse({ ...command, signatures: command.signatures.slice(drop) }, code);
  };
  empty({ trial: false }, 'genesis-founders');
  empty({ trial: false, founders: [personOf('grace'), personOf('radia')] }, 'genesis-founders');
  empty({}, 'genesis-unsigned', 1);
  const recovery = {
    holders: [
      { person: personOf('grace'), key: fingerprintOf('grace') },
      { person: personOf('radia'), key: fingerprintOf('radia') },
    ],
    threshold: 2,
    delay_ms: 7 * 86_400_000,
  };
  empty({ trial: false, threshold: 3, recovery }, 'genesis-threshold');
});

test('before genesis nothing is possible', () => {
  const world = new World();
  const command = world.request();
  world.state = { ...world.state, identity: null };
  world.refuse(command, 'genesis-missing');
});
