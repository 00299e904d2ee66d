// SPDX-License-Identifier: Apache-2.0
// A ledger that is no trial: roster and policy change under the people who vote, and what rested on them falls.
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import { deployAction, fingerprintOf, hour, minute, personOf, policyOf, rosterRecords } from '../support/world.ts';
import { seedKey } from '../support/seed-key.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import type { History } from './history.ts';

const keyName = (name: string): string => `key/${fingerprintOf(name)}`;
const keyRecord = (name: string, over: JsonObject): { [key: string]: JsonObject } => ({
  [keyName(name)]: { ...rosterRecords()[keyName(name)], ...over },
});
const suspended = (name: string, team: string): { [key: string]: JsonObject } => ({
  [`person/${personOf(name)}`]: { status: 'suspended', attributes: { team } },
});
const shorter = (world: SealedWorld, minutes: number): JsonObject =>
  world.policyChange(
    policyOf(deployAction({ timing: { ...deployAction().timing, permit_valid_ms: minutes * minute } })),
  );

const web = rosterRecords()['instance/web'] ?? {};

const enrol = (world: SealedWorld): void => {
  const fresh = seedKey('bob-second');
  const key = `key/${fresh.public.fingerprint}`;
  const holder = `person:${personOf('bob')}`;
  const record = { status: 'active', holder, line: fresh.public.line, level: 'own-key', distrusted_from: null };
  const statement = canonicalize({
    type: 'countersign.dev/key-possession/v0',
    ledger: world.ledger,
    tenant: world.tenant,
    holder,
    key: fresh.public.fingerprint,
  });
  const possession = {
    statement,
    signature: encodeBase64(signSsh({ key: fresh, message: statement, namespace: 'countersign-roster@v1' })),
  };
  const no = (code: string, set: { [key: string]: JsonObject }, proofs: readonly JsonObject[] = []): void =>
    void world.refuse(world.proposal('governance.roster', world.rosterChange(set, proofs)), code);
  no('key-possession-missing', { [key]: record });
  no('roster-record-malformed', { 'person/x': {} });
  world.govern('governance.roster', world.rosterChange({ [key]: record }, [possession]));
  no('key-under-two-persons', { [key]: { ...record, holder: `person:${personOf('ada')}` } });
  world.govern('governance.roster', world.rosterChange({ [key]: { ...record, status: 'revoked' } }));
  no('key-revived', { [key]: record });
  no('roster-dangling', { 'group/platform': { members: ['p_nobody0'] } });
};

const refused = (world: SealedWorld): void => {
  const change = world.rosterChange({ 'group/risk': { members: [personOf('vint'), personOf('linus')] } });
  const no = (code: string, wrong: JsonObject): void =>
    void world.refuse(world.proposal('governance.roster', wrong), code);
  no('roster-stale', { ...change, from: { version: 1, root: '0'.repeat(64) } });
  no('roster-root-mismatch', { ...change, to: { version: world.state.roster.version + 1, root: '0'.repeat(64) } });
  no('roster-not-removable', { ...change, remove: [keyName('ada')] });
  no('roster-dangling', { ...change, remove: ['group/nobody'] });
  no('shape-mismatch', { ...change, more: 1 });
  no('policy-group-empty', world.rosterChange({ 'group/founders': { members: [] } }));
  for (const [code, text] of [
    ['json-malformed', 'no document'],
    ['json-duplicate-key', '{"a":1,"a":2}'],
    ['json-not-canonical', `${canonicalize(change)}\n`],
    ['json-unsafe-number', '{"a":9007199254740993}'],
    ['json-lone-surrogate', '{"a":"\\ud800"}'],
    ['json-too-deep', '['.repeat(40)],
  ] as const) {
    const content = world.attach(text);
    const over = { action: 'governance.roster', facts: {}, content, audience: null, executor: null };
    world.refuse(world.request(over, { by: 'vint', attested: [], attachments: [content] }), code);
  }
  const asked = world.proposal('governance.roster', change);
  world.refuse({ ...asked, attachments: [] }, 'attachment-missing');
  world.refuse(
    world.request({ action: 'governance.roster', facts: {} }, { by: 'grace', attested: [] }),
    'executor-not-allowed',
  );
};

// What rests on a key, a person, a seat or a policy that goes does not stand any more at the next step.
const falling = (world: SealedWorld): void => {
  const change = (set: { [key: string]: JsonObject }): void =>
    void world.govern('governance.roster', world.rosterChange(set), ['radia', 'margaret'], 'vint');
  const met = world.ask();
  world.accept(world.vote(met, 'linus'));
  const voted = world.permitted(['linus']);
  change(keyRecord('linus', { distrusted_from: 0 }));
  world.refuse(world.permit(met), 'gate-lost');
  world.accept(world.vote(met, 'grace'));
  world.refuse(world.consumption(voted), 'gate-lost');
  world.refuse(world.consumption(voted), 'request-refused');
  // Met by votes that fell, and met again by the next one.
  const again = world.ask();
  world.accept(world.vote(again, 'grace'));
  change({ 'group/platform': { members: [personOf('linus'), personOf('ada'), personOf('bob')] } });
  world.accept(world.vote(again, 'bob', { seats: ['platform'] }));
  change({ 'group/platform': { members: [personOf('grace'), personOf('linus'), personOf('ada')] } });
  const pending = world.ask({}, { by: 'bob' });
  const permitted = world.permitted(['grace'], {}, { by: 'bob' });
  change(keyRecord('bob', { distrusted_from: 3 }));
  world.refuse(world.vote(pending, 'grace'), 'key-distrusted');
  world.accept(world.tick());
  world.refuse(world.consumption(permitted), 'request-refused');
  change(keyRecord('bob', { distrusted_from: null }));
  for (const [code, set, back] of [
    ['key-unknown', keyRecord('ci', { status: 'revoked' }), {}],
    [
      'principal-suspended',
      suspended('bob', 'dev'),
      { [`person/${personOf('bob')}`]: { status: 'active', attributes: { team: 'dev' } } },
    ],
  ] as const) {
    const by = code === 'key-unknown' ? 'ci' : 'bob';
    const asked = world.ask({}, { by });
    const given = world.permitted(['grace'], {}, { by });
    change(set);
    world.refuse(world.vote(asked, 'grace'), code);
    world.refuse(world.consumption(given), 'permit-void');
    if (Object.keys(back).length > 0) change(back);
  }
  for (const [code, set, back] of [
    ['audience-unknown', { 'instance/web': { ...web, status: 'suspended' } }, { 'instance/web': web }],
    ['executor-not-allowed', keyRecord('deployer', { distrusted_from: 0 }), keyRecord('deployer', {})],
  ] as const) {
    const [given, waiting] = [world.permitted(), world.ask()];
    world.accept(world.vote(waiting, 'grace'));
    change(set);
    if (code === 'audience-unknown') world.refuse(world.consumption(given), code);
    world.refuse(world.permit(waiting), code);
    change(back);
  }
};

const policies = (world: SealedWorld): void => {
  const pending = world.ask();
  world.accept(world.vote(pending, 'grace'));
  const permitted = world.permitted();
  const stale = shorter(world, 7);
  world.govern('governance.policy', shorter(world, 5));
  world.refuse(world.permit(pending), 'revision-stale');
  world.refuse(world.consumption(permitted), 'permit-void');
  world.refuse(world.proposal('governance.policy', stale), 'policy-stale');
  world.accept(world.vote(pending, 'grace'));
  world.accept(world.permit(pending));
  const [asked, late] = [world.ask(), world.ask()];
  // Two changes from one version: the second is refused where it would be applied.
  const first = world.proposal('governance.policy', shorter(world, 9));
  const second = world.proposal('governance.policy', shorter(world, 11), 'vint');
  for (const proposal of [first, second]) {
    world.accept(proposal);
    for (const voter of ['radia', 'margaret'])
      world.accept(world.vote(proposal.request, voter, { seats: ['founders'] }));
  }
  world.refuse(world.permit(first.request), 'permit-not-for-governance');
  world.accept(world.activation(first.request));
  world.refuse(world.activation(second.request), 'policy-stale');
  world.accept(world.tick());
  // The facts that are asked for change: what was asked under the old ones ends.
  const facts = { service: { type: 'name', source: { kind: 'requester' }, max: null } } as const;
  world.govern('governance.policy', world.policyChange(policyOf(deployAction({ facts }))));
  world.refuse(world.vote(asked, 'grace'), 'policy-changed');
  world.accept(world.tick());
  world.refuse(world.vote(late, 'grace'), 'request-refused');
};

const founded = (): SealedWorld => new SealedWorld({ policy: policyOf(deployAction()), trial: false });

export const governance: History = {
  name: 'governance',
  about: 'Roster and policy of a ledger that is no trial change, and what rested on the old ones falls.',
  live: () => {
    const world = founded();
    for (const part of [enrol, refused, falling, policies]) {
      part(world);
      world.later(2 * hour);
    }
    return world;
  },
};
