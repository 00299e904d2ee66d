// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../../src/kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy, CompiledTier, Expression, KeyLevel } from '../../src/policy/compiled.ts';
import type { PolicyRosterFacts } from '../../src/policy/soundness.ts';
import type { FactRecord, Vouching } from '../../src/request/change-document.ts';

export const fact = (name: string): Expression => ({ op: 'fact', name });
export const int = (value: number): Expression => ({ op: 'literal', value });
export const call = (name: string, ...items: readonly Expression[]): Expression => ({
  op: 'call',
  function: name,
  arguments: items,
});
export const record = (value: JsonValue, vouched: Vouching): FactRecord => ({
  value,
  source: vouched,
  vouched,
  by: null,
  evidence: null,
});

export const tierWith = (changes: Partial<CompiledTier> = {}): CompiledTier => ({
  name: 'standard',
  from_score: 0,
  seats: [{ name: 'platform', count: 1, group: 'group:platform' }],
  must_not_share: [],
  sign_with: 'own-key',
  independent_surface: 0,
  time_lock: null,
  review_percent: 0,
  ...changes,
});

export const criticalTier = (changes: Partial<CompiledTier> = {}): CompiledTier =>
  tierWith({
    name: 'critical',
    from_score: 60,
    seats: [
      { name: 'platform', count: 1, group: 'group:platform' },
      { name: 'security', count: 1, group: 'group:security' },
    ],
    sign_with: 'present',
    independent_surface: 1,
    ...changes,
  });

const hour = 3_600_000;

/** A sound action over the sample roster; each test breaks one thing. */
export const actionWith = (changes: Partial<CompiledAction> = {}): CompiledAction => ({
  name: 'deploy.staging',
  owner: 'group:platform',
  target: 'staging/{service}',
  enforced: 'credential-held',
  facts: {
    service: { type: 'name', source: { kind: 'requester' }, max: null },
    commit: { type: 'commit', source: { kind: 'requester' }, max: null },
    authors: { type: 'list<person>', source: { kind: 'adapter', adapter: 'git', argument: 'commit' }, max: 200 },
    migrations: { type: 'int', source: { kind: 'attested', by: 'group:platform' }, max: null },
    tested: { type: 'bool', source: { kind: 'requester' }, max: null },
  },
  ask: ['group:developers', 'machine:ci'],
  made_by: ['facts.authors', 'requester'],
  run: ['machine:deployer'],
  risk: { start: 0, add: [], never_below: [] },
  tiers: [tierWith(), criticalTier()],
  timing: { answer_within_ms: 4 * hour, permit_valid_ms: hour / 4, review_within_ms: 72 * hour },
  reviewers: 'group:risk',
  consume: 'online',
  emergency: null,
  ...changes,
});

export const governanceAction = (
  name: 'governance.roster' | 'governance.policy',
  changes: Partial<CompiledAction> = {},
): CompiledAction => ({
  ...actionWith(),
  name,
  target: name.replace('.', '/'),
  enforced: 'advisory',
  facts: {},
  ask: ['group:founders'],
  made_by: ['requester'],
  run: [],
  tiers: [tierWith({ seats: [{ name: 'founders', count: 2, group: 'group:founders' }] })],
  ...changes,
});

export const policyWith = (...actions: readonly CompiledAction[]): CompiledPolicy => ({
  type: 'countersign.dev/policy/v0',
  commit: null,
  actions: Object.fromEntries(
    [governanceAction('governance.roster'), governanceAction('governance.policy'), ...actions].map((action) => [
      action.name,
      action,
    ]),
  ),
});

export type SampleRoster = {
  readonly groups: { readonly [id: string]: readonly string[] };
  readonly machines: { readonly [name: string]: string };
  readonly levels: { readonly [person: string]: readonly KeyLevel[] };
  readonly attributes: { readonly [person: string]: { readonly [name: string]: string } };
  readonly points: { readonly [name: string]: readonly string[] };
};

export const sampleRoster: SampleRoster = {
  groups: {
    developers: ['p_dev1', 'p_dev2'],
    platform: ['p_plat1', 'p_plat2', 'p_dev2'],
    security: ['p_sec1', 'p_sec2'],
    oncall: ['p_plat1', 'p_plat2'],
    commanders: ['p_sec1', 'p_sec2'],
    risk: ['p_risk1'],
    founders: ['p_plat1', 'p_sec1', 'p_risk1'],
    empty: [],
  },
  machines: { ci: 'p_plat1', deployer: 'p_plat2' },
  levels: {
    p_dev1: ['own-key'],
    p_dev2: ['own-key', 'present'],
    p_plat1: ['present'],
    p_plat2: ['present'],
    p_sec1: ['hardware'],
    p_sec2: ['present'],
    p_risk1: ['present'],
  },
  attributes: {
    p_dev1: { team: 'dev', manager: 'p_plat1' },
    p_dev2: { team: 'dev', manager: 'p_plat1' },
    p_plat1: { team: 'plat', manager: 'p_risk1' },
    p_plat2: { team: 'plat', manager: 'p_risk1' },
    p_sec1: { team: 'sec', manager: 'p_risk1' },
    p_sec2: { team: 'sec', manager: 'p_dev1' },
    p_risk1: { team: 'risk', manager: 'p_boss' },
  },
  points: { web: ['deploy.staging'] },
};

export const rosterFacts = (roster: SampleRoster = sampleRoster): PolicyRosterFacts => ({
  groupMembers: (id) => (Object.hasOwn(roster.groups, id) ? roster.groups[id] : undefined),
  groups: Object.keys(roster.groups),
  machines: Object.keys(roster.machines),
  nameOf: (person) => person.replace('p_', ''),
  hasMachine: (name) => Object.hasOwn(roster.machines, name),
  accountableFor: (name) => roster.machines[name],
  hasPerson: (id) => Object.hasOwn(roster.levels, id),
  keyLevelsOf: (person) => roster.levels[person] ?? [],
  attributesOf: (person) => roster.attributes[person] ?? {},
  instances: new Map(Object.entries(roster.points)),
  independentOrigins: true,
});
