// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { startRunning, type Running } from '../server/running.ts';
import { deployAction, fingerprintOf, policyOf } from '../support/world.ts';
import { Desks, type Answered } from './desk.ts';
import { runCli } from './run-cli.ts';

const deploy = deployAction({
  facts: {
    service: { type: 'name', source: { kind: 'requester' }, max: null },
    risk: { type: 'int', source: { kind: 'requester' }, max: 100 },
    fast: { type: 'bool', source: { kind: 'requester' }, max: null },
    regions: { type: 'list<name>', source: { kind: 'requester' }, max: 3 },
    artifact: { type: 'digest', source: { kind: 'requester' }, max: null },
    tested: { type: 'bool', source: { kind: 'attested', by: 'group:security' }, max: null },
  },
});

let running: Running;
let desks: Desks;
let file: string;
before(async () => {
  running = await startRunning({ policy: policyOf(deploy) });
  desks = new Desks(running);
  file = desks.write('app.tgz', 'version 1');
});
after(async () => {
  desks.close();
  await running.close();
});

const facts = ['service=shop', 'risk=3', 'fast=true', 'regions=us,eu'];
const ask = (more: readonly string[], given: readonly string[] = facts, by = 'ada'): Promise<Answered> =>
  desks.run(by, [
    'request',
    'deploy.production',
    ...given.flatMap((fact) => ['--fact', fact]),
    '--fact',
    `artifact=@${file}`,
    '--reason',
    'fixes the checkout',
    ...more,
  ]);
/** Writes a draft, has it attested, and asks for exactly that. */
const askAttested = async (
  name: string,
  more: readonly string[],
  given: readonly string[] = facts,
  by = 'ada',
): Promise<Answered> => {
  const [draft, out] = [`${desks.folder}/${name}-draft.json`, `${desks.folder}/${name}.json`];
  const all = [...given, `artifact=@${file}`].flatMap((fact) => ['--fact', fact]);
  const prepared = await desks.run(by, ['request', 'deploy.production', '--prepare', ...all, '--out', draft]);
  assert.equal(prepared.code, 0, prepared.stderr);
  const signed = await desks.run('radia', ['attest', draft, '--fact', 'tested=true', '--out', out]);
  assert.equal(signed.code, 0, signed.stderr);
  assert.match(signed.stderr, /facts\.service {2}"shop"/, 'whoever vouches sees what for');
  const asked = ['request', 'deploy.production', '--draft', draft, '--attest', out, '--reason', 'fixes the checkout'];
  return desks.run(by, [...asked, ...more]);
};

test('a request takes attested facts, fills in what is left open by nobody, and is what was meant', async () => {
  const done = await askAttested('one', ['--audience', 'web', '--for', 'person:p_bob0']);
  assert.equal(done.code, 0, done.stderr);
  const view = await running.show(String(done.data['request']));
  const change = JSON.parse(view.change_text) as {
    facts: { [name: string]: { value: unknown; vouched: string } };
    executor: { key: string };
    producers: string[];
  };
  assert.deepEqual(change.facts['regions']?.value, ['eu', 'us']);
  assert.equal(change.facts['artifact']?.value, digestOf('version 1'));
  assert.deepEqual([change.facts['tested']?.value, change.facts['tested']?.vouched], [true, 'attested']);
  assert.equal(change.executor.key, fingerprintOf('deployer'), 'the only key that may run it');
  assert.deepEqual(change.producers, ['p_ada0', 'p_bob0'], 'whom one asks for is a producer too');
  assert.equal(view.reason, 'fixes the checkout');
  assert.deepEqual(done.data['could_approve'], ['p_grace0', 'p_linus0']);
});

test('facts are read by their type; unknown, missing, mistyped ones say what is expected', async () => {
  const cases: readonly (readonly [readonly string[], string, RegExp])[] = [
    [['service=shop', 'risk=3', 'fast=true'], 'fact-missing', /regions/],
    [[...facts, 'colour=red'], 'fact-unexpected', /colour/],
    [[...facts, 'tested=true'], 'fact-unexpected', /not yours to give/],
    [['service=shop', 'risk=many', 'fast=true', 'regions=eu'], 'fact-mistyped', /risk.*int/],
    [['service=shop', 'risk=3', 'fast=yes', 'regions=eu'], 'fact-mistyped', /fast.*bool/],
    [['service=shop', 'risk=3', 'fast=true', 'regions=a,b,c,d'], 'fact-mistyped', /regions/],
    [['service=shop', 'risk=3', 'fast=true', 'regions'], 'fact-mistyped', /no `=`/],
    [facts, 'fact-unattested', /tested/],
  ];
  for (const [given, code, message] of cases) {
    const no = await ask(['--audience', 'web'], given);
    assert.equal(no.refusal['code'], code, no.stderr);
    assert.match(String(no.refusal['message']), message);
    assert.ok(typeof no.refusal['help'] === 'string');
  }
});

test('a token of another server is said to be one, and gives way to a key', async () => {
  const token = desks.write('other.token', `cst_${'A'.repeat(43)}\n`);
  const { COUNTERSIGN_KEY: key, ...withoutKey } = desks.env('vint');
  const env = { ...withoutKey, COUNTERSIGN_TOKEN_FILE: token, COUNTERSIGN_HOME: desks.home('stranger') };
  const refused = await runCli(['list', '--allow-trial'], { env, cwd: desks.folder });
  assert.match(refused.stderr, /error\[sign-in-needed\][\s\S]*COUNTERSIGN_TOKEN_FILE/);
  const listed = await runCli(['list', '--allow-trial', '--key', key ?? ''], { env, cwd: desks.folder });
  assert.equal(listed.code, 0, listed.stderr);
});

test('lint says what is wrong with a file although no server can be asked about people', async () => {
  const policy = desks.write('broken.yaml', 'kind: Action\nname: [');
  const { COUNTERSIGN_KEY: _, ...env } = desks.env('ada');
  const linted = await runCli(['policy', 'lint', policy], { env, cwd: desks.folder });
  assert.match(linted.stdout, /policy-yaml/);
  assert.doesNotMatch(linted.stderr, /trial-not-allowed/);
  assert.equal(linted.code, 1);
});

test('what policy leaves more than one choice about must be said', async () => {
  const no = await askAttested('two', []);
  assert.equal(no.refusal['code'], 'audience-unknown', no.stderr);
  assert.match(String(no.refusal['help']), /--audience NAME/);
  const unknown = await desks.run('ada', ['request', 'deploy.elsewhere', '--reason', 'x']);
  assert.deepEqual([unknown.refusal['code'], unknown.code], ['action-unknown', 5]);
  const silent = await desks.run('ada', [
    'request',
    'deploy.production',
    ...facts.flatMap((fact) => ['--fact', fact]),
    '--fact',
    `artifact=@${file}`,
  ]);
  assert.deepEqual([silent.refusal['code'], silent.code], ['usage', 2]);
});

test('list, show, watch, withdraw, veto tell and do what they say', async () => {
  const done = await askAttested('three', ['--audience', 'web']);
  const id = String(done.data['request']);
  const listed = await desks.run('linus', ['list', '--state', 'pending']);
  assert.ok(listed.stdout.includes(id), listed.stderr);
  const shown = await desks.run('linus', ['show', id, '--verify']);
  assert.equal(shown.data['verified'], true, shown.stderr);
  const waiting = await desks.run('linus', ['watch', id, '--timeout', '1s']);
  assert.equal(waiting.code, 124);
  const notMine = await desks.run('grace', ['withdraw', id]);
  assert.deepEqual([notMine.refusal['code'], notMine.code], ['withdraw-not-allowed', 3], notMine.stderr);
  const mine = await desks.run('ada', ['withdraw', id, '--reason', 'thought better of it']);
  assert.equal(mine.code, 0, mine.stderr);
  assert.equal((await desks.run('linus', ['watch', id])).code, 3);
  const risky = await askAttested('four', ['--audience', 'web'], facts, 'ada');
  const vetoed = await desks.run('vint', ['veto', String(risky.data['request'])]);
  assert.equal(vetoed.refusal['code'], 'veto-not-allowed', vetoed.stderr);
});

test('a vote that stock ssh-keygen signed is sent as it is; one for another request is not', async () => {
  const { request, change } = await running.ask({
    facts: { service: 'shop', risk: 1, fast: false, regions: [], artifact: digestOf('x') },
  });
  const { body } = await running.get<{ statement: string; change: string }>(
    `/v1/requests/${request}/statement?decision=approve&person=p_linus0`,
  );
  assert.equal(body.change, change);
  const statement = desks.write('vote.json', body.statement);
  execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', desks.key('linus'), '-n', 'countersign-vote@v1', statement], {
    stdio: 'ignore',
  });
  const sent = await desks.run('vint', [
    'vote-send',
    request,
    '--statement',
    statement,
    '--signature',
    `${statement}.sig`,
  ]);
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(sent.data['status'], 'met');
  const other = await running.ask({
    facts: { service: 'shop', risk: 1, fast: false, regions: [], artifact: digestOf('x') },
  });
  const wrong = await desks.run('vint', [
    'vote-send',
    other.request,
    '--statement',
    statement,
    '--signature',
    `${statement}.sig`,
  ]);
  assert.equal(wrong.code, 2);
  const broken = desks.write('broken.json', `${readFileSync(statement, 'utf8')}\n`);
  const no = await desks.run('vint', ['vote-send', request, '--statement', broken, '--signature', `${statement}.sig`]);
  assert.equal(no.refusal['code'], 'json-not-canonical', no.stderr);
});

test('digest works the change out from what one holds oneself, and says so when it is something else', async () => {
  const done = await askAttested('five', ['--audience', 'web']);
  const id = String(done.data['request']);
  const same = await desks.run('grace', ['digest', id, '--artifact', file]);
  assert.deepEqual([same.code, same.data['change']], [0, done.data['change']], same.stderr);
  const other = await desks.run('grace', ['digest', id, '--artifact', desks.write('b.tgz', 'version 2')]);
  assert.deepEqual([other.refusal['code'], other.code], ['artefact-differs', 7]);
});

test('an emergency asks one other person, and leaves a review that somebody without a part closes', async () => {
  const done = await askAttested('six', ['--audience', 'web', '--emergency']);
  assert.equal(done.code, 0, done.stderr);
  const id = String(done.data['request']);
  assert.equal(done.data['emergency'], true);
  const approved = await desks.run('linus', ['approve', id, '--yes', '--digest', String(done.data['change'])]);
  assert.equal(approved.code, 0, approved.stderr);
  const permit = await running.permit(id);
  assert.equal(permit.status, 200);
  const use = running.consumptionBody(permit.body.permit, String(done.data['change']));
  assert.equal((await running.post(`/v1/permits/${permit.body.permit}/consume`, use)).status, 200);
  const args = ['review', id, '--finding', 'justified', '--summary', 'read the logs'];
  const involved = await desks.run('linus', args);
  assert.equal(involved.refusal['code'], 'review-by-involved', involved.stderr);
  const closed = await desks.run('vint', args);
  assert.equal(closed.code, 0, closed.stderr);
  assert.equal((await running.show(id)).debt, null);
});
