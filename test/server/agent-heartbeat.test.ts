// SPDX-License-Identifier: Apache-2.0
// SPEC L21, L29: a log key in an ssh-agent says heartbeats, for witnesses and permits too; one that it does not sign is
// withheld, and holds up nobody.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { noteSigner, type NoteVerifier } from '../../src/crypto/signed-note.ts';
import { instantFromMs } from '../../src/kernel/instant.ts';
import { verifyWitnessed } from '../../src/ledger/freshness.ts';
import { verifyHeartbeat } from '../../src/ledger/heartbeat.ts';
import { parseTlogProof } from '../../src/ledger/tlog-proof.ts';
import { parseWitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { verifyPermit } from '../../src/verify/verify.ts';
import { pause } from '../crash/killed-child.ts';
import { httpWitness } from '../support/http-witness.ts';
import { honest, impostor, type Answer } from './agent-impostor.ts';
import { AgentPlace, foundOnAgent } from './log-agent.ts';
import { logSeed, serveFolder, stopAll, type Running } from './running.ts';

after(stopAll);

const verifier: NoteVerifier = noteSigner('countersign-trial/0123456789abcdef0123456789abcdef', logSeed);
const quiet = { onTrouble: () => undefined };

const place = async (t: TestContext): Promise<AgentPlace> => {
  const made = new AgentPlace();
  t.after(() => made.remove());
  await made.start();
  return made;
};
const served = async (running: Running): Promise<string> => (await fetch(`${running.url}/ledger/checkpoint`)).text();
const beatOf = (note: string): { readonly size: number; readonly time: number } => {
  const beat = verifyHeartbeat(note, verifier);
  assert.ok(beat.ok && beat.value.time !== null, note);
  return { size: beat.value.checkpoint.size, time: beat.value.time };
};
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let waited = 0; !(await holds()); waited += 20) {
    assert.ok(waited < 12_000, `never: ${what}`);
    await pause(20);
  }
};
const withheld = async (running: Running): Promise<string | null> => (await running.info()).heartbeat.withheld;

test('SPEC L21, L22, L29: heartbeats, cosigned heads and permits of a key that only an agent has', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  const witness = await httpWitness('witness.example/w1', Buffer.alloc(32, 61));
  t.after(() => witness.close());
  const text = `${witness.policyLine('W')}quorum W\n`;
  const policy = parseWitnessPolicy(text);
  assert.ok(policy.ok);
  writeFileSync(join(dir, 'witnesses.policy'), text);
  const config = join(dir, 'countersign.yaml');
  writeFileSync(
    config,
    `${readFileSync(config, 'utf8')}witnesses: {policy: witnesses.policy}\nheartbeat: {every: 1s}\n`,
  );
  const running = await serveFolder(dir, token, pin);
  witness.log = (await running.info()).log_key;
  const first = beatOf(await served(running));
  await until('a later heartbeat', async () => beatOf(await served(running)).time > first.time);
  await until('the witness', async () => verifyWitnessed(await served(running), verifier, policy.value).ok);

  const { permit } = await running.permitted();
  const proof = parseTlogProof((JSON.parse(permit.file) as { proof: string }).proof);
  assert.ok(proof.ok);
  assert.ok(beatOf(proof.value.checkpoint).size >= 4);
  assert.equal(proof.value.checkpoint.split('\n').filter((line) => line.startsWith('— ')).length, 3);
  const fresh = { now: instantFromMs(Date.now()), withinMs: 600_000 };
  for (const options of [{}, { fresh }, { fresh, witnesses: policy.value }]) {
    const verdict = verifyPermit(permit.file, { pin, allowTrial: true, ...options });
    assert.deepEqual([verdict.result, verdict.reasons], ['PASS', []]);
  }
  await running.server.stop();
  const kept = beatOf(readFileSync(join(dir, 'mark', 'main.cosigned'), 'utf8'));
  const again = await serveFolder(dir, token, pin);
  const next = beatOf(await served(again));
  assert.ok(next.size === kept.size && next.time >= kept.time);
  await again.server.stop();
});

test('SPEC L21, L29: without its agent a quiet server withholds heartbeats, says so, and is back with the agent', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  const fatal: unknown[] = [];
  const running = await serveFolder(dir, token, pin, {
    heartbeatEveryMs: 1000,
    fatal: (error) => fatal.push(error),
    agentTiming: { waitMs: 500, ...quiet },
  });
  await running.ask();
  assert.equal(beatOf(await served(running)).size, 2);
  const told = (event: string): number => running.logs.filter((line) => line.includes(event)).length;
  for (const [away, back] of [
    [() => agent.kill(), () => agent.start()],
    [async () => agent.lock('-x'), async () => agent.lock('-X')],
  ] as const) {
    const [before, backBefore] = [told('"heartbeat-withheld"'), told('"heartbeat-back"')];
    await away();
    await until('withheld', async () => (await withheld(running)) === 'log-key-unavailable');
    const last = beatOf(await served(running));
    assert.equal(last.size, 2, 'what was said stays said');
    assert.match(await (await fetch(`${running.url}/readyz`)).text(), /^ready\nheartbeat: .*log-key-unavailable$/m);
    await back();
    await until('a heartbeat again', async () => beatOf(await served(running)).time > last.time);
    assert.equal(await withheld(running), null);
    await until('it is told', () => told('"heartbeat-back"') > backBefore);
    assert.deepEqual([told('"heartbeat-withheld"'), told('"heartbeat-back"')], [before + 1, backBefore + 1]);
  }
  assert.deepEqual(fatal, [], 'nobody waited for a checkpoint, so nothing ends');
  // The agent goes right after the answer, before anything was said of it.
  const answered = await running.ask();
  await agent.kill();
  const shown = verifyHeartbeat(await served(running), verifier);
  assert.ok(shown.ok && shown.value.checkpoint.size > answered.receipt.index, 'what is shown covers what was answered');
  await agent.start();
  await running.ask();
  assert.equal(beatOf(await served(running)).size, 4, 'the head that was answered has one at once');
  await running.server.stop();
});

test('SPEC L21, L29: a heartbeat that an agent signs wrongly is none; permits go out without one, and hold', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  await agent.kill();
  // The checkpoint is signed; over a heartbeat it gives the signature of the checkpoint, or of an hour later.
  const isHeartbeat = (asked: Buffer): boolean => asked.subarray(0, 14).toString('latin1') === 'cosignature/v1';
  const bare = (asked: Buffer): Buffer => asked.subarray(asked.indexOf('\n', asked.indexOf('\ntime ') + 1) + 1);
  const later = (asked: Buffer): Buffer =>
    Buffer.from(asked.toString('utf8').replace(/\ntime (\d+)\n/, (_, time) => `\ntime ${Number(time) + 3600}\n`));
  let lie: Answer = honest;
  const stop = await impostor(agent, () => (asked) => (isHeartbeat(asked) ? lie(asked) : honest(asked)));
  t.after(stop);
  const running = await serveFolder(dir, token, pin, { heartbeatEveryMs: 1000 });
  const said = beatOf(await served(running));
  for (const wrong of [bare, later]) {
    lie = (asked) => honest(wrong(asked));
    await until('withheld', async () => (await withheld(running)) === 'log-key-unavailable');
    const { permit } = await running.permitted();
    const proof = parseTlogProof((JSON.parse(permit.file) as { proof: string }).proof);
    const beat = proof.ok ? verifyHeartbeat(proof.value.checkpoint, verifier) : proof;
    assert.ok(beat.ok && beat.value.time === null, 'no time of it');
    const options = { pin, allowTrial: true };
    assert.equal(verifyPermit(permit.file, options).result, 'PASS');
    const fresh = { now: instantFromMs(Date.now()), withinMs: 600_000 };
    assert.notEqual(verifyPermit(permit.file, { ...options, fresh }).result, 'PASS', 'and fresh to nobody');
    lie = honest;
    await until('a heartbeat again', async () => (await withheld(running)) === null);
  }
  assert.ok(beatOf(await served(running)).time >= said.time);
  await running.server.stop();
});
