// SPDX-License-Identifier: Apache-2.0
// A gate that nobody can meet: which of its causes it is, in words, and at which place of the document.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CompiledAction, CompiledTier } from '../../src/policy/compiled.ts';
import { formatDiagnostic } from '../../src/policy/diagnostic.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { checkSoundness } from '../../src/policy/soundness.ts';
import { base } from './diagnostic-cases.ts';
import { compiled } from './policy-files.ts';
import { actionWith, policyWith, rosterFacts, sampleRoster, tierWith, type SampleRoster } from './policy-sample.ts';

const seat = (name: string, count = 1) => ({ name, count, group: `group:${name}` });
const groups = (changes: SampleRoster['groups']): SampleRoster => ({
  ...sampleRoster,
  groups: { ...sampleRoster.groups, ...changes },
});

type Case = {
  readonly cause: string;
  readonly tier: Partial<CompiledTier>;
  readonly action?: Partial<CompiledAction>;
  readonly roster?: SampleRoster;
  readonly says: RegExp;
  readonly help: RegExp;
};
const cases: readonly Case[] = [
  {
    cause: 'too-few-members',
    tier: { seats: [seat('security', 3)] },
    says: /tier `standard`: `group:security` has 2 members, seat `security` asks for 3/,
    help: /add people/,
  },
  {
    cause: 'key-level',
    tier: { seats: [seat('platform')], sign_with: 'hardware' },
    says: /no active key at level `hardware` in `group:platform`/,
    help: /sign-with/,
  },
  {
    cause: 'key-level',
    tier: { seats: [seat('security', 2)], sign_with: 'hardware' },
    says: /only 1 of `group:security` has an active key at level `hardware`, seat `security` asks for 2/,
    help: /enrol keys/,
  },
  {
    cause: 'attribute-unknown',
    tier: { must_not_share: ['teem'] },
    says: /nobody who asks or approves has the attribute `teem`/,
    help: /did you mean `team`\?/,
  },
  {
    cause: 'attribute-unknown',
    tier: { must_not_share: ['location'] },
    says: /has the attribute `location`/,
    help: /give people the attribute/,
  },
  {
    cause: 'same-people',
    tier: { seats: [seat('platform'), seat('dba'), seat('privacy')] },
    roster: groups({ dba: ['p_sec1'], privacy: ['p_sec1'] }),
    says: /`sec1` is the only one for `dba` and `privacy`/,
    help: /one person fills one seat/,
  },
  {
    cause: 'same-people',
    tier: { seats: [seat('security', 2), seat('dba')] },
    roster: groups({ dba: ['p_sec1', 'p_sec2'] }),
    says: /`security` and `dba` ask for 3 people, and only `sec1` and `sec2` could fill them/,
    help: /add people/,
  },
  {
    cause: 'nobody-asks',
    tier: {},
    action: { ask: ['machine:ci'] },
    roster: { ...sampleRoster, machines: { ...sampleRoster.machines, ci: 'p_gone' } },
    says: /nobody who may ask is active/,
    help: /answers for a machine/,
  },
  {
    cause: 'requester',
    tier: { seats: [seat('risk')] },
    action: { ask: ['group:risk'] },
    says: /whoever may ask, `risk1`, is the only one who could approve/,
    help: /who asks.*fills no seat/,
  },
  {
    cause: 'requester',
    tier: { seats: [seat('security', 2)] },
    action: { ask: ['group:security'] },
    says: /whoever asks, too few others are left/,
    help: /let others ask/,
  },
  {
    cause: 'executor',
    tier: { seats: [seat('risk')] },
    action: { run: ['person:p_risk1'] },
    says: /`risk1` runs it, and without them too few are left/,
    help: /let others run it/,
  },
  {
    cause: 'not-independent',
    tier: { seats: [seat('oncall', 2)], must_not_share: ['team'] },
    action: { run: ['group:security'] },
    says: /too few who could approve share no `team` with who asks and with each other/,
    help: /another kind/,
  },
];

for (const { cause, tier, action, roster, says, help } of cases)
  test(`P7: an unmeetable gate says why: ${cause}, ${says.source}`, () => {
    const policy = policyWith(actionWith({ tiers: [tierWith(tier)], ...action }));
    const found = checkSoundness(policy, rosterFacts(roster ?? sampleRoster));
    const [first] = found;
    assert.equal(first?.code, 'policy-gate-unmeetable', found.map((one) => one.message).join('\n'));
    assert.equal(found.length, 1, found.map((one) => one.message).join('\n'));
    assert.equal(first.facts['cause'], cause, first.message);
    assert.match(first.message, says);
    assert.match(first.help ?? '', help);
  });

/** Lints the sample document with one change, and shows what of it stands at each error's place. */
const lintWith = (from: string, to: string) => {
  assert.ok(base.includes(from), from);
  const file = { name: 'policy.yaml', text: base.replace(from, () => to) };
  const found = lintPolicy([file], compiled(file).policy, { roster: rosterFacts() }).filter(
    (one) =>
      one.severity === 'error' && one.code !== 'policy-governance-missing' && !one.code.startsWith('policy-point'),
  );
  return found.map((one) => ({
    ...one,
    at: (file.text.split('\n')[one.line - 1] ?? '').slice(one.column - 1),
    shown: formatDiagnostic(one),
  }));
};

test('P6: a slip in a group is one error, at the group, with the one that was meant', () => {
  // Without a group there is nobody, and so less than in the tier before: both follow, and neither is told.
  for (const [from, to] of [
    ['2 of group:platform', '2 of group:platfrom'],
    ['1 of group:platform', '1 of group:platfrom'],
    ['2 of group:platform}', '2 of group:platfrom}, time-lock: {wait: 1h, veto: [group:risk]}'],
    ['ask: [group:developers]', 'ask: [group:develpers]'],
    ['run: [machine:deployer]', 'run: [machine:deploier]'],
    [
      'timing:',
      'emergency: {ask: group:oncall, confirm: 1 of group:comanders, lasts: 1h, review-within: 1d}\nreviewers: group:risk\ntiming:',
    ],
  ] as const) {
    const found = lintWith(from, to);
    assert.equal(found.length, 1, found.map((one) => one.shown).join('\n'));
    const [first] = found;
    const meant = /(?:group|machine):(?:platform|developers|deployer|commanders)/.exec(first?.help ?? '')?.[0];
    assert.equal(first?.help, `did you mean \`${meant ?? ''}\`?`);
    assert.match(first?.message ?? '', /^`(group|machine):[a-z]+` of `deploy\.staging` is not in the roster/);
    assert.match(first?.at ?? '', /^(group:platfrom|group:develpers|machine:deploier|group:comanders)/, first?.shown);
  }
});

test('P7: an unmeetable gate is shown where its cause stands', () => {
  for (const [to, at] of [
    ['9 of group:platform}, sign-with: own-key}', '9 of'],
    ['2 of group:platform}, sign-with: hardware}', 'hardware'],
    ['2 of group:platform}, must-not-share: [manager, teem], sign-with: own-key}', 'teem]'],
  ] as const) {
    const [first, second] = lintWith('2 of group:platform}, sign-with: own-key}', to);
    assert.equal(first?.code, 'policy-gate-unmeetable');
    assert.equal(second, undefined);
    assert.ok(first.at.startsWith(at), first.shown);
  }
});

test('A44: the ledger explains without comparing names and in bounded work, since everybody waits meanwhile', () => {
  const eleven = Array.from({ length: 11 }, (_, at) => `p_many${at}`);
  const seats = Array.from({ length: 12 }, (_, at) => ({ name: `s${at}`, count: 1, group: `group:g${at}` }));
  const facts = rosterFacts({
    ...groups(Object.fromEntries(seats.map((_, at) => [`g${at}`, eleven]))),
    levels: {
      ...sampleRoster.levels,
      ...Object.fromEntries(eleven.map((id) => [id, sampleRoster.levels['p_dev1'] ?? []])),
    },
  });
  let looks = 0;
  const roster = {
    ...facts,
    get groups(): readonly string[] {
      throw new Error('the names of all groups are for lint');
    },
    groupMembers: (id: string) => {
      looks += 1;
      return facts.groupMembers(id);
    },
  };
  const [first] = checkSoundness(policyWith(actionWith({ tiers: [tierWith({ seats })] })), roster);
  assert.equal(first?.facts['cause'], 'same-people', first?.message ?? 'nothing is refused');
  assert.ok(looks < 2_000, `${looks} looks`);
  const [unknown] = checkSoundness(policyWith(actionWith({ ask: ['group:develpers'] })), roster);
  assert.equal(unknown?.help, 'enrol it first, or correct the name');
});
