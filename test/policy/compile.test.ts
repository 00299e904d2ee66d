// SPDX-License-Identifier: Apache-2.0
// What an `Action` document compiles to: exactly, without prose, and read back by the core's own reader.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkFactValue } from '../../src/assess/fact-value.ts';
import { factValue } from '../../src/cli/fact-argument.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { actionSchema, compilePolicy } from '../../src/policy/compile.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { factTypes, formatCompiledPolicy, parseCompiledPolicy, policyDigest } from '../../src/policy/policy-shape.ts';
import { compiled, diagnosticsOf, trialPolicyFiles } from './policy-files.ts';

const sample = `kind: Action
name: deploy.production
title: Put a built version of a service into production   # the first line of every message about it
owner: group:platform
runbook: runbooks/deploy.md
target: "production/{service}"                # an approval holds for this target only
enforced: target-verified
facts:
  service:    {type: name, source: requester}
  commit:     {type: commit, source: requester}
  bundle:     {type: path, source: requester}
  artifact:   {type: digest, source: file-digest(bundle)}
  authors:    {type: list<person>, source: git(commit), max: 200}
  migrations: {type: int, source: attested(group:qa)}
people: {ask: [machine:ci, group:developers], made-by: [requester, facts.authors], run: [machine:deployer]}
risk:
  start: 20
  add:
    - {points: 30, when: size(facts.authors) > 5, why: a large change is hard to review}
  never-below: [{tier: critical, when: facts.migrations > 0, why: the schema changes}]
tiers:
  - {name: standard, from-score: 0, approvals: {platform: 1 of group:platform}, sign-with: own-key, review: 10%}
  - name: critical
    from-score: 60
    approvals: {platform: 1 of group:platform, security: 2 of group:security}
    must-not-share: [team, manager]           # with each other, nor with made-by
    sign-with: hardware
    independent-surface: 1
    time-lock: {wait: 15m, veto: [group:security, group:oncall]}
    review: all
timing: {answer-within: 4h, permit-valid: 30s, review-within: 3d}
reviewers: group:risk
emergency: {ask: group:oncall, confirm: 1 of group:incident-commanders, lasts: 1h, review-within: 24h}
`;

const minute = 60_000;
const golden: CompiledAction = {
  name: 'deploy.production',
  owner: 'group:platform',
  target: 'production/{service}',
  enforced: 'target-verified',
  facts: {
    service: { type: 'name', source: { kind: 'requester' }, max: null },
    commit: { type: 'commit', source: { kind: 'requester' }, max: null },
    bundle: { type: 'path', source: { kind: 'requester' }, max: null },
    artifact: { type: 'digest', source: { kind: 'adapter', adapter: 'file-digest', argument: 'bundle' }, max: null },
    authors: { type: 'list<person>', source: { kind: 'adapter', adapter: 'git', argument: 'commit' }, max: 200 },
    migrations: { type: 'int', source: { kind: 'attested', by: 'group:qa' }, max: null },
  },
  ask: ['group:developers', 'machine:ci'],
  made_by: ['facts.authors', 'requester'],
  run: ['machine:deployer'],
  risk: {
    start: 20,
    add: [
      {
        points: 30,
        when: {
          op: 'call',
          function: '>',
          arguments: [
            { op: 'call', function: 'size', arguments: [{ op: 'fact', name: 'authors' }] },
            { op: 'literal', value: 5 },
          ],
        },
      },
    ],
    never_below: [
      {
        tier: 'critical',
        when: {
          op: 'call',
          function: '>',
          arguments: [
            { op: 'fact', name: 'migrations' },
            { op: 'literal', value: 0 },
          ],
        },
      },
    ],
  },
  tiers: [
    {
      name: 'standard',
      from_score: 0,
      seats: [{ name: 'platform', count: 1, group: 'group:platform' }],
      must_not_share: [],
      sign_with: 'own-key',
      independent_surface: 0,
      time_lock: null,
      review_percent: 10,
    },
    {
      name: 'critical',
      from_score: 60,
      seats: [
        { name: 'platform', count: 1, group: 'group:platform' },
        { name: 'security', count: 2, group: 'group:security' },
      ],
      must_not_share: ['manager', 'team'],
      sign_with: 'hardware',
      independent_surface: 1,
      time_lock: { wait_ms: 15 * minute, veto: ['group:oncall', 'group:security'] },
      review_percent: 100,
    },
  ],
  timing: { answer_within_ms: 240 * minute, permit_valid_ms: 30_000, review_within_ms: 4320 * minute },
  reviewers: 'group:risk',
  consume: 'online',
  emergency: {
    ask: ['group:oncall'],
    confirm: { count: 1, group: 'group:incident-commanders' },
    lasts_ms: 60 * minute,
    review_within_ms: 1440 * minute,
  },
};

test('P14: the sample compiles to exactly this', () => {
  const { policy } = compiled({ name: 'sample.yaml', text: sample });
  assert.deepEqual(policy, {
    type: 'countersign.dev/policy/v0',
    commit: null,
    actions: { 'deploy.production': golden },
  });
});

test('no prose reaches what people approve; it stands beside it', () => {
  const { policy, prose } = compiled({ name: 'sample.yaml', text: sample });
  const text = canonicalize(policy);
  for (const word of ['Put a built', 'runbooks', 'hard to review', 'schema changes'])
    assert.ok(!text.includes(word), word);
  assert.deepEqual(prose, {
    'deploy.production': {
      title: 'Put a built version of a service into production',
      runbook: 'runbooks/deploy.md',
      why: { add: ['a large change is hard to review'], never_below: ['the schema changes'] },
    },
  });
});

test('the order of names in a list, of keys and of files, and comments, change no digest', () => {
  const { policy } = compiled({ name: 'sample.yaml', text: sample });
  const other = sample
    .replace('[machine:ci, group:developers]', '[group:developers, machine:ci]')
    .replace('veto: [group:security, group:oncall]', 'veto: [group:oncall, group:security]')
    .replace('owner: group:platform\n', '')
    .replace(/ +#.*$/gm, '')
    .concat('owner: group:platform\n');
  assert.equal(policyDigest(compiled({ name: 'sample.yaml', text: other }).policy), policyDigest(policy));
  const forwards = compiled(...trialPolicyFiles);
  const backwards = compiled(...trialPolicyFiles.toReversed());
  assert.equal(policyDigest(forwards.policy), policyDigest(backwards.policy));
});

test('what compiles is read back by the core, byte for byte', () => {
  const { policy } = compiled(...trialPolicyFiles);
  const read = parseCompiledPolicy(Buffer.from(formatCompiledPolicy(policy)));
  assert.ok(read.ok);
  assert.equal(formatCompiledPolicy(read.value), formatCompiledPolicy(policy));
});

test('G34: the commit goes into the policy, and only a full id does', () => {
  const file = { name: 'a.yaml', text: sample };
  const commit = `git:${'a'.repeat(40)}`;
  const result = compilePolicy([file], { commit });
  assert.ok(result.ok && result.policy.commit === commit);
  const short = compilePolicy([file], { commit: 'git:abc' });
  assert.ok(!short.ok);
  assert.match(short.diagnostics[0]?.message ?? '', /commit/);
});

test('what is left out has a default that allows nothing', () => {
  const { policy } = compiled({
    name: 'least.yaml',
    text: `kind: Action
name: run.command
title: Run it
owner: group:ops
target: shell
enforced: advisory
people: {ask: [group:ops]}
tiers: [{name: standard, from-score: 0, sign-with: own-key}]
timing: {answer-within: 1h, permit-valid: 1m, review-within: 1d}
`,
  });
  const action = policy.actions['run.command'];
  assert.deepEqual(action?.run, []);
  assert.deepEqual(action?.made_by, ['requester']);
  assert.deepEqual(action?.tiers[0]?.seats, []);
  assert.equal(action?.emergency, null);
  assert.equal(action?.consume, 'online');
});

test('no document at all is no policy', () => {
  for (const texts of [[], [''], ['# only a remark\n'], ['---\n---\n']])
    assert.match(diagnosticsOf(...texts)[0]?.message ?? '', /there is no `Action` document/);
});

test('facts may have names that JavaScript objects know already', () => {
  const text = sample.replaceAll('migrations', 'constructor');
  const { policy } = compiled({ name: 'sample.yaml', text });
  assert.deepEqual(policy.actions['deploy.production']?.facts['constructor'], golden.facts['migrations']);
});

test('the schema for editors knows the keys of an action', () => {
  const schema = actionSchema() as { properties: { [key: string]: object }; additionalProperties: boolean };
  assert.equal(schema.additionalProperties, false);
  for (const key of ['kind', 'name', 'facts', 'people', 'risk', 'tiers', 'timing', 'emergency', 'consume'])
    assert.ok(schema.properties[key], key);
});

type Part = { readonly enum?: readonly string[]; readonly pattern?: string } & { readonly [key: string]: unknown };
const partAt = (...path: readonly string[]): Part =>
  path.reduce<Part>((one, part) => one[part] as Part, actionSchema() as Part);
const fact = (key: string) => partAt('properties', 'facts', 'additionalProperties', 'properties', key);
const tierKey = (key: string) => partAt('properties', 'tiers', 'items', 'properties', key);

test('the schema for editors has the choices and forms of every text with a grammar of its own', () => {
  assert.deepEqual(fact('type').enum, factTypes);
  assert.deepEqual(tierKey('sign-with').enum, ['own-key', 'present', 'hardware']);
  assert.deepEqual(partAt('properties', 'consume').enum, ['online', 'offline']);
  const forms: readonly (readonly [Part, readonly string[], readonly string[]])[] = [
    [
      fact('source'),
      ['requester', 'git(commit)', 'file-digest(path)', 'attested(group:qa)'],
      ['git', 'gti(commit)', 'qa'],
    ],
    [tierKey('review'), ['all', 'none', '10%'], ['10', 'some']],
    [partAt('properties', 'timing', 'properties', 'answer-within'), ['30s', '15m', '4h', '3d'], ['4 hours', '1w', '']],
    [partAt('properties', 'owner'), ['group:platform', 'person:p_7h2k9w'], ['platform', 'machine:ci']],
    [
      tierKey('approvals')['additionalProperties'] as Part,
      ['1 of group:platform'],
      ['group:platform', '1 of platform', 'one of group:platform'],
    ],
  ];
  for (const [part, fit, unfit] of forms) {
    const form = new RegExp(part.pattern ?? 'there is none');
    for (const text of fit) assert.match(text, form);
    for (const text of unfit) assert.doesNotMatch(text, form);
  }
});

test('docs/policy.md lists every fact type and what fits it, and every choice of the document', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'policy.md'), 'utf8');
  for (const type of factTypes) {
    const row = new RegExp(`^\\| \`${type.replaceAll(/[<>]/g, '.')}\` \\| (.+) \\| \`(.+)\` \\|$`, 'm').exec(page);
    assert.ok(row, `no row for \`${type}\``);
    const value = JSON.parse(row[2] ?? '') as JsonValue;
    const checked = checkFactValue('x', { type, source: { kind: 'requester' }, max: null }, value);
    assert.ok(checked.ok, `the example of \`${type}\` does not fit it: ${row[2] ?? ''}`);
  }
  for (const choice of [
    'own-key',
    'present',
    'hardware',
    'online',
    'offline',
    'advisory',
    'credential-held',
    'target-verified',
  ])
    assert.ok(page.includes(`| \`${choice}\` |`) || page.includes(`\`${choice}\``), choice);
  for (const key of ['sign-with', 'independent-surface', 'review', 'consume', 'time-lock', 'enforced'])
    assert.ok(new RegExp(`^\\| \`${key}\``, 'm').test(page), `no row for \`${key}\``);
});

test('F3: a name that does not fit is told what a name is, by the ledger and on the command line', () => {
  const service = { type: 'name', source: { kind: 'requester' }, max: null } as const;
  const what = /a name of lowercase letters, digits, dots, dashes and underscores/;
  const refused = checkFactValue('service', service, 'OTHER');
  assert.ok(!refused.ok);
  assert.match(refused.refusal.message, what);
  const typed = factValue('service', service, 'OTHER');
  assert.ok(!typed.ok);
  assert.match(typed.refusal.help ?? '', what);
});
