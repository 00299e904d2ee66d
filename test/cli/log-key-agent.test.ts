// SPDX-License-Identifier: Apache-2.0
// SPEC L29 from the command line: a ledger founded, looked at and served with its log key in OpenSSH's own agent.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AgentPlace, logKey } from '../server/log-agent.ts';
import { runCli, startCli } from './run-cli.ts';
import { makeKey, sampleOrganisation } from './sample-organisation.ts';

test('SPEC L29: a trial and a real ledger are founded on a key in an agent, and doctor looks at it', async (t) => {
  const [org, agent] = [sampleOrganisation(), new AgentPlace()];
  t.after(() => org.remove());
  t.after(() => agent.remove());
  await agent.start();
  const env = { SSH_AUTH_SOCK: agent.socket };
  const key = `agent:${logKey.public.fingerprint}`;
  const at = (name: string): string => join(org.folder, name);
  const documents = ['--roster', org.roster, '--policy', org.policy, '--keys', org.keys];

  const trial = await runCli(['init', '--trial', '--dir', at('trial'), ...documents, '--log-key', key], { env });
  assert.equal(trial.code, 0, trial.stderr);
  assert.ok(!existsSync(at('trial/log.key')));
  const well = await runCli(['doctor', '--dir', at('trial')], { env });
  assert.match(well.stdout, /log key +it is the one of the genesis, and signs in its agent/);
  writeFileSync(at('trial/log.key'), 'left behind', { mode: 0o600 });
  const left = await runCli(['doctor', '--dir', at('trial')], { env });
  assert.match(left.stdout, /log key +it signs in an agent, and a file `log.key` still lies in the folder/);

  const recovery = ['grace', 'radia'].flatMap((handle) => {
    makeKey(at(`${handle}-recovery`));
    return ['--recovery', `${handle}=${at(`${handle}-recovery.pub`)}`];
  });
  const draft = at('draft');
  const drafted = await runCli(['init', 'draft', draft, ...documents, '--log-key', key, ...recovery], { env });
  assert.equal(drafted.code, 0, drafted.stderr);
  assert.match(drafted.stderr, /The log key stays in the agent: SHA256:/);
  for (const handle of ['ada', 'grace', 'radia'])
    assert.equal(
      (await runCli(['init', 'sign', draft, '--key', org.key(handle), '--pin', drafted.stdout.trim()])).code,
      0,
    );
  const finish = ['init', 'finish', draft, '--dir', at('real'), '--log-key', key];
  const done = await runCli(finish, { env });
  assert.equal(done.code, 0, done.stderr);

  const unnamed = await runCli(['init', 'draft', at('other'), ...documents, '--log-key', 'agent', ...recovery], {
    env,
  });
  assert.equal(unnamed.code, 2);
  assert.match(unnamed.stderr, /does not say which key of the agent/);
  mkdirSync(at('elsewhere'));
  const gone = await runCli([...finish.slice(0, -3), at('never'), '--log-key', key], {
    env: { SSH_AUTH_SOCK: at('elsewhere/agent.sock') },
  });
  assert.equal(gone.code, 6);
  assert.match(gone.stderr, /error\[log-key-unavailable\]: .*elsewhere\/agent\.sock/);
  assert.ok(!existsSync(at('never')), 'a refused founding leaves nothing behind');

  await agent.kill();
  const serving = startCli(['serve', '--dir', at('real'), '--listen', '127.0.0.1:0'], { env });
  let told = '';
  serving.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString('utf8');
  });
  assert.equal(await new Promise((resolve) => serving.on('close', resolve)), 6);
  assert.match(told, /error\[log-key-unavailable\]: .*agent\.sock[\s\S]*help: start it/);
});
