// SPDX-License-Identifier: Apache-2.0
// A server that is told to stop answers what is under way, also when one Ctrl-C reaches it twice.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { pause } from '../crash/killed-child.ts';
import { startCli } from './run-cli.ts';
import { sampleOrganisation } from './sample-organisation.ts';
import { foundSample } from './served-trial.ts';

const org = sampleOrganisation();
after(() => org.remove());

test('one signal that comes twice lets it answer first; a later one ends it where it stands', async () => {
  const { dir } = await foundSample(org);
  const started = async () => {
    const child = startCli(['serve', '--dir', dir, '--listen', '127.0.0.1:0']);
    const ended = new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) =>
      child.on('close', (code, signal) => resolve([code, signal])),
    );
    const url = await new Promise<string>((resolve) => {
      let told = '';
      child.stdout.on('data', (chunk: Buffer) => {
        told += chunk.toString();
        const found = /Listening on {2}(\S+)[\s\S]*Ledger +\d/.exec(told)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    // A body of which only the first half has come: it is under way.
    const body = JSON.stringify({ envelope: { statement: '{}', signature: 'AAAA' } });
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const half = request(`${url}/v1/requests`, { method: 'POST', headers });
    const answer = new Promise<number | undefined>((resolve) => {
      half.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      half.on('error', () => resolve(undefined));
    });
    half.write(body.slice(0, 10));
    await pause(300);
    return { child, ended, answer, finish: () => half.end(body.slice(10)) };
  };

  const patient = await started();
  patient.child.kill('SIGTERM');
  patient.child.kill('SIGTERM');
  await pause(300);
  patient.finish();
  assert.equal(await patient.answer, 400, 'refused for its shape');
  assert.deepEqual(await patient.ended, [0, null]);

  const pressed = await started();
  pressed.child.kill('SIGTERM');
  await pause(1300);
  pressed.child.kill('SIGINT');
  assert.deepEqual(await pressed.ended, [null, 'SIGKILL']);
  assert.equal(await pressed.answer, undefined);
});
