// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from '../../src/kernel/refusal-codes.ts';
import type { CompiledAction, CompiledPolicy } from '../../src/policy/compiled.ts';
import {
  actionWith,
  call,
  criticalTier,
  fact,
  governanceAction,
  int,
  policyWith,
  sampleRoster,
  tierWith,
} from './policy-sample.ts';
import type { SampleRoster } from './policy-sample.ts';

export type SoundnessCase = {
  readonly name: string;
  readonly code: RefusalCode;
  readonly rule: string;
  readonly policy: CompiledPolicy;
  readonly roster?: SampleRoster;
};

const day = 86_400_000;
const emergency = {
  ask: ['group:oncall'],
  confirm: { count: 1, group: 'group:commanders' },
  lasts_ms: day / 24,
  review_within_ms: day,
};
const of = (changes: Partial<CompiledAction>): CompiledPolicy => policyWith(actionWith(changes));
const seat = (count: number, group = 'group:platform', name = 'platform') => ({ name, count, group });
const facts = actionWith().facts;
const requester = { kind: 'requester' } as const;
const withGroup = (group: string, ...members: readonly string[]): SampleRoster => ({
  ...sampleRoster,
  groups: { ...sampleRoster.groups, [group]: members },
});

/** A sound policy of its own for every case but the one thing that its name says. */
export const soundnessCases: readonly SoundnessCase[] = [
  // P3, P4, P5: what holds whoever there is
  {
    name: 'a condition that could run long',
    code: 'policy-condition-costly',
    rule: 'P3',
    policy: of({
      risk: {
        start: 0,
        never_below: [],
        add: [
          {
            points: 1,
            when: ['a', 'b', 'c'].reduce<CompiledAction['risk']['add'][number]['when']>(
              (body, variable) => ({ op: 'comprehension', macro: 'all', over: fact('authors'), variable, body }),
              call('==', int(1), int(1)),
            ),
          },
        ],
      },
    }),
  },
  {
    name: 'a condition over a fact that is not declared',
    code: 'policy-fact-unknown',
    rule: 'P4',
    policy: of({ risk: { start: 0, add: [{ points: 1, when: call('>', fact('lines'), int(1)) }], never_below: [] } }),
  },
  {
    name: 'made-by of a fact that is not declared',
    code: 'policy-fact-unknown',
    rule: 'P4',
    policy: of({ made_by: ['facts.pushers'] }),
  },
  {
    name: 'a source that this version does not know',
    code: 'policy-unsupported',
    rule: 'P4',
    policy: of({
      facts: {
        ...facts,
        image: { type: 'digest', source: { kind: 'adapter', adapter: 'registry', argument: 'service' }, max: null },
      },
    }),
  },
  {
    name: 'a source that gives another type',
    code: 'policy-fact-source',
    rule: 'P4',
    policy: of({
      facts: {
        ...facts,
        authors: { type: 'list<name>', source: { kind: 'adapter', adapter: 'git', argument: 'commit' }, max: null },
      },
    }),
  },
  {
    name: 'a source that reads what no requester names',
    code: 'policy-fact-source',
    rule: 'P4',
    policy: of({
      facts: { ...facts, commit: { type: 'commit', source: { kind: 'attested', by: 'group:platform' }, max: null } },
    }),
  },
  {
    name: 'authors that the requester types',
    code: 'policy-made-by',
    rule: 'P4',
    policy: of({ facts: { ...facts, authors: { type: 'list<person>', source: requester, max: null } } }),
  },
  {
    name: 'a target that two facts could share',
    code: 'policy-target',
    rule: 'P5',
    policy: of({ target: 'staging/{service}-{commit}' }),
  },
  {
    name: 'a path before the end of a target',
    code: 'policy-target',
    rule: 'P5',
    policy: of({
      target: 'staging/{file}/x',
      facts: { ...facts, file: { type: 'path', source: requester, max: null } },
    }),
  },
  { name: 'a target that climbs', code: 'policy-target', rule: 'P5', policy: of({ target: 'staging/../{service}' }) },
  // P6: names and counts (A15, A29, C10)
  { name: 'nobody who may ask', code: 'policy-nobody', rule: 'P6', policy: of({ ask: [] }) },
  { name: 'nobody who may run', code: 'policy-nobody', rule: 'P6', policy: of({ run: [] }) },
  { name: 'an unknown group', code: 'policy-principal-unknown', rule: 'P6', policy: of({ ask: ['group:developer'] }) },
  { name: 'an unknown machine', code: 'policy-principal-unknown', rule: 'P6', policy: of({ run: ['machine:robot'] }) },
  { name: 'an unknown person', code: 'policy-principal-unknown', rule: 'P6', policy: of({ owner: 'person:p_gone' }) },
  {
    name: 'an unknown attester',
    code: 'policy-principal-unknown',
    rule: 'P6',
    policy: of({
      facts: { ...facts, migrations: { type: 'int', source: { kind: 'attested', by: 'group:qa' }, max: null } },
    }),
  },
  {
    name: 'an empty group in a seat',
    code: 'policy-group-empty',
    rule: 'P6',
    policy: of({ tiers: [tierWith({ seats: [seat(1, 'group:empty')] })] }),
  },
  {
    name: 'an empty group of reviewers',
    code: 'policy-group-empty',
    rule: 'P6',
    policy: of({ reviewers: 'group:empty' }),
  },
  {
    name: 'a seat for no person',
    code: 'policy-seat-count',
    rule: 'P6',
    policy: of({ tiers: [tierWith({ seats: [seat(0)] })] }),
  },
  {
    name: 'a seat for fewer than no person',
    code: 'policy-seat-count',
    rule: 'P6',
    policy: of({ tiers: [tierWith({ seats: [seat(2), seat(-1, 'group:security', 'security')] })] }),
  },
  {
    name: 'more seats than a search can hold',
    code: 'policy-too-many-seats',
    rule: 'P6',
    policy: of({ tiers: [tierWith({ seats: [seat(13)] })] }),
  },
  // P7: who there is
  {
    name: 'more seats than people',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ tiers: [tierWith({ seats: [seat(4)] })] }),
  },
  {
    name: 'one person in both groups of two seats',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ tiers: [tierWith({ seats: [seat(1), seat(1, 'group:security', 'security')] })] }),
    roster: { ...sampleRoster, groups: { ...sampleRoster.groups, platform: ['p_plat1'], security: ['p_plat1'] } },
  },
  {
    name: 'a seat that only the requester could fill',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ ask: ['group:security'], tiers: [tierWith({ seats: [seat(1, 'group:security', 'security')] })] }),
    roster: withGroup('security', 'p_sec1'),
  },
  {
    name: 'a seat that only whoever runs it could fill',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ run: ['person:p_plat1'], tiers: [tierWith()] }),
    roster: withGroup('platform', 'p_plat1'),
  },
  {
    name: 'a level that nobody has a key for',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ tiers: [tierWith({ sign_with: 'hardware' })] }),
  },
  {
    name: 'independence that all who could fill it lack',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ tiers: [tierWith({ seats: [seat(2)], must_not_share: ['team'] })] }),
    roster: withGroup('platform', 'p_plat1', 'p_plat2'),
  },
  {
    name: 'independence by an attribute that nobody has',
    code: 'policy-gate-unmeetable',
    rule: 'P7',
    policy: of({ tiers: [tierWith({ must_not_share: ['location'] })] }),
  },
  // P8: what a tier may never be (A1)
  {
    name: 'production without a second person',
    code: 'policy-production-without-person',
    rule: 'P8',
    policy: of({ target: 'production/{service}', tiers: [tierWith({ seats: [] })] }),
  },
  {
    name: 'a verified target without a second person',
    code: 'policy-production-without-person',
    rule: 'P8',
    policy: of({ enforced: 'target-verified', tiers: [tierWith({ seats: [] })] }),
  },
  {
    name: 'any tier without a person',
    code: 'policy-unsupported',
    rule: 'P8',
    policy: of({ tiers: [tierWith({ seats: [] })] }),
  },
  {
    name: 'more independent surfaces than seats',
    code: 'policy-surface-unmeetable',
    rule: 'P8',
    policy: of({ tiers: [tierWith({ independent_surface: 2 })] }),
  },
  {
    name: 'a critical tier by key file',
    code: 'policy-critical-own-key',
    rule: 'P8',
    policy: of({ tiers: [tierWith(), criticalTier({ sign_with: 'own-key' })] }),
  },
  {
    name: 'a critical tier without an independent surface',
    code: 'policy-critical-surface',
    rule: 'P8',
    policy: of({ tiers: [tierWith(), criticalTier({ independent_surface: 0 })] }),
  },
  // P9: a riskier change never meets a weaker gate (INV2)
  {
    name: 'fewer approvals higher up',
    code: 'policy-tier-weaker',
    rule: 'P9',
    policy: of({ tiers: [tierWith({ seats: [seat(2)] }), criticalTier()] }),
  },
  {
    name: 'a lower level higher up',
    code: 'policy-tier-weaker',
    rule: 'P9',
    policy: of({ tiers: [tierWith({ sign_with: 'present' }), tierWith({ name: 'strict', from_score: 10 })] }),
  },
  {
    name: 'a shorter wait higher up',
    code: 'policy-tier-weaker',
    rule: 'P9',
    policy: of({ tiers: [tierWith({ time_lock: { wait_ms: day / 24, veto: ['group:risk'] } }), criticalTier()] }),
  },
  {
    name: 'less independence higher up',
    code: 'policy-tier-weaker',
    rule: 'P9',
    policy: of({ tiers: [tierWith({ must_not_share: ['team'] }), criticalTier()] }),
  },
  {
    name: 'fewer reviews higher up',
    code: 'policy-tier-weaker',
    rule: 'P9',
    policy: of({ tiers: [tierWith({ review_percent: 50 }), criticalTier({ review_percent: 49 })] }),
  },
  // P10: times
  {
    name: 'an answer within more than 30 days',
    code: 'policy-timing',
    rule: 'P10',
    policy: of({ timing: { ...actionWith().timing, answer_within_ms: 31 * day } }),
  },
  {
    name: 'a permit for more than a day',
    code: 'policy-timing',
    rule: 'P10',
    policy: of({ timing: { ...actionWith().timing, permit_valid_ms: day + 1 } }),
  },
  {
    name: 'an offline permit for more than 15 minutes',
    code: 'policy-timing',
    rule: 'P10',
    policy: of({ consume: 'offline', timing: { ...actionWith().timing, permit_valid_ms: 900_001 } }),
  },
  {
    name: 'an emergency for more than a day',
    code: 'policy-timing',
    rule: 'P10',
    policy: of({ emergency: { ...emergency, lasts_ms: day + 1 } }),
  },
  {
    name: 'a wait that nobody may veto',
    code: 'policy-time-lock',
    rule: 'P10',
    policy: of({ tiers: [tierWith({ time_lock: { wait_ms: day, veto: [] } })] }),
  },
  {
    name: 'a wait too short for anybody',
    code: 'policy-time-lock',
    rule: 'P10',
    policy: of({ tiers: [tierWith({ time_lock: { wait_ms: 999, veto: ['group:risk'] } })] }),
  },
  {
    name: 'a wait that outlasts every request',
    code: 'policy-time-lock',
    rule: 'P10',
    policy: of({ tiers: [tierWith({ time_lock: { wait_ms: 30 * day, veto: ['group:risk'] } })] }),
  },
  // P11, P12: emergency and review
  {
    name: 'an emergency that nobody may ask for',
    code: 'policy-nobody',
    rule: 'P11',
    policy: of({ emergency: { ...emergency, ask: [] } }),
  },
  {
    name: 'an emergency that nobody confirms',
    code: 'policy-seat-count',
    rule: 'P11',
    policy: of({ emergency: { ...emergency, confirm: { count: 0, group: 'group:commanders' } } }),
  },
  {
    name: 'an emergency that its only commander would ask for',
    code: 'policy-emergency-unmeetable',
    rule: 'P11',
    policy: of({ emergency: { ...emergency, ask: ['group:commanders'] } }),
    roster: withGroup('commanders', 'p_sec1'),
  },
  {
    name: 'reviews without reviewers',
    code: 'policy-reviewers-missing',
    rule: 'P12',
    policy: of({ reviewers: null, tiers: [tierWith({ review_percent: 1 })] }),
  },
  {
    name: 'an emergency without reviewers',
    code: 'policy-reviewers-missing',
    rule: 'P12',
    policy: of({ reviewers: null, emergency }),
  },
  // P13: governance (INV8)
  {
    name: 'no way to change the policy',
    code: 'policy-governance-missing',
    rule: 'P13',
    policy: { ...policyWith(), actions: { 'governance.roster': governanceAction('governance.roster') } },
  },
  {
    name: 'governance by one other person',
    code: 'policy-governance-weak',
    rule: 'P13',
    policy: policyWith(
      governanceAction('governance.policy', { tiers: [tierWith({ seats: [seat(1, 'group:founders', 'founders')] })] }),
    ),
  },
  {
    name: 'governance with an emergency path',
    code: 'policy-governance-weak',
    rule: 'P13',
    policy: policyWith(governanceAction('governance.policy', { emergency })),
  },
  {
    name: 'governance that rests on facts',
    code: 'policy-governance-weak',
    rule: 'P13',
    policy: policyWith(
      governanceAction('governance.roster', { facts: { service: { type: 'name', source: requester, max: null } } }),
    ),
  },
  {
    name: 'governance that a machine asks for',
    code: 'policy-governance-weak',
    rule: 'P13',
    policy: policyWith(governanceAction('governance.roster', { ask: ['machine:ci'] })),
  },
  {
    name: 'another action under the prefix',
    code: 'policy-governance-unknown',
    rule: 'P13',
    policy: policyWith({ ...governanceAction('governance.policy'), name: 'governance.keys' }),
  },
];
