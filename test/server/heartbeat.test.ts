// SPDX-License-Identifier: Apache-2.0
// SPEC L21, L22 at a running server: what it serves, tells and keeps about heartbeats and witnesses.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { noteSigner, parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { markFile } from '../../src/app/mark.ts';
import { openEnforcementPoint, type PointOptions } from '../../src/enforce/enforce.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { instantFromMs } from '../../src/kernel/instant.ts';
import { timeOfCheckpoint, verifyWitnessed } from '../../src/ledger/freshness.ts';
import { heartbeatSigner, verifyHeartbeat } from '../../src/ledger/heartbeat.ts';
import { parseTlogProof } from '../../src/ledger/tlog-proof.ts';
import { parseWitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { startServer } from '../../src/server/serve.ts';
import { formatVerdict, verifyPermit } from '../../src/verify/verify.ts';
import { pause } from '../crash/killed-child.ts';
import { httpWitness } from '../support/http-witness.ts';
import { found, logSeed, serveFolder, startRunning, stopAll, type Running } from './running.ts';

after(stopAll);

const keyOf = async (running: Running) => {
  const key = parseVerifierKey((await running.info()).log_key);
  assert.ok(key.ok);
  return key.value;
};
const served = async (running: Running): Promise<string> => (await fetch(`${running.url}/ledger/checkpoint`)).text();
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let waited = 0; !(await holds()); waited += 10) {
    assert.ok(waited < 8000, `never: ${what}`);
    await pause(10);
  }
};

test('L21: the checkpoint says when it was the newest, is renewed in silence, and is asked for anew each time', async () => {
  const running = await startRunning({ heartbeatEveryMs: 1000 });
  const key = await keyOf(running);
  const answer = await fetch(`${running.url}/ledger/checkpoint`);
  assert.equal(answer.headers.get('cache-control'), 'no-cache');
  const first = verifyHeartbeat(await answer.text(), key);
  assert.ok(first.ok && Math.abs((first.value.time ?? 0) * 1000 - Date.now()) < 5000);
  await until('a later heartbeat', async () => {
    const later = verifyHeartbeat(await served(running), key);
    return later.ok && (later.value.time ?? 0) > (first.value.time ?? 0);
  });
  assert.equal((await running.info()).size, 1, 'and no entry was made for it');
  await running.ask();
  const grown = verifyHeartbeat(await served(running), key);
  assert.deepEqual(grown.ok && grown.value.checkpoint.size, 2, 'what was answered is covered at once');
  const info = await running.info();
  assert.deepEqual(
    [info.heartbeat.every_ms, info.heartbeat.withheld, info.heartbeat.asks_for_quorum],
    [1000, null, false],
  );
  assert.match(await (await fetch(`${running.url}/readyz`)).text(), /^ready\nheartbeat: \d+ s ago\n$/);
  const { body } = await running.get<{ text: string }>('/metrics');
  assert.match(body.text, /^countersign_heartbeat_seconds 1\d{9}$/m);
  assert.match(body.text, /^countersign_heartbeat_withheld 0$/m);
  await running.close();
});

test('L21: permit files and receipts carry it and hold; the pin decides as before', async () => {
  const running = await startRunning();
  const key = await keyOf(running);
  const { request, permit } = await running.permitted();
  const file = JSON.parse(permit.file) as { proof: string };
  const proof = parseTlogProof(file.proof);
  assert.ok(proof.ok);
  const time = timeOfCheckpoint(proof.value.checkpoint, key);
  assert.ok(time.ok && Math.abs((time.value.atMs ?? 0) - Date.now()) < 5000);
  const verdict = verifyPermit(permit.file, { pin: running.pin, allowTrial: true });
  assert.equal(verdict.result, 'PASS', JSON.stringify(verdict.reasons));
  const again = await running.permit(request.request);
  assert.equal(again.body.file, permit.file, 'it is sent again unchanged');
  assert.ok(!('witnessed' in file), 'where nobody is asked nobody has cosigned');
  await running.close();
});

test('L22: witnesses that the configuration names are asked over HTTP, and stand in the checkpoint; one that is down shows', async () => {
  const { dir, token, pin } = await found();
  const witnesses = await Promise.all(
    [1, 2, 3].map((at) => httpWitness(`witness.example/w${at}`, Buffer.alloc(32, 40 + at))),
  );
  const [one, , down] = witnesses;
  assert.ok(one && down);
  const text = `${witnesses.map((witness, at) => witness.policyLine(`W${at}`)).join('')}group two 2 W0 W1 W2\nquorum two\n`;
  writeFileSync(join(dir, 'witnesses.policy'), text);
  writeFileSync(
    join(dir, 'countersign.yaml'),
    'heartbeat: {every: 1s}\nwitnesses: {policy: witnesses.policy, answer-within: 2s}\n',
  );
  down.down = true;
  const running = await serveFolder(dir, token, pin);
  const key = await keyOf(running);
  for (const witness of witnesses) witness.log = (await running.info()).log_key;
  const policy = parseWitnessPolicy(text);
  assert.ok(policy.ok);
  const holds = async (): Promise<boolean> => verifyWitnessed(await served(running), key, policy.value).ok;
  await until('the quorum', holds);
  await running.ask();
  await until('the quorum for the larger tree', async () => {
    const note = await served(running);
    const checkpoint = verifyWitnessed(note, key, policy.value);
    return checkpoint.ok && checkpoint.value.size === 2;
  });
  const ready = await (await fetch(`${running.url}/readyz`)).text();
  assert.match(ready, /^quorum: \d+ s ago$/m);
  assert.match(ready, /^witness witness.example\/w1: \d+ s ago$/m);
  assert.match(ready, /^witness witness.example\/w3: never, witness-refused$/m);
  const { body } = await running.get<{ text: string }>('/metrics');
  assert.match(body.text, /^countersign_witness_failing\{witness="witness.example\/w3"\} 1$/m);
  assert.match(body.text, /^countersign_witness_quorum_seconds 1\d{9}$/m);
  const { heartbeat } = await running.info();
  assert.equal(heartbeat.asks_for_quorum, true);
  assert.notEqual(heartbeat.quorum_at, null);
  // The second one goes as well: now it is an alert, and readers with no policy of their own see no difference.
  one.down = true;
  await running.ask();
  await until('the alert', () => running.logs.some((line) => line.includes('witness-quorum-missing')));
  await until('it is offered all the same', async () => {
    const beat = verifyHeartbeat(await served(running), key);
    return beat.ok && beat.value.checkpoint.size === 3;
  });
  assert.equal(await holds(), false);
  // What was said is known after a restart, and a kept note never goes back.
  await running.server.stop();
  const kept = verifyHeartbeat(readFileSync(join(dir, 'mark', 'main.cosigned'), 'utf8'), key);
  assert.deepEqual(kept.ok && kept.value.checkpoint.size, 3);
  for (const witness of witnesses) witness.down = false;
  const again = await serveFolder(dir, token, pin);
  await until('all are back', async () => verifyWitnessed(await served(again), key, policy.value).ok);
  await again.close();
  for (const witness of witnesses) await witness.close();
});

test('Y12: an enforcement point takes a permit by the quorum and the clocks of its own witnesses, or not at all', async () => {
  const { dir, token, pin } = await found();
  const [one, stranger] = await Promise.all(
    [1, 2].map((at) => httpWitness(`witness.example/w${at}`, Buffer.alloc(32, 50 + at))),
  );
  assert.ok(one && stranger);
  writeFileSync(join(dir, 'witnesses.policy'), `${one.policyLine('W')}quorum W\n`);
  writeFileSync(join(dir, 'countersign.yaml'), 'witnesses: {policy: witnesses.policy}\n');
  const running = await serveFolder(dir, token, pin);
  one.log = (await running.info()).log_key;
  const { permit } = await running.permitted();
  const policyOf = (text: string) => {
    const policy = parseWitnessPolicy(text);
    assert.ok(policy.ok);
    return policy.value;
  };
  let folders = 0;
  const judge = (options: Partial<PointOptions>): string => {
    folders += 1;
    const stateFolder = join(dir, '..', `point-${folders}`);
    const point = openEnforcementPoint({ stateFolder, pin, instance: 'web', allowTrial: true, ...options });
    assert.ok(point.ok);
    const drawn = point.value.challenge(permit.file);
    return drawn.ok ? 'ok' : drawn.refusal.code;
  };
  const mine = policyOf(`${one.policyLine('W')}quorum W\n`);
  const freshWithinMs = 600_000;
  assert.equal(judge({}), 'ok');
  assert.equal(judge({ witnesses: mine, freshWithinMs }), 'ok');
  assert.equal(judge({ freshWithinMs }), 'ok', "without a policy by the log's own clock");
  const other = policyOf(`${stranger.policyLine('W')}quorum W\n`);
  assert.equal(judge({ witnesses: other }), 'witnesses-too-few');
  const both = policyOf(
    `${one.policyLine('A')}${stranger.policyLine('B')}group all-of-them all A B\nquorum all-of-them\n`,
  );
  assert.equal(judge({ witnesses: both }), 'witnesses-too-few');
  const soon = instantFromMs(Date.now() + 90_000);
  assert.equal(judge({ witnesses: mine, freshWithinMs: 30_000, now: () => soon }), 'checkpoint-stale');
  assert.equal(judge({ freshWithinMs: 30_000, now: () => soon }), 'checkpoint-stale');
  assert.equal(judge({ freshWithinMs: Number.NaN }), 'checkpoint-stale');
  // The same file with every time taken out of it is as good a permit, and fresh to nobody.
  const file = JSON.parse(permit.file) as { proof: string };
  const signatures = file.proof.split('\n').filter((line) => line.startsWith('— '));
  assert.equal(signatures.length, 3, 'log, heartbeat, witness');
  const bare = canonicalize({ ...file, proof: `${file.proof.slice(0, file.proof.indexOf('— '))}${signatures[0]}\n` });
  const opened = openEnforcementPoint({
    stateFolder: join(dir, '..', 'bare'),
    pin,
    instance: 'web',
    allowTrial: true,
    freshWithinMs,
  });
  assert.ok(opened.ok);
  const drawn = opened.value.challenge(bare);
  assert.equal(drawn.ok ? 'ok' : drawn.refusal.code, 'checkpoint-stale');
  const verdict = verifyPermit(permit.file, {
    pin,
    allowTrial: true,
    witnesses: mine,
    fresh: { now: instantFromMs(Date.now()), withinMs: freshWithinMs },
  });
  assert.deepEqual(verdict.reasons, []);
  assert.ok(verdict.proven.includes('witnesses') && verdict.proven.includes('freshness'));
  assert.ok(!verdict.notProven.some(({ code }) => code === 'no-witness'));
  assert.match(formatVerdict(verdict), /the checkpoint was the newest .* ago, by the clocks of your witnesses/);
  await running.close();
  await one.close();
  await stranger.close();
});

test('L22: a configuration of witnesses that cannot serve is refused at the start', async () => {
  const { dir } = await found();
  const config = (text: string): void => writeFileSync(join(dir, 'countersign.yaml'), text);
  const policy = (text: string | Uint8Array): void => writeFileSync(join(dir, 'witnesses.policy'), text);
  const refusalOf = async (): Promise<readonly [string, string]> => {
    const server = await startServer({ dir, log: () => undefined });
    assert.equal(server.ok, false);
    return server.ok ? ['', ''] : [server.refusal.code, server.refusal.message];
  };
  config('witnesses: {policy: witnesses.policy}\n');
  assert.match(
    (await refusalOf()).join(': '),
    /^config-malformed: the policy of witnesses .* cannot be read, or is not UTF-8$/,
  );
  policy(Buffer.from([0xff, 0x0a]));
  assert.match((await refusalOf()).join(': '), /is not UTF-8$/);
  policy('quorum W0\n');
  assert.equal((await refusalOf())[0], 'witness-policy-malformed');
  const witness = await httpWitness('witness.example/w1', Buffer.alloc(32, 41));
  policy(`witness W0 ${witness.vkey}\nquorum W0\n`);
  assert.match((await refusalOf()).join(': '), /^config-malformed: the witness `W0` has no address/);
  const origin = 'countersign-trial/0123456789abcdef0123456789abcdef';
  const own = formatCosignerKey(heartbeatSigner(noteSigner(origin, logSeed)));
  policy(`witness W0 ${own} ${witness.url}\nquorum W0\n`);
  assert.match((await refusalOf())[1], /the log's own key stands among the witnesses/);
  for (const wrong of [
    'heartbeat: {every: 60}\n',
    'heartbeat: {every: 2h}\n',
    'heartbeat: {every: 0s}\n',
    'heartbeat: {}\n',
  ]) {
    config(wrong);
    const [code, message] = await refusalOf();
    assert.equal(code, 'config-malformed', wrong);
    assert.match(message, /line 1, field `heartbeat/);
  }
  await witness.close();
});

test('L21: a damaged ledger serves what was last said of it, and says nothing new', async () => {
  const { dir, token, pin } = await found();
  const running = await serveFolder(dir, token, pin);
  await running.ask();
  const last = await served(running);
  await running.server.stop();
  const mark = join(dir, 'mark', 'main.json');
  const marked = markFile(mark).read();
  assert.ok(marked.ok && marked.value !== undefined);
  writeFileSync(mark, canonicalize({ ...marked.value, root: 'f'.repeat(64) }));
  const hurt = await serveFolder(dir, token, pin, { heartbeatEveryMs: 1000, onAlert: () => undefined });
  await pause(1200);
  assert.equal(await served(hurt), last);
  assert.match(
    await (await fetch(`${hurt.url}/readyz`)).text(),
    /^quarantined\nheartbeat: .*withheld: ledger-quarantined$/m,
  );
  await hurt.close();
});
