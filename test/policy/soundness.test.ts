// SPDX-License-Identifier: Apache-2.0
// What makes a policy unsound: every code and rule, and that sound ones stay so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalCodes } from '../../src/kernel/refusal-codes.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { formatDiagnostic } from '../../src/policy/diagnostic.ts';
import { lintPolicy, loadPolicy } from '../../src/policy/lint.ts';
import { formatCompiledPolicy, parseCompiledPolicy } from '../../src/policy/policy-shape.ts';
import { checkSoundness } from '../../src/policy/soundness.ts';
import { base, cases } from './diagnostic-cases.ts';
import { compiled } from './policy-files.ts';
import { actionWith, criticalTier, policyWith, rosterFacts, sampleRoster, tierWith } from './policy-sample.ts';
import { soundnessCases } from './soundness-cases.ts';

test('the sample that all cases start from is sound', () => {
  assert.deepEqual(checkSoundness(policyWith(actionWith()), rosterFacts()), []);
});

for (const { name, code, rule, policy, roster } of soundnessCases)
  test(`${rule}: ${name} is refused`, () => {
    const found = checkSoundness(policy, rosterFacts(roster ?? sampleRoster));
    const one = found.find((refusal) => refusal.code === code && refusal.rule === rule);
    assert.ok(one, `found ${found.map((refusal) => `${refusal.code} ${refusal.rule}`).join(', ') || 'nothing'}`);
    assert.ok((one.help ?? '').length > 10, 'it has help');
    assert.equal(typeof one.facts['action'], 'string');
  });

test('every policy code is produced by a case here or in the documents, or told elsewhere by the ledger', () => {
  const shown = new Set<string>([...soundnessCases.map((one) => one.code), ...cases.map(([, , , code]) => code)]);
  // Shown by hostile.test.ts, compile.test.ts, diagnostics.test.ts, assess.test.ts and the life of a request.
  const elsewhere = [
    'policy-too-large',
    'policy-malformed',
    'policy-action-twice',
    'policy-missing',
    'policy-changed',
    'policy-stale',
    // Shown by points.test.ts: they need policy and roster side by side.
    'policy-point-unknown-action',
    'policy-point-missing',
    // Warnings, shown by worth-a-look.test.ts.
    'policy-runbook-missing',
    'policy-tier-unreachable',
  ];
  assert.deepEqual(
    refusalCodes.filter((code) => code.startsWith('policy-') && !shown.has(code) && !elsewhere.includes(code)),
    [],
  );
});

test('P7: one more person makes an unmeetable gate meetable', () => {
  const policy = policyWith(
    actionWith({ tiers: [tierWith({ seats: [{ name: 'risk', count: 2, group: 'group:risk' }] })] }),
  );
  assert.equal(checkSoundness(policy, rosterFacts())[0]?.code, 'policy-gate-unmeetable');
  const roster = { ...sampleRoster, groups: { ...sampleRoster.groups, risk: ['p_risk1', 'p_sec1'] } };
  assert.deepEqual(checkSoundness(policy, rosterFacts(roster)), []);
});

const governance = ['policy', 'roster']
  .map(
    (name) => `---
kind: Action
name: governance.${name}
title: Change it
owner: group:founders
target: governance/${name}
enforced: advisory
people: {ask: [group:founders]}
tiers: [{name: governance, from-score: 0, approvals: {founders: 2 of group:founders}, sign-with: own-key}]
timing: {answer-within: 4h, permit-valid: 15m, review-within: 3d}
`,
  )
  .join('');

/** Where soundness refusals are shown: the text of the line from the place on begins with this. */
const places: readonly (readonly [from: string, to: string, code: string, at: string])[] = [
  ['owner: group:platform', 'owner: group:platfrom', 'policy-principal-unknown', 'group:platfrom'],
  ['ask: [group:developers]', 'ask: []', 'policy-nobody', '[]'],
  ['ask: [group:developers]', 'ask: [group:developers, machine:robot]', 'policy-principal-unknown', 'machine:robot'],
  ['run: [machine:deployer]', 'run: []', 'policy-nobody', '[]'],
  ['platform: 1 of group:platform', 'platform: 0 of group:platform', 'policy-seat-count', '0 of group:platform'],
  ['platform: 2 of group:platform', 'platform: 2 of group:empty', 'policy-group-empty', 'group:empty'],
  ['platform: 2 of group:platform', 'platform: 13 of group:platform', 'policy-too-many-seats', '{platform: 13'],
  ['platform: 2 of group:platform', 'platform: 9 of group:platform', 'policy-gate-unmeetable', '9 of'],
  ['approvals: {platform: 1 of group:platform}, ', '', 'policy-unsupported', 'standard'],
  [
    '2 of group:platform}, sign-with: own-key',
    '2 of group:platform}, sign-with: own-key, independent-surface: 3',
    'policy-surface-unmeetable',
    '3}',
  ],
  [
    '1 of group:platform}, sign-with: own-key',
    '1 of group:platform}, sign-with: present',
    'policy-tier-weaker',
    'strict',
  ],
  [
    '2 of group:platform}, sign-with: own-key',
    '2 of group:platform}, sign-with: own-key, time-lock: {wait: 29d, veto: [group:nobody]}',
    'policy-principal-unknown',
    'group:nobody',
  ],
  [
    '2 of group:platform}, sign-with: own-key',
    '2 of group:platform}, sign-with: own-key, time-lock: {wait: 30d, veto: [group:risk]}',
    'policy-time-lock',
    '30d',
  ],
  [
    '2 of group:platform}, sign-with: own-key',
    '2 of group:platform}, sign-with: own-key, time-lock: {wait: 1d, veto: []}',
    'policy-time-lock',
    '[]',
  ],
  ['answer-within: 4h', 'answer-within: 31d', 'policy-timing', '31d'],
  ['permit-valid: 15m', 'permit-valid: 25h', 'policy-timing', '25h'],
  [
    'enforced: advisory',
    'enforced: advisory\nemergency: {ask: [group:oncall], confirm: 0 of group:commanders, lasts: 1h, review-within: 1d}',
    'policy-seat-count',
    '0 of group:commanders',
  ],
  [
    'enforced: advisory',
    'enforced: advisory\nemergency: {ask: [group:oncal], confirm: 1 of group:commanders, lasts: 1h, review-within: 1d}',
    'policy-principal-unknown',
    'group:oncal',
  ],
  [
    'enforced: advisory',
    'enforced: advisory\nemergency: {ask: group:oncall, confirm: 1 of group:comanders, lasts: 1h, review-within: 1d}',
    'policy-principal-unknown',
    'group:comanders',
  ],
  [
    'enforced: advisory',
    'enforced: advisory\nemergency: {ask: group:oncall, confirm: 1 of group:commanders, lasts: 2d, review-within: 1d}',
    'policy-timing',
    '2d',
  ],
  ['founders: 2 of group:founders', 'founders: 1 of group:founders', 'policy-governance-weak', '{founders: 1'],
];

for (const [from, to, code, at] of places)
  test(`soundness is shown at its place: ${code} at \`${at}\``, () => {
    const text = `${base}${governance}`;
    assert.ok(text.includes(from));
    const file = { name: 'policy.yaml', text: text.replace(from, () => to) };
    const found = lintPolicy([file], compiled(file).policy, { roster: rosterFacts() });
    const one = found.find((diagnostic) => diagnostic.code === code);
    const shown = found.map(formatDiagnostic).join('\n\n');
    assert.ok(one, shown);
    assert.ok((file.text.split('\n')[one.line - 1] ?? '').slice(one.column - 1).startsWith(at), shown);
  });

test('P13: missing governance is told at the top of the files, with a template to start from', () => {
  const file = { name: 'policy.yaml', text: base };
  const loaded = loadPolicy([file], { commit: null, roster: rosterFacts() });
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.diagnostics.map((one) => [one.code, one.file, one.line]),
    [
      ['policy-governance-missing', 'policy.yaml', 1],
      ['policy-governance-missing', 'policy.yaml', 1],
    ],
  );
  assert.match(loaded.diagnostics[0]?.help ?? '', /examples\/trial\/policy\/governance\.yaml/);
});

test('loadPolicy gives the policy when it is sound, and compile errors before soundness', () => {
  const file = { name: 'policy.yaml', text: `${base}${governance}` };
  const loaded = loadPolicy([file], { commit: null, roster: rosterFacts() });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.diagnostics.map(formatDiagnostic).join('\n'));
  const broken = loadPolicy([{ ...file, text: file.text.replace('4h', '4 h') }], {
    commit: null,
    roster: rosterFacts(),
  });
  assert.ok(!broken.ok);
  assert.deepEqual(
    broken.diagnostics.map((one) => one.code),
    ['policy-duration-malformed'],
  );
});

test('P2: a compiled policy that was tampered with is not read', async (t) => {
  const { policy } = compiled({ name: 'policy.yaml', text: `${base}${governance}` });
  const text = formatCompiledPolicy(policy);
  const changes: readonly (readonly [string, string, string])[] = [
    ['"from_score":0', '"from_score":1', 'policy-malformed'],
    ['"tier":"strict"', '"tier":"lenient"', 'policy-malformed'],
    ['"name":"strict"', '"name":"emergency"', 'policy-malformed'],
    ['"op":"fact"', '"op":"file"', 'policy-malformed'],
    ['"function":"size"', '"function":"eval"', 'policy-malformed'],
    ['"kind":"requester"', '"kind":"trusted"', 'policy-malformed'],
    ['"points":15', '"points":-15', 'shape-mismatch'],
    ['"sign_with":"own-key"', '"sign_with":"none"', 'shape-mismatch'],
  ];
  for (const [from, to, code] of changes)
    await t.test(`${from} → ${to}`, () => {
      assert.ok(text.includes(from));
      const read = parseCompiledPolicy(Buffer.from(text.replace(from, to)));
      assert.equal(read.ok ? 'read' : read.refusal.code, code);
    });
});

test('a tier named critical may be met when it asks for presence and an independent surface', () => {
  assert.deepEqual(checkSoundness(policyWith(actionWith({ tiers: [tierWith(), criticalTier()] })), rosterFacts()), []);
  assert.ok(compilePolicy([{ name: 'x', text: base.replaceAll('strict', 'critical') }], { commit: null }).ok);
});
