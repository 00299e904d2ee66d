// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { verifyPermit } from '../../src/verify/verify.ts';
import { startRunning, type Running } from '../server/running.ts';
import { deployAction, policyOf } from '../support/world.ts';
import { Desks } from './desk.ts';

const deploy = deployAction({
  facts: {
    service: { type: 'name', source: { kind: 'requester' }, max: null },
    artifact: { type: 'digest', source: { kind: 'requester' }, max: null },
    risk: { type: 'int', source: { kind: 'requester' }, max: 100 },
  },
  run: ['machine:deployer', 'machine:ci'],
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

const gate = (key: string, more: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  desks.run(
    'ci',
    [
      'gate',
      'deploy.production',
      '--resume-key',
      key,
      '--fact',
      'service=shop',
      '--fact',
      'risk=3',
      '--fact',
      `artifact=@${file}`,
      '--artifact',
      file,
      '--audience',
      'web',
      '--reason',
      'build 7',
      ...more,
    ],
    env,
  );
const count = async (): Promise<number> => {
  const { body } = await running.get<{ items: unknown[] }>('/v1/requests?limit=100');
  return body.items.length;
};

test('asks once for a resume key, exits 8 while pending, and 0 with the permit used (C11)', async () => {
  const before = await count();
  const first = await gate('run-1');
  assert.equal(first.code, 8, first.stderr);
  const id = String(first.data['request']);
  const again = await gate('run-1');
  assert.deepEqual([again.code, again.data['request']], [8, id]);
  // Another runner, with nothing remembered.
  rmSync(desks.home('ci'), { recursive: true });
  const elsewhere = await gate('run-1');
  assert.deepEqual([elsewhere.code, elsewhere.data['request']], [8, id], elsewhere.stderr);
  assert.equal(await count(), before + 1);
  assert.equal((await running.vote(id, 'linus')).status, 201);
  const passed = await gate('run-1');
  assert.equal(passed.code, 0, passed.stderr);
  assert.deepEqual([passed.data['request'], passed.data['consumed'], passed.data['persons']], [id, true, 1]);
  assert.equal((await running.show(id)).status, 'consumed');
  const rerun = await gate('run-1');
  assert.deepEqual([rerun.code, rerun.refusal['code']], [5, 'permit-used'], 'one approval, one run');
  const told = await gate('run-1', ['--result', 'succeeded']);
  assert.equal(told.code, 0, told.stderr);
  assert.deepEqual([(await running.show(id)).status, (await running.show(id)).outcome], ['finished', 'succeeded']);
  assert.equal((await gate('run-1')).code, 5);
});

test('after a refusal the same call asks again, with the same resume key, once it is mended (C11)', async () => {
  const before = await count();
  const refused = await gate('run-mended', ['--executor', `${desks.key('linus')}.pub`]);
  assert.equal(refused.refusal['code'], 'executor-not-allowed', refused.stderr);
  const again = await gate('run-mended', ['--executor', `${desks.key('linus')}.pub`]);
  assert.equal(again.refusal['code'], 'executor-not-allowed', again.stderr);
  const [one, two] = await Promise.all([gate('run-mended'), gate('run-mended')]);
  assert.equal(one.code, 8, one.stderr);
  assert.deepEqual(two.data['request'], one.data['request'], 'two runners ask once all the same');
  assert.equal(await count(), before + 1);
});

test('another artefact than the approved one does not pass (C1)', async () => {
  const first = await gate('run-2');
  const id = String(first.data['request']);
  await running.vote(id, 'linus');
  writeFileSync(file, 'version 2');
  const swapped = await gate('run-2');
  assert.deepEqual([swapped.code, swapped.refusal['code']], [3, 'resume-differs'], swapped.stderr);
  const unnamed = desks.write('other.tgz', 'other');
  const other = await gate('run-2b', ['--artifact', unnamed]);
  assert.equal(other.refusal['code'], 'artefact-differs');
  writeFileSync(file, 'version 1');
  assert.equal((await gate('run-2')).code, 0);
});

test('a permit file is written for the enforcement point, verified, and not used here', async () => {
  const out = `${desks.folder}/permit.json`;
  const args = ['--executor', `${desks.key('deployer')}.pub`, '--permit-out', out];
  const id = String((await gate('run-3', args)).data['request']);
  await running.vote(id, 'linus');
  const passed = await gate('run-3', args);
  assert.equal(passed.code, 0, passed.stderr);
  assert.equal((await running.show(id)).status, 'permitted');
  const verdict = verifyPermit(readFileSync(out), {
    pin: running.pin,
    allowTrial: true,
    expect: { facts: { artifact: digestOf('version 1') } },
  });
  assert.equal(verdict.result, 'PASS', JSON.stringify(verdict.reasons));
});

test('a "no" is exit 3, waiting too long 124, and too few persons are too few here', async () => {
  const denied = String((await gate('run-4')).data['request']);
  await running.vote(denied, 'linus', { decision: 'reject', seats: [] });
  assert.equal((await gate('run-4')).code, 3);
  const slow = await gate('run-5', ['--wait', '--timeout', '1s']);
  assert.deepEqual([slow.code, slow.refusal['code']], [124, 'wait-timeout'], slow.stderr);
  await running.vote((slow.refusal['facts'] as { request: string }).request, 'linus');
  const few = await gate('run-5', ['--min-persons', '2']);
  assert.deepEqual([few.code, few.refusal['code']], [7, 'persons-too-few'], few.stderr);
  const waits = await gate('run-5', ['--wait', '--timeout', '20s']);
  assert.equal(waits.code, 0, waits.stderr);
});

test('two runners at once with one resume key ask once (A19)', async () => {
  const before = await count();
  const both = await Promise.all([
    gate('run-6', [], { COUNTERSIGN_HOME: desks.home('one') }),
    gate('run-6', [], { COUNTERSIGN_HOME: desks.home('two') }),
  ]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [8, 8],
    both.map(({ stderr }) => stderr).join('\n'),
  );
  assert.equal(both[0]?.data['request'], both[1]?.data['request']);
  assert.equal(await count(), before + 1);
});
