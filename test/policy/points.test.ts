// SPDX-License-Identifier: Apache-2.0
// Policy and roster written together: every action has its enforcement point, every point its actions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkExecution } from '../../src/assess/execution.ts';
import { isError } from '../../src/policy/diagnostic.ts';
import { lintPolicy, loadPolicy } from '../../src/policy/lint.ts';
import { checkPoints } from '../../src/policy/point-rules.ts';
import { checkSoundness } from '../../src/policy/soundness.ts';
import { policyFactsOf } from '../../src/roster/policy-facts.ts';
import { sealRoster } from '../../src/roster/roster.ts';
import { compiled, compileTrialRoster, trialPolicyFiles, trialRosterFile } from './policy-files.ts';
import { actionWith, policyWith, rosterFacts, sampleRoster } from './policy-sample.ts';

const facts = (points: { readonly [name: string]: readonly string[] }) => rosterFacts({ ...sampleRoster, points });
const policy = policyWith(actionWith({ name: 'restore.backup' }));

test('P16: a point that names a misspelt action is told, with the action that was meant', () => {
  const [first, ...others] = checkPoints(policy, facts({ shell: ['restore.backups'] }));
  assert.equal(first?.code, 'policy-point-unknown-action');
  assert.equal(first.help, 'did you mean `restore.backup`?');
  // That the action has no point then follows, and is not told.
  assert.deepEqual(others, []);
  // What is like nothing leaves the action without a point, which is another mistake to look at.
  const [, missing] = checkPoints(policy, facts({ shell: ['print.labels'] }));
  assert.equal(missing?.code, 'policy-point-missing');
  assert.match(missing.help ?? '', /actions: \[restore\.backup\], operator: "machine:deployer"/);
});

test('P16: an action that is run and has no point is told; one that is served is not, nor is governance', () => {
  assert.deepEqual(
    checkPoints(policy, facts({})).map((one) => [one.code, one.facts['action']]),
    [['policy-point-missing', 'restore.backup']],
  );
  assert.deepEqual(checkPoints(policy, facts({ shell: ['restore.backup'] })), []);
  assert.match(
    checkPoints(policy, facts({ shell: ['restore.backup', 'governance.policy'] }))[0]?.message ?? '',
    /the ledger carries out itself/,
  );
});

test('P16, Q4: the ledger lets either come first, because until both are there every request is refused', () => {
  assert.deepEqual(checkSoundness(policy, facts({})), []);
  assert.deepEqual(checkSoundness(policy, facts({ shell: ['restore.backups'] })), []);
  const roster = sealRoster(1, new Map(Object.entries(compileTrialRoster().records)));
  assert.ok(roster.ok);
  const refused = checkExecution(roster.value, actionWith({ name: 'restore.backup' }), 'shell', null);
  assert.ok(!refused.ok);
  assert.equal(refused.refusal.code, 'audience-unknown');
  assert.match(refused.refusal.help ?? '', /no enforcement point is enrolled for it yet.*countersign roster propose/);
});

test('P16: with both documents at hand it is an error at the name in the roster; beside a roster in force, a warning', () => {
  const rosterFile = {
    ...trialRosterFile,
    text: trialRosterFile.text.replace('actions: [run.command]', 'actions: [run.comand]'),
  };
  const { records } = compileTrialRoster();
  const sealed = sealRoster(
    1,
    new Map(
      Object.entries({ ...records, 'instance/shell': { ...records['instance/shell'], actions: ['run.comand'] } }),
    ),
  );
  assert.ok(sealed.ok);
  const roster = policyFactsOf(sealed.value);
  const founded = loadPolicy(trialPolicyFiles, { commit: null, roster, rosterFile });
  assert.ok(!founded.ok);
  const errors = founded.diagnostics.filter(isError);
  assert.deepEqual(
    errors.map((one) => [one.code, one.file]),
    [['policy-point-unknown-action', 'roster.yaml']],
  );
  const [first] = errors;
  assert.ok(
    (rosterFile.text.split('\n')[(first?.line ?? 1) - 1] ?? '')
      .slice((first?.column ?? 1) - 1)
      .startsWith('run.comand]'),
  );
  const found = lintPolicy(trialPolicyFiles, compiled(...trialPolicyFiles).policy, { roster });
  assert.deepEqual(found.filter(isError), []);
  assert.equal(found.filter((one) => one.code.startsWith('policy-point-')).length, 1);
  assert.ok(loadPolicy(trialPolicyFiles, { commit: null, roster }).ok);
});
