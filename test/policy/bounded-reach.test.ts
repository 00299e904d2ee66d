// SPDX-License-Identifier: Apache-2.0
// Judging a policy happens while every command waits, a veto included: one founder's proposal must not take hours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstUnsound } from '../../src/policy/soundness.ts';
import { anybodyReaches } from '../../src/policy/reach.ts';
import { policyFactsOf } from '../../src/roster/policy-facts.ts';
import { sealRoster } from '../../src/roster/roster.ts';
import { seedKey } from '../support/seed-key.ts';
import { deployAction, policyOf, rosterRecords, tier } from '../support/world.ts';
import { valueOf } from '../verify/sealed-world.ts';

const crowd = Array.from({ length: 60 }, (_, at) => `p_crowd${at}`);
const records = rosterRecords();
for (const [at, id] of crowd.entries()) {
  const { fingerprint, line } = seedKey(id).public;
  records[`person/${id}`] = { status: 'active', attributes: { team: `t${at % 6}` } };
  records[`key/${fingerprint}`] = {
    status: 'active',
    holder: `person:${id}`,
    line,
    level: 'own-key',
    distrusted_from: null,
  };
}
records['group/crowd'] = { members: crowd };
const facts = policyFactsOf(valueOf(sealRoster(1, new Map(Object.entries(records)))));

/** The same facts, and how often somebody's attributes were looked at. */
const counting = () => {
  let looks = 0;
  const attributesOf: typeof facts.attributesOf = (person) => {
    looks += 1;
    return facts.attributesOf(person);
  };
  return { roster: { ...facts, attributesOf }, looks: () => looks };
};

const teams = (count: number) =>
  tier({ seats: [{ name: 'crowd', count, group: 'group:crowd' }], must_not_share: ['team'] });
const hard = (name: string) =>
  deployAction({
    name,
    ask: ['group:crowd'],
    run: ['group:crowd'],
    tiers: Array.from({ length: 8 }, (_, at) => ({ ...teams(7), name: `t${at}`, from_score: at })),
    emergency: null,
    reviewers: null,
  });

test('A44, P7: seven people of six teams, asked for in every tier of sixty actions: refused after bounded work', () => {
  const { roster, looks } = counting();
  const policy = policyOf(...Array.from({ length: 60 }, (_, at) => hard(`hard.a${at}`)));
  assert.equal(firstUnsound(policy, roster)?.code, 'policy-gate-unmeetable');
  assert.ok(looks() < 6_000_000, `${looks()} looks`);
});

test('P7: what can be met is found to be so: five people of other teams than who asks', () => {
  const gate = { ...teams(5), ask: ['group:crowd'], run: ['machine:deployer'] };
  assert.ok(anybodyReaches(facts, gate));
  assert.ok(!anybodyReaches(facts, { ...gate, seats: [{ group: 'group:crowd', count: 6 }] }));
});
