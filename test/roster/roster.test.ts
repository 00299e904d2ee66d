// SPDX-License-Identifier: Apache-2.0
// The sealed roster: records of their kind, references that are there, changes that erase nobody and move no key.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { applyRosterChange, rosterAfter, type RosterChange } from '../../src/roster/change.ts';
import {
  isAmong,
  membersOf,
  personBehind,
  personOfKey,
  rosterRoot,
  sealRoster,
  sharesAttribute,
  type Roster,
} from '../../src/roster/roster.ts';
import { fingerprintOf, keyOf, personOf, rosterRecords, sign } from '../support/world.ts';

const sealed = (records: { readonly [key: string]: JsonObject }, version = 1): Roster => {
  const roster = sealRoster(version, new Map(Object.entries(records)));
  assert.ok(roster.ok, roster.ok ? '' : roster.refusal.message);
  return roster.value;
};
const codeOf = (result: { readonly ok: boolean; readonly refusal?: { readonly code: string } }): string =>
  result.ok ? 'ok' : (result.refusal?.code ?? '');
const sealCode = (over: { readonly [key: string]: JsonObject }): string =>
  codeOf(sealRoster(1, new Map(Object.entries({ ...rosterRecords(), ...over }))));
const person = (status = 'active', attributes: JsonObject = {}): JsonObject => ({ status, attributes });
const record = (key: string): JsonObject => {
  const found = rosterRecords()[key];
  assert.ok(found, key);
  return found;
};
const keyRecord = (name: string): JsonObject => record(`key/${fingerprintOf(name)}`);

test('O1: a record is of the kind that its key says', () => {
  for (const [key, value] of [
    ['robot/x', person()],
    ['person/Ada', person()],
    ['person', person()],
    ['__proto__/x', person()],
    ['group/Up', { members: [] }],
    ['key/SHA256:short', keyRecord('ada')],
  ] as const)
    assert.equal(sealCode({ [key]: value }), 'roster-record-malformed', key);
  for (const [key, value] of [
    ['person/p_new0', { status: 'active' }],
    ['person/p_new0', { ...person(), name: 'Ada' }],
    ['person/p_new0', person('gone')],
    ['group/x', { members: 'p_ada0' }],
    ['origin/https://x.example', { operator: 'x', independent: 'yes' }],
  ] as const)
    assert.equal(sealCode({ [key]: value }), 'shape-mismatch', JSON.stringify(value));
});

test('O3: what is named has to be there', () => {
  const gone = 'p_gone0';
  for (const [key, value] of [
    ['machine/x', { status: 'active', accountable: gone, purpose: 'x' }],
    ['group/x', { members: [gone] }],
    ['login/github:1', { person: gone }],
    ['instance/x', { status: 'active', actions: ['a.b'], operator: 'machine:gone' }],
    [`key/${fingerprintOf('ada')}`, { ...keyRecord('ada'), holder: `person:${gone}` }],
  ] as const)
    assert.equal(sealCode({ [key]: value }), 'roster-dangling', key);
});

test('O4: a key record holds the key that it is named after', () => {
  assert.equal(
    sealCode({ [`key/${fingerprintOf('ada')}`]: { ...keyRecord('ada'), line: keyOf('bob').public.line } }),
    'roster-key-mismatch',
  );
});

test('O2: the root is that of the records, whatever order they come in, and changes with each of them', () => {
  const records = Object.entries(rosterRecords());
  const root = rosterRoot(new Map(records));
  fc.assert(
    fc.property(
      fc.shuffledSubarray(records, { minLength: records.length }),
      fc.nat({ max: records.length - 1 }),
      (order, drop) => {
        assert.equal(rosterRoot(new Map(order)), root);
        assert.notEqual(rosterRoot(new Map(order.filter((_, at) => at !== drop))), root);
      },
    ),
    { numRuns: 20 },
  );
});

const identity = { ledger: digestOf('a ledger'), tenant: 'main', origin: 'x', trial: true };
const change = (
  roster: Roster,
  set: { readonly [key: string]: JsonObject },
  over: Partial<RosterChange> = {},
): RosterChange => ({
  type: 'countersign.dev/roster-change/v0',
  from: { version: roster.version, root: roster.root },
  to: { version: roster.version + 1, root: rosterAfter(roster.records, set, over.remove ?? []) },
  set,
  remove: [],
  possession: [],
  ...over,
});
const possession = (name: string, holder: string, over: JsonObject = {}) =>
  sign(
    {
      type: 'countersign.dev/key-possession/v0',
      ledger: identity.ledger,
      tenant: 'main',
      holder,
      key: fingerprintOf(name),
      ...over,
    },
    name,
  );
const stranger = `key/${fingerprintOf('stranger')}`;
const strangers = (holder: string): JsonObject => ({
  ...keyRecord('ada'),
  holder,
  line: keyOf('stranger').public.line,
});

test('O8: a key enters with a signature by that very key, for this ledger and this holder', () => {
  const roster = sealed(rosterRecords());
  const holder = `person:${personOf('bob')}`;
  const enter = (...proofs: RosterChange['possession']) =>
    applyRosterChange(roster, change(roster, { [stranger]: strangers(holder) }, { possession: proofs }), identity);
  assert.equal(codeOf(enter()), 'key-possession-missing');
  assert.equal(codeOf(enter(possession('ada', holder))), 'key-possession-missing');
  assert.equal(codeOf(enter(possession('stranger', `person:${personOf('ada')}`))), 'key-possession-missing');
  assert.equal(
    codeOf(enter(possession('stranger', holder, { ledger: digestOf('another') }))),
    'key-possession-missing',
  );
  assert.equal(codeOf(enter(possession('stranger', holder, { tenant: 'other' }))), 'key-possession-missing');
  assert.equal(codeOf(enter(possession('stranger', holder))), 'ok');
});

test('O6: a key never changes hands, and a revoked one stays revoked', () => {
  const roster = sealed(rosterRecords());
  const adas = `key/${fingerprintOf('ada')}`;
  const moved = change(roster, { [adas]: { ...keyRecord('ada'), holder: `person:${personOf('bob')}` } });
  assert.equal(codeOf(applyRosterChange(roster, moved, identity)), 'key-under-two-persons');
  const revoked = applyRosterChange(
    roster,
    change(roster, { [adas]: { ...keyRecord('ada'), status: 'revoked' } }),
    identity,
  );
  assert.ok(revoked.ok);
  assert.equal(personOfKey(revoked.value, fingerprintOf('ada')), undefined);
  const revived = change(revoked.value, { [adas]: keyRecord('ada') });
  assert.equal(codeOf(applyRosterChange(revoked.value, revived, identity)), 'key-revived');
});

test('O7: persons, machines and keys are never removed; groups may be', () => {
  const roster = sealed(rosterRecords());
  for (const key of [`person/${personOf('ada')}`, 'machine/ci', `key/${fingerprintOf('ada')}`])
    assert.equal(
      codeOf(applyRosterChange(roster, change(roster, {}, { remove: [key] }), identity)),
      'roster-not-removable',
      key,
    );
  assert.equal(codeOf(applyRosterChange(roster, change(roster, {}, { remove: ['group/risk'] }), identity)), 'ok');
});

test('O5: a change is for one version, and gives the root it promises', () => {
  const roster = sealed(rosterRecords());
  const set = { 'group/risk': { members: [personOf('linus')] } };
  assert.equal(
    codeOf(applyRosterChange(roster, change(roster, set, { from: { version: 7, root: roster.root } }), identity)),
    'roster-stale',
  );
  assert.equal(
    codeOf(applyRosterChange(roster, change(roster, set, { from: { version: 1, root: 'f'.repeat(64) } }), identity)),
    'roster-stale',
  );
  assert.equal(
    codeOf(applyRosterChange(roster, change(roster, set, { to: { version: 2, root: 'f'.repeat(64) } }), identity)),
    'roster-root-mismatch',
  );
  const skipped = change(roster, set);
  assert.equal(
    codeOf(applyRosterChange(roster, { ...skipped, to: { ...skipped.to, version: 3 } }, identity)),
    'roster-root-mismatch',
  );
  const applied = applyRosterChange(roster, change(roster, set), identity);
  assert.ok(applied.ok && applied.value.version === 2);
  assert.equal(codeOf(applyRosterChange(applied.value, change(roster, set), identity)), 'roster-stale');
});

test('INV4: who is suspended, unknown or in no group is nobody', () => {
  const ada = personOf('ada');
  const roster = sealed({
    ...rosterRecords(),
    [`person/${ada}`]: person('suspended'),
    'machine/deployer': { ...record('machine/deployer'), status: 'suspended' },
  });
  assert.ok(!membersOf(roster, 'group:developers').includes(ada));
  assert.deepEqual(membersOf(roster, 'group:nobody'), []);
  assert.deepEqual(membersOf(roster, `person:${ada}`), []);
  assert.deepEqual(membersOf(roster, 'machine:ci'), []);
  assert.equal(isAmong(roster, `person:${ada}`, ['group:developers', `person:${ada}`]), false);
  assert.equal(isAmong(roster, 'machine:deployer', ['machine:deployer']), false);
  assert.equal(isAmong(roster, 'machine:ci', ['group:developers']), false);
  assert.equal(personBehind(roster, `person:${ada}`), undefined);
  assert.equal(personBehind(roster, 'machine:deployer'), undefined);
  assert.equal(personOfKey(roster, fingerprintOf('ada')), undefined);
  assert.equal(personOfKey(roster, fingerprintOf('ci')), undefined, 'a machine key names no person');
});

test('V3: an attribute that somebody lacks counts as shared, and so does being the other’s manager', () => {
  const [ada, bob, grace] = ['ada', 'bob', 'grace'].map(personOf) as [string, string, string];
  const roster = sealed({
    ...rosterRecords(),
    [`person/${ada}`]: person('active', { team: 'dev', manager: grace }),
    [`person/${bob}`]: person('active', { team: 'ops', manager: 'p_boss0' }),
    [`person/${grace}`]: person('active', { manager: 'p_boss1' }),
  });
  assert.equal(sharesAttribute(roster, ada, bob, ['team']), false);
  assert.equal(sharesAttribute(roster, ada, grace, ['team']), true);
  assert.equal(sharesAttribute(roster, ada, bob, ['manager']), false);
  assert.equal(sharesAttribute(roster, ada, grace, ['manager']), true);
  assert.equal(sharesAttribute(roster, ada, bob, ['location']), true);
  assert.equal(sharesAttribute(roster, ada, bob, []), false);
});
