// SPDX-License-Identifier: Apache-2.0
// `doctor` answers whether the operator could rewrite the ledger, from what one's own machine knows (SPEC L22, Y12).
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { pause } from '../crash/killed-child.ts';
import { startLying } from '../client/lying-server.ts';
import { found, serveFolder, startRunning, stopAll } from '../server/running.ts';
import { httpWitness } from '../support/http-witness.ts';
import { Desks } from './desk.ts';

after(stopAll);

type Finding = { readonly check: string; readonly state: string; readonly text: string; readonly help?: string };

test("Y12: without witnesses of one's own the answer is yes, with the reason and what to do", async () => {
  const running = await startRunning();
  const desks = new Desks(running);
  const seen = await desks.run('linus', ['doctor']);
  const findings = seen.data['findings'] as unknown as Finding[];
  const rewrite = findings.find(({ check }) => check === 'rewrite');
  assert.equal(rewrite?.state, 'warn');
  assert.match(rewrite?.text ?? '', /^could the operator rewrite it: yes, no witness is asked.*remembers size 1/);
  assert.match(rewrite?.help ?? '', /--witnesses FILE.*ledger compare/);
  assert.equal(findings.find(({ check }) => check === 'heartbeat')?.state, 'ok');
  desks.close();
  await running.close();
});

test("Y12: no only by the quorum of one's own policy, fresh, and without witnesses of the operator", async (t) => {
  const { dir, token, pin } = await found();
  const witness = await httpWitness('witness.example/w1', Buffer.alloc(32, 61));
  t.after(() => witness.close());
  writeFileSync(join(dir, 'witnesses.policy'), `${witness.policyLine('W')}quorum W\n`);
  writeFileSync(join(dir, 'countersign.yaml'), 'heartbeat: {every: 1s}\nwitnesses: {policy: witnesses.policy}\n');
  const running = await serveFolder(dir, token, pin);
  witness.log = (await running.info()).log_key;
  for (let waited = 0; (await running.info()).heartbeat.quorum_at === null; waited += 50) {
    assert.ok(waited < 8000, 'the witness never cosigned');
    await pause(50);
  }
  const desks = new Desks(running);
  const rewrite = async (policy: string | undefined, server = running.url): Promise<Finding> => {
    const more = policy === undefined ? [] : ['--witnesses', desks.write('mine.policy', policy)];
    const token = ['--token-file', desks.write('token', running.token)];
    const { data, stderr } = await desks.run('linus', ['doctor', ...token, ...more], { COUNTERSIGN_SERVER: server });
    const finding = (data['findings'] as unknown as Finding[]).find(({ check }) => check === 'rewrite');
    assert.ok(finding, stderr);
    return finding;
  };
  const mine = `witness W ${witness.vkey}\nquorum W\n`;
  const no = await rewrite(mine);
  assert.deepEqual([no.state, no.text.slice(0, 36)], ['ok', 'could the operator rewrite it: no, n'], no.text);
  assert.match(
    (await rewrite(undefined)).text,
    /yes, you have no policy of witnesses; the server says.*witness\.example\/w1/,
  );
  assert.match((await rewrite('quorum none\n')).text, /: yes, you have no policy/);
  // At the server's own host: for all one can tell the operator watches himself.
  assert.match(
    (await rewrite(`witness W ${witness.vkey} ${witness.url}\nquorum W\n`)).text,
    /: yes, the quorum of your policy has not/,
  );
  const stranger = await httpWitness('witness.example/w2', Buffer.alloc(32, 62));
  t.after(() => stranger.close());
  assert.match(
    (await rewrite(`witness W ${stranger.vkey}\nquorum W\n`)).text,
    /: yes, the quorum of your policy has not/,
  );
  // What the witness said a while ago says nothing about now.
  const old = (await running.info()).heartbeat.note ?? '';
  const lying = await startLying(running.url);
  t.after(() => lying.close());
  lying.lie = (path, text) => {
    if (path !== '/v1/ledger') return text;
    const info = JSON.parse(text) as { heartbeat: JsonObject };
    return JSON.stringify({ ...info, heartbeat: { ...info.heartbeat, note: old.replace(/^— witness.*\n/m, '') } });
  };
  assert.match((await rewrite(mine, lying.url)).text, /: yes, the quorum of your policy has not/);
  desks.close();
  await running.close();
});

// All of it is in an operator's hands: which head the witnesses are shown, and which note stands beside the checkpoint.
test('Y12: an honest witness that is kept at an old head says nothing of what came since', async (t) => {
  const running = await startRunning();
  const witness = await httpWitness('witness.example/w1', Buffer.alloc(32, 61), (await running.info()).log_key);
  t.after(() => witness.close());
  const old = (await running.info()).checkpoint;
  const cosigned = async (from: number, shown: string, proof = ''): Promise<string> => {
    const body = `old ${from}\n${proof}\n${shown}`;
    const answer = await fetch(`${witness.url}/add-checkpoint`, { method: 'POST', body });
    assert.equal(answer.status, 200);
    return shown + (await answer.text());
  };
  let note = await cosigned(0, old);
  await running.ask();
  await running.ask();
  note = await cosigned(1, old);
  const lying = await startLying(running.url);
  t.after(() => lying.close());
  lying.lie = (path, text) => {
    if (path !== '/v1/ledger') return text;
    const info = JSON.parse(text) as { heartbeat: JsonObject };
    return JSON.stringify({ ...info, heartbeat: { ...info.heartbeat, note, withheld } });
  };
  // What a server says that cannot have them cosign more: nobody waits for it.
  let withheld: string | null = 'heartbeat-withheld';
  const desks = new Desks(running);
  const policy = desks.write('mine.policy', `witness W ${witness.vkey}\nquorum W\n`);
  const more = ['--witnesses', policy, '--token-file', desks.write('token', running.token)];
  const env = { COUNTERSIGN_SERVER: lying.url };
  const { data } = await desks.run('linus', ['doctor', ...more], env);
  const rewrite = (data['findings'] as unknown as Finding[]).find(({ check }) => check === 'rewrite');
  assert.match(rewrite?.text ?? '', /: yes, the quorum of your policy has not cosigned what the server shows/);
  const warned = await desks.run('linus', ['list', ...more], env);
  assert.match(warned.stderr, /warning:.*is not fresh/);
  withheld = null;
  const stale = await desks.run('linus', ['list', '--fresh', '1m', ...more], env);
  assert.deepEqual([stale.code, stale.refusal['code']], [7, 'checkpoint-stale'], stale.stderr);
  // One that is only a moment behind is waited for.
  const { size, checkpoint } = await running.info();
  const { body } = await running.get<{ hashes: string[] }>(`/v1/ledger/consistency?from=1&to=${size}`);
  const proof = body.hashes.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`).join('');
  setTimeout(() => void cosigned(1, checkpoint, proof).then((late) => (note = late)), 1500);
  const waited = await desks.run('linus', ['list', '--fresh', '1m', ...more], env);
  assert.equal(waited.code, 0, waited.stderr);
  assert.doesNotMatch(waited.stderr, /not fresh/);
  desks.close();
  await running.close();
});
