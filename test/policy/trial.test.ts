// SPDX-License-Identifier: Apache-2.0
// The trial organisation of examples/trial: it compiles, it is sound, and its gates do what its comments say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { assess } from '../../src/assess/assess.ts';
import { formatDiagnostic } from '../../src/policy/diagnostic.ts';
import { lintPolicy, loadPolicy } from '../../src/policy/lint.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { reachOfEmergency, reachOfTier } from '../../src/policy/reach.ts';
import { policyFactsOf } from '../../src/roster/policy-facts.ts';
import { sealRoster, type Roster } from '../../src/roster/roster.ts';
import { World } from '../support/world.ts';
import { compiled, compileTrialRoster, trialPolicyFiles } from './policy-files.ts';
import { record } from './policy-sample.ts';

const sealed = (records: { readonly [key: string]: JsonObject }): Roster => {
  const roster = sealRoster(1, new Map(Object.entries(records)));
  assert.ok(roster.ok, roster.ok ? '' : roster.refusal.message);
  return roster.value;
};
const actionOf = (name: string): CompiledAction => {
  const action = compiled(...trialPolicyFiles).policy.actions[name];
  assert.ok(action, name);
  return action;
};
const trialFacts = () => policyFactsOf(sealed(compileTrialRoster().records));

test('the trial organisation compiles and is sound for its people', () => {
  const loaded = loadPolicy(trialPolicyFiles, { commit: null, roster: trialFacts() });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.diagnostics.map(formatDiagnostic).join('\n\n'));
  assert.deepEqual(Object.keys(loaded.policy.actions), [
    'deploy.kiosk',
    'deploy.production',
    'deploy.staging',
    'governance.policy',
    'governance.roster',
    'run.command',
  ]);
});

test('a ledger begins with the trial organisation', () => {
  const { policy } = compiled(...trialPolicyFiles);
  const { records } = compileTrialRoster();
  const world = new World(policy, { ...records });
  assert.equal(Object.keys(world.state.policy?.actions ?? {}).length, 6);
});

test('F6, R2: a low number that the requester types lowers no tier', () => {
  const action = actionOf('deploy.production');
  const facts = { authors: record(['p_ada0'], 'adapter'), migrations: record(0, 'requester') };
  const assessed = assess(action, facts);
  assert.equal(assessed.tier, 'strict');
  assert.deepEqual(assessed.worst_case, ['migrations']);
  assert.equal(assess(action, { ...facts, migrations: record(0, 'attested') }).tier, 'standard');
});

test('staging takes one vote, a large change there two', () => {
  const action = actionOf('deploy.staging');
  const authors = (count: number) =>
    record(
      Array.from({ length: count }, (_, at) => `p_dev${at}`),
      'adapter',
    );
  assert.equal(assess(action, { authors: authors(2) }).tier, 'standard');
  assert.equal(assess(action, { authors: authors(6) }).tier, 'strict');
});

test('P7, P11: everybody who may ask finds other people for every gate of the demo', () => {
  const roster = trialFacts();
  const { policy } = compiled(...trialPolicyFiles);
  for (const name of ['deploy.production', 'deploy.staging', 'run.command', 'governance.policy', 'governance.roster'])
    for (const tier of policy.actions[name]?.tiers ?? []) {
      const { cannot } = reachOfTier(roster, actionOf(name), tier);
      assert.deepEqual(cannot, [], `${name} ${tier.name}`);
    }
  assert.deepEqual(reachOfEmergency(roster, actionOf('deploy.production')).cannot, []);
});

test('without its second security member or its deployer the trial policy is refused at the place', () => {
  const { records } = compileTrialRoster();
  const { policy } = compiled(...trialPolicyFiles);
  const broken = sealed({
    ...records,
    'group/security': { members: ['p_grace0'] },
    'group/platform': { members: ['p_grace0'] },
  });
  const found = lintPolicy(trialPolicyFiles, policy, { roster: policyFactsOf(broken) });
  const strict = found.find((one) => one.file === 'deploy-production.yaml' && one.code === 'policy-gate-unmeetable');
  assert.ok(strict, found.map(formatDiagnostic).join('\n'));
  assert.match(strict.frame, /approvals: \{ platform: 1 of group:platform, security/);
});

test('the example in docs/policy.md compiles as it stands', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'policy.md'), 'utf8');
  const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1];
  assert.ok(text);
  const { policy, prose } = compiled({ name: 'docs/policy.md', text });
  assert.equal(policy.actions['deploy.production']?.tiers.length, 2);
  assert.equal(prose['deploy.production']?.runbook, 'runbooks/deploy.md');
});

test('the first gate is advisory until its policy says credential-held, as its page says', () => {
  const folder = join(import.meta.dirname, '..', '..', 'examples', 'first-gate');
  const text = readFileSync(join(folder, 'policy.yaml'), 'utf8');
  const graded = (changed: string) =>
    compiled({ name: 'policy.yaml', text: changed }).policy.actions['restart.service']?.enforced;
  assert.equal(graded(text), 'advisory');
  assert.equal(graded(text.replace('enforced: advisory', 'enforced: credential-held')), 'credential-held');
  const page = readFileSync(join(folder, 'README.md'), 'utf8');
  assert.match(page, /write `enforced: credential-held` in the policy and let `exec` hold the secret/);
});
