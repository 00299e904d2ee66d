// SPDX-License-Identifier: Apache-2.0
// Roster documents: what they compile to, and what is said about those that are wrong (SPEC O9).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { formatDiagnostic } from '../../src/policy/diagnostic.ts';
import { checkSoundness } from '../../src/policy/soundness.ts';
import { compileRoster, rosterSchema, type RosterSetting } from '../../src/roster/compile.ts';
import { policyFactsOf } from '../../src/roster/policy-facts.ts';
import { sealRoster } from '../../src/roster/roster.ts';
import {
  compiled,
  compileTrialRoster,
  idOf,
  readSeedKey,
  trialPolicyFiles,
  trialRosterFile,
} from '../policy/policy-files.ts';
import { seedKey } from '../support/seed-key.ts';

const known = ['ada.pub', 'bob.pub', 'grace.pub', 'grace-second.pub', 'ci.pub'];
const setting: RosterSetting = { readKey: (name) => (known.includes(name) ? readSeedKey(name) : undefined), idOf };
const line = (name: string): string => seedKey(name).public.line;
const key = (name: string): string => `key/${seedKey(name).public.fingerprint}`;

const base = `kind: Roster
persons:
  ada: {name: Ada Lovelace, attributes: {team: dev, manager: grace}, keys: [{file: ada.pub}]}
  bob: {name: Bob Kahn, keys: [{file: bob.pub}]}
  grace:
    name: Grace Hopper
    id: p_7h2k9w
    attributes: {team: platform}
    keys: [{file: grace.pub}, {file: grace-second.pub}]
    logins: ["github:1234567"]
machines:
  ci: {accountable: ada, purpose: builds, keys: [{file: ci.pub}]}
groups:
  developers: [bob, ada]
  platform: [grace]
enforcement-points:
  site: {actions: [deploy.production, deploy.kiosk], operator: "machine:ci"}
  desk: {actions: [run.command], operator: bob}
origins:
  https://sign.example.org: {operator: Example Ltd, independent: true}
`;
const compile = (text: string, over: Partial<RosterSetting> = {}) =>
  compileRoster({ name: 'roster.yaml', text }, { ...setting, ...over });

const plainKey = (name: string, holder: string): JsonObject => ({
  status: 'active',
  holder,
  line: line(name),
  level: 'own-key',
  distrusted_from: null,
});

test('O9: a roster document compiles to exactly these records', () => {
  const result = compile(base);
  assert.ok(result.ok, result.ok ? '' : result.diagnostics.map(formatDiagnostic).join('\n'));
  assert.deepEqual(result.records, {
    'person/p_ada0': { status: 'active', attributes: { team: 'dev', manager: 'p_7h2k9w' } },
    'person/p_bob0': { status: 'active', attributes: {} },
    'person/p_7h2k9w': { status: 'active', attributes: { team: 'platform' } },
    'login/github:1234567': { person: 'p_7h2k9w' },
    'machine/ci': { status: 'active', accountable: 'p_ada0', purpose: 'builds' },
    [key('ada')]: plainKey('ada', 'person:p_ada0'),
    [key('bob')]: plainKey('bob', 'person:p_bob0'),
    [key('grace')]: plainKey('grace', 'person:p_7h2k9w'),
    [key('grace-second')]: plainKey('grace-second', 'person:p_7h2k9w'),
    [key('ci')]: plainKey('ci', 'machine:ci'),
    'group/developers': { members: ['p_ada0', 'p_bob0'] },
    'group/platform': { members: ['p_7h2k9w'] },
    'instance/site': { status: 'active', actions: ['deploy.kiosk', 'deploy.production'], operator: 'machine:ci' },
    'instance/desk': { status: 'active', actions: ['run.command'], operator: 'person:p_bob0' },
    'origin/https://sign.example.org': { operator: 'Example Ltd', independent: true },
  });
  assert.ok(sealRoster(1, new Map(Object.entries(result.records))).ok);
});

test('two handles that would get one id are refused: one person is one entry', () => {
  const result = compile(base, { idOf: () => 'p_same' });
  assert.ok(!result.ok);
  assert.match(result.diagnostics[0]?.message ?? '', /`bob` has the id `p_same` of `ada`/);
});

test('neither names of people nor their handles reach the records', () => {
  const opaque: { readonly [handle: string]: string } = { ada: 'p_x1y2z3', bob: 'p_q4r5s6' };
  const hidden = compile(base, { idOf: (handle) => opaque[handle] ?? '' });
  assert.ok(hidden.ok);
  const records = canonicalize(
    Object.fromEntries(Object.entries(hidden.records).filter(([name]) => !name.startsWith('key/'))),
  );
  for (const word of ['ada', 'bob', 'grace', 'Ada', 'Kahn']) assert.ok(!records.includes(word), word);
});

test('names of people stand beside the records, by id', () => {
  const result = compile(base);
  assert.ok(result.ok);
  assert.deepEqual(result.people, { p_ada0: 'Ada Lovelace', p_bob0: 'Bob Kahn', p_7h2k9w: 'Grace Hopper' });
  assert.deepEqual(result.ids, { ada: 'p_ada0', bob: 'p_bob0', grace: 'p_7h2k9w' });
  const text = canonicalize(result.records);
  for (const word of ['Lovelace', 'Kahn', 'Hopper', 'a comment']) assert.ok(!text.includes(word), word);
});

/** `«` stands before the place that the finding has to be at. */
type Case = readonly [name: string, from: string, to: string, code: string, message: RegExp, help: RegExp];
const cases: readonly Case[] = [
  [
    'a key under two persons',
    'keys: [{file: bob.pub}]',
    'keys: [«{file: ada.pub}]',
    'key-under-two-persons',
    /of `bob` also belongs to `ada`/,
    /line 3, `persons.ada.keys\[0\]`/,
  ],
  [
    'a key of a person under a machine',
    'keys: [{file: ci.pub}]',
    'keys: [«{file: ada.pub}]',
    'key-under-two-persons',
    /of `ci` also belongs to `ada`/,
    /line 3/,
  ],
  [
    'the same key written as a line',
    'keys: [{file: bob.pub}]',
    `keys: [«{line: "${line('ada')} bob@home"}]`,
    'key-under-two-persons',
    /also belongs to `ada`/,
    /line 3/,
  ],
  [
    'a key twice under one person',
    '{file: grace-second.pub}',
    '«{file: grace.pub}',
    'key-under-two-persons',
    /stands twice under `grace`/,
    /line 9/,
  ],
  [
    'a malformed key',
    'keys: [{file: bob.pub}]',
    'keys: [{line: «ssh-ed25519 AAAA}]',
    'key-malformed',
    /public key is malformed/,
    /ssh-keygen/,
  ],
  [
    'a private key',
    'keys: [{file: bob.pub}]',
    'keys: [{line: «"-----BEGIN OPENSSH PRIVATE KEY-----"}]',
    'key-type-unsupported',
    /not supported/,
    /ssh-ed25519/,
  ],
  [
    'a weak kind of key',
    'keys: [{file: bob.pub}]',
    'keys: [{line: «ssh-dss AAAA}]',
    'key-type-unsupported',
    /`ssh-dss`/,
    /ssh-ed25519/,
  ],
  [
    'a key file that is not there',
    'file: bob.pub',
    'file: «bobby.pub',
    'roster-document-malformed',
    /no key file `bobby.pub`/,
    /ssh-keygen/,
  ],
  [
    'a key file elsewhere',
    'file: bob.pub',
    'file: «../../etc/bob.pub',
    'roster-document-malformed',
    /no plain name/,
    /beside the roster/,
  ],
  [
    'a private key file',
    'file: bob.pub',
    'file: «bob',
    'roster-document-malformed',
    /no plain name/,
    /never a private key/,
  ],
  [
    'a key by nothing',
    '{file: bob.pub}',
    '«{level: own-key}',
    'roster-document-malformed',
    /by `file` or by `line`/,
    /ada\.pub/,
  ],
  [
    'a level that the key cannot show',
    '{file: bob.pub}',
    '{file: bob.pub, level: «hardware}',
    'roster-document-malformed',
    /cannot show that somebody was present/,
    /own-key/,
  ],
  [
    'an unknown member',
    'developers: [bob, ada]',
    'developers: [«bbo, ada]',
    'roster-dangling',
    /`bbo` is not a person/,
    /did you mean `bob`/,
  ],
  [
    'a machine as a member',
    'developers: [bob, ada]',
    'developers: [«ci, ada]',
    'roster-dangling',
    /`ci` is a machine, and only persons/,
    /`ada`/,
  ],
  [
    'a member twice',
    'developers: [bob, ada]',
    'developers: [bob, «bob]',
    'roster-document-malformed',
    /stands twice in group/,
    /once/,
  ],
  [
    'an empty group',
    'platform: [grace]',
    'platform: «[]',
    'roster-group-empty',
    /group `platform` has no member/,
    /nobody/,
  ],
  [
    'an unknown accountable person',
    'accountable: ada',
    'accountable: «adda',
    'roster-dangling',
    /`adda`/,
    /did you mean `ada`/,
  ],
  ['an unknown manager', 'manager: grace', 'manager: «grce', 'roster-dangling', /`grce`/, /did you mean `grace`/],
  [
    'an unknown operator',
    'operator: "machine:ci"',
    'operator: «"machine:cj"',
    'roster-dangling',
    /no machine `cj`/,
    /did you mean `ci`/,
  ],
  [
    'an unknown person as operator',
    'operator: bob',
    'operator: «bobb',
    'roster-dangling',
    /`bobb` is not a person/,
    /did you mean `bob`/,
  ],
  ['a malformed id', 'id: p_7h2k9w', 'id: «grace', 'roster-document-malformed', /must be an opaque id/, /p_7h2k9w/],
  [
    'an unknown key',
    'name: Bob Kahn,',
    'name: Bob Kahn, «mail: bob@example.org,',
    'roster-document-malformed',
    /unknown key `mail` in `persons.bob`/,
    /keys here are `name`, `id`/,
  ],
  [
    'an unknown section',
    'machines:\n',
    '«machins:\n',
    'roster-document-malformed',
    /unknown key `machins`/,
    /did you mean `machines`/,
  ],
  [
    'a name that is missing',
    '{name: Bob Kahn, keys',
    '«{keys',
    'roster-document-malformed',
    /`persons.bob.name` is missing/,
    /name: Ada Lovelace/,
  ],
  ['a malformed handle', '  bob: {', '  «Bob: {', 'roster-document-malformed', /`Bob` must be a name/, /another name/],
  [
    'a malformed origin',
    'https://sign.example.org:',
    '«http://sign.example.org:',
    'roster-document-malformed',
    /must be an origin/,
    /./,
  ],
  [
    'a malformed login',
    '"github:1234567"',
    '«"github 1234567"',
    'roster-document-malformed',
    /must be a login/,
    /github:1234567/,
  ],
  ['another kind', 'kind: Roster', 'kind: «Action', 'roster-document-malformed', /cannot be `Action`/, /`Roster`/],
  ['an alias', 'name: Bob Kahn', 'name: &bob «Bob Kahn', 'policy-yaml-forbidden', /anchor/, /./],
  [
    'a person twice',
    '  grace:\n',
    '  «ada: {name: Other, keys: []}\n  grace:\n',
    'policy-yaml-malformed',
    /`[a-z]+` stands twice, first in line \d+/,
    /every key once/,
  ],
];
for (const [name, from, to, code, message, help] of cases)
  test(`O9: ${name} is refused with its place and what to do`, () => {
    assert.ok(base.includes(from), from);
    const marked = base.replace(from, () => to);
    const mark = marked.indexOf('«');
    const text = marked.replace('«', '');
    const result = compile(text);
    assert.ok(!result.ok);
    const shown = result.diagnostics.map(formatDiagnostic).join('\n\n');
    // Where what is wrong takes a name away, references to it are told of as well; the cause comes first.
    const [first] = result.diagnostics;
    assert.equal(first?.code, code, shown);
    assert.match(first.message, message);
    assert.match(first.help, help);
    const before = text.slice(0, mark);
    assert.deepEqual([first.line, first.column], [before.split('\n').length, mark - before.lastIndexOf('\n')], shown);
  });

test('O9: everything that is wrong is told at once', () => {
  const result = compile(
    base
      .replace('name: Bob Kahn', 'nam: Bob Kahn')
      .replace('accountable: ada', 'accountable: adda')
      .replace('platform: [grace]', 'platform: []')
      .replace('operator: "machine:ci"', 'operator: "machine:cj"')
      .replace('file: grace.pub', 'file: nobody.pub'),
  );
  assert.ok(!result.ok);
  const messages = result.diagnostics.map((one) => one.message).join('\n');
  for (const part of [
    /unknown key `nam`/,
    /`persons.bob.name` is missing/,
    /`adda`/,
    /`platform` has no member/,
    /`cj`/,
    /nobody\.pub/,
  ])
    assert.match(messages, part);
  assert.equal(result.diagnostics.length, 6, messages);
});

test('O9: two persons with one login, or two documents, are refused', () => {
  const login = compile(base.replace('name: Bob Kahn,', 'name: Bob Kahn, logins: ["github:1234567"],'));
  assert.match(login.ok ? '' : (login.diagnostics[0]?.message ?? ''), /`github:1234567` stands twice/);
  const two = compile(`${base}---\n${base}`);
  assert.match(two.ok ? '' : (two.diagnostics[0]?.message ?? ''), /has 2 documents/);
  const none = compile('');
  assert.match(none.ok ? '' : (none.diagnostics[0]?.message ?? ''), /has 0 documents/);
});

test('an id that nobody could use is refused at the person', () => {
  const result = compile(base, { idOf: (handle) => (handle === 'bob' ? 'Bob' : idOf(handle)) });
  assert.ok(!result.ok);
  assert.match(result.diagnostics[0]?.message ?? '', /`bob` has no usable id/);
  assert.equal(result.diagnostics[0]?.line, 4);
});

test('security keys may be enrolled at a higher level; revoked and distrusted keys keep their record', () => {
  const sk =
    'sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBY6Ed2MTP2iCmlE4LEHXiGJhMbVE4Em5Bd8pA7Wu4dBAAAABHNzaDo=';
  const result = compile(
    base
      .replace('{file: bob.pub}', `{line: ${sk}, level: hardware}`)
      .replace('{file: grace-second.pub}', '{file: grace-second.pub, status: revoked, distrusted-from: 7}'),
  );
  assert.ok(result.ok, result.ok ? '' : result.diagnostics.map(formatDiagnostic).join('\n'));
  assert.equal(Object.values(result.records).filter((one) => one['level'] === 'hardware').length, 1);
  assert.deepEqual(result.records[key('grace-second')], {
    ...plainKey('grace-second', 'person:p_7h2k9w'),
    status: 'revoked',
    distrusted_from: 7,
  });
});

test('the trial roster names everybody the trial policy needs', () => {
  const { records, people } = compileTrialRoster();
  const roster = sealRoster(1, new Map(Object.entries(records)));
  assert.ok(roster.ok);
  assert.deepEqual(checkSoundness(compiled(...trialPolicyFiles).policy, policyFactsOf(roster.value)), []);
  assert.equal(people['p_grace0'], 'Grace');
  assert.equal(Object.keys(records).filter((one) => one.startsWith('key/')).length, 11);
});

test('O9: no text makes reading a roster throw', () => {
  const bits = [
    ...base.split('\n'),
    ...trialRosterFile.text.split('\n'),
    ...cases.map(([, , to]) => to.replace('«', '')),
    '  __proto__: {name: x}',
    '  constructor: {name: x}',
    'persons: []',
    'groups: {a: [[]]}',
    '*a',
    '\ud800',
  ];
  const text = fc.oneof(
    fc.array(fc.constantFrom(...bits), { maxLength: 20 }).map((parts) => parts.join('\n')),
    fc
      .tuple(fc.nat({ max: base.length }), fc.nat({ max: 40 }), fc.constantFrom('', ...bits))
      .map(([at, length, put]) => base.slice(0, at) + put + base.slice(at + length)),
  );
  fc.assert(
    fc.property(text, (given) => {
      const result = compile(given);
      if (result.ok) assert.ok(sealRoster(1, new Map(Object.entries(result.records))).ok);
      else
        assert.ok(
          result.diagnostics.every((one) => one.line >= 1 && one.message !== '' && one.help !== ''),
          JSON.stringify(result.diagnostics),
        );
    }),
    { numRuns: 400 },
  );
});

test('the schema for editors knows the sections of a roster', () => {
  const schema = rosterSchema() as { properties: object; additionalProperties: boolean };
  assert.deepEqual(Object.keys(schema.properties), [
    'kind',
    'persons',
    'machines',
    'groups',
    'enforcement-points',
    'origins',
  ]);
  assert.equal(schema.additionalProperties, false);
});

test('the example in docs/roster.md compiles as it stands, and the page says where names of people are kept', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'roster.md'), 'utf8');
  const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1];
  assert.ok(text);
  const result = compileRoster({ name: 'docs/roster.md', text }, { readKey: readSeedKey, idOf });
  assert.ok(result.ok, result.ok ? '' : result.diagnostics.map(formatDiagnostic).join('\n'));
  assert.match(page, /`people\.json`.*data folder/);
});
