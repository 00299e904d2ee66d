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
