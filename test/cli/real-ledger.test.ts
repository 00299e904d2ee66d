// SPDX-License-Identifier: Apache-2.0
// A ledger that is no trial, for somebody who follows what the command line prints (SPEC Y2).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCli } from './run-cli.ts';
import { serveReal, type ServedTrial } from './served-trial.ts';

let real: ServedTrial;
before(async () => {
  real = await serveReal();
});
after(async () => {
  assert.equal(await real.stop(), 0);
});

const ask = ['request', 'release.notes', '--fact', 'version=v1', '--reason', 'Out it goes'];
const requests = async (): Promise<number> =>
  (await real.as('ada', ['list', '--json'])).stdout.split('\n').filter(Boolean).length;
/** What was printed to be pasted, as arguments. */
const pasted = (text: string, start: string): readonly string[] =>
  (new RegExp(`countersign (${start}[^\n]*)`).exec(text)?.[1] ?? 'nothing').trim().split(' ');

test('Y2: without --accept-v0 nothing is asked, whichever verb asks', async () => {
  const exec = ['exec', 'release.notes', '--fact', 'version=v1', '--reason', 'r', '--', 'true'];
  const gate = ['gate', 'release.notes', '--fact', 'version=v1', '--reason', 'r', '--resume-key', 'run-1'];
  const join = ['roster', 'propose', '--join', 'developers=p_nobody', '--reason', 'r'];
  const policy = ['policy', 'propose', real.org.policy, '--reason', 'r'];
  for (const args of [ask, gate, join, policy]) {
    const refused = await real.as('ada', args);
    assert.equal(refused.code, 7, refused.stderr);
    assert.match(refused.stderr, /error\[format-not-final\][^]*--accept-v0/);
  }
  const [before, after] = [exec.slice(0, -2), exec.slice(-2)];
  const { url, pin, org } = real;
  const ran = await runCli([...before, '--server', url, '--pin', pin, '--key', org.key('ada'), ...after], {
    env: { COUNTERSIGN_HOME: `${org.folder}/homes/ada`, COUNTERSIGN_ACCEPT_V0: '0' },
  });
  assert.equal(ran.code, 7, `a variable that says no is no yes: ${ran.stderr}`);
  assert.equal(await requests(), 0, 'and nothing was submitted');
});

test('what is printed to be pasted carries the flag this ledger needs, and works', async () => {
  const asked = await real.as('ada', [...ask, '--accept-v0']);
  assert.equal(asked.code, 0, asked.stderr);
  const id = asked.stdout.trim();
  assert.match(id, /^req_[a-z0-9]{26}$/);
  const approve = pasted(asked.stderr, 'approve');
  assert.deepEqual(approve, ['approve', id, '--accept-v0']);
  assert.deepEqual(pasted(asked.stderr, 'watch'), ['watch', id], 'what verifies nothing needs no flag');
  const { change } = JSON.parse((await real.as('ada', ['show', id, '--json'])).stdout) as { readonly change: string };
  const approved = await real.as('grace', [...approve, '--yes', '--digest', change]);
  assert.equal(approved.code, 0, approved.stderr);
  assert.match((await real.as('radia', ['show', id])).stdout, /countersign approve req_\w+ --accept-v0|can decide/);
  const run = ['exec', 'release.notes', '--accept-v0', '--fact', 'version=v2', '--reason', 'r', '--timeout', '1s'];
  const { url, pin, org } = real;
  const waited = await runCli([...run, '--server', url, '--pin', pin, '--key', org.key('ada'), '--', 'true'], {
    env: { COUNTERSIGN_HOME: `${org.folder}/homes/ada` },
  });
  assert.equal(waited.code, 124, waited.stderr);
  assert.match(waited.stdout + waited.stderr, /--request req_[a-z0-9]{26}/);
});

test('N4: roster and policy are proposed on a real ledger, by option or by variable', async () => {
  const roster = JSON.parse((await real.as('ada', ['roster', 'show', '--json'])).stdout) as {
    readonly records: { readonly [key: string]: { readonly members?: readonly string[] } };
  };
  const [person = ''] = roster.records['group/developers']?.members ?? [];
  const change = ['roster', 'propose', '--join', `platform=${person}`, '--reason', 'Helps out'];
  const proposed = await real.as('ada', [...change, '--accept-v0', '--json']);
  assert.equal(proposed.code, 0, proposed.stderr);
  assert.match(proposed.stderr, /Asked: req_/);
  assert.deepEqual(pasted(proposed.stderr, 'activate').length, 2);
  const { url, pin, org } = real;
  const byVariable = await runCli([...change, '--server', url, '--pin', pin, '--key', org.key('grace')], {
    env: { COUNTERSIGN_HOME: join(org.folder, 'homes', 'grace'), COUNTERSIGN_ACCEPT_V0: '1' },
  });
  assert.equal(byVariable.code, 0, byVariable.stderr);
});

test('doctor says what a real ledger asks for, and an export says how to check it', async () => {
  const seen = await real.as('ada', ['doctor']);
  assert.equal(seen.code, 0, seen.stdout);
  assert.match(seen.stdout, /look +kind +.*formats are still v0[^]*--accept-v0[^]*COUNTERSIGN_ACCEPT_V0=1/);
  assert.equal(await real.halt(), 0);
  const out = join(real.org.folder, 'export');
  const exported = await runCli(['ledger', 'export', out, '--dir', real.dir]);
  const check = pasted(exported.stderr, 'ledger verify').map((word) => (word === '…' ? real.pin : word));
  assert.deepEqual(check.at(-1), '--accept-v0');
  const checked = await runCli(check);
  assert.equal(checked.code, 0, checked.stderr);
});
