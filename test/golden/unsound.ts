// SPDX-License-Identifier: Apache-2.0
// Policies that nobody should live under, proposed one after the other: each is refused before anybody is asked.
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { soundnessCases } from '../policy/soundness-cases.ts';
import { day, deployAction, fingerprintOf, hour, personOf, policyOf, rosterRecords } from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import type { History } from './history.ts';

const levels = { grace: 'present', linus: 'present', radia: 'hardware', margaret: 'present', vint: 'present' } as const;

const records = (): { [key: string]: JsonObject } => {
  const all = rosterRecords();
  for (const [name, level] of Object.entries(levels)) {
    const key = `key/${fingerprintOf(name)}`;
    all[key] = { ...all[key], level };
  }
  const managers = {
    ada: 'grace',
    bob: 'grace',
    grace: 'vint',
    linus: 'vint',
    radia: 'vint',
    margaret: 'vint',
    vint: 'ada',
  };
  for (const [name, manager] of Object.entries(managers)) {
    const key = `person/${personOf(name)}`;
    const attributes = { ...(all[key]?.['attributes'] as JsonObject), manager: personOf(manager) };
    all[key] = { status: 'active', attributes };
  }
  all['group/platform'] = { members: ['grace', 'linus', 'ada'].map(personOf) };
  all['group/security'] = { members: ['radia', 'grace'].map(personOf) };
  all['group/empty'] = { members: [] };
  return all;
};

const live = (): SealedWorld => {
  const world = new SealedWorld({ policy: policyOf(deployAction()), records: records(), trial: false });
  for (const { name, code, policy, roster } of soundnessCases) {
    // What rests on other people than these is shown elsewhere.
    if (roster !== undefined) continue;
    // What the genesis promises is looked at before what every policy must have.
    const expected = name === 'governance by one other person' ? 'genesis-threshold' : code;
    world.refuse(world.proposal('governance.policy', world.policyChange(policy)), expected);
    world.later(hour / 20);
  }
  const alone = { ask: ['person:p_radia0'], confirm: { count: 2, group: 'group:commanders' } } as const;
  const emergency = { ...alone, lasts_ms: hour, review_within_ms: day };
  for (const [code, policy] of [
    ['policy-emergency-unmeetable', policyOf(deployAction({ emergency }))],
    ['policy-malformed', policyOf(deployAction({ tiers: [] }))],
    ['shape-mismatch', Object.assign(policyOf(deployAction()), { more: 1 })],
  ] as const)
    world.refuse(world.proposal('governance.policy', world.policyChange(policy)), code);
  return world;
};

export const unsound: History = {
  name: 'unsound-policies',
  about: 'Policies that are refused before anybody is asked about them.',
  live,
};
