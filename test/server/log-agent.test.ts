// SPDX-License-Identifier: Apache-2.0
// SPEC L29: the log key in an ssh-agent, and what happens when the agent is gone, locked, wrong, late or lying.
import assert from 'node:assert/strict';
import { sign as signRaw } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import { markFile } from '../../src/app/mark.ts';
import type { LedgerInfo } from '../../src/contract/api.ts';
import { generateEd25519, type PrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { noteSigner, type NoteVerifier } from '../../src/crypto/signed-note.ts';
import type { Result } from '../../src/kernel/refusal.ts';
import { formatCheckpoint, verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { emptyRoot, leafHash } from '../../src/ledger/merkle.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { agentSigner } from '../../src/server/log-agent.ts';
import { openLedger } from '../../src/server/ledger-folder.ts';
import { readServerConfig } from '../../src/server/server-config.ts';
import { add, memoryMark, signer as tally, startTally } from '../ledger/tally.ts';
import { pause } from '../crash/killed-child.ts';
import { algorithm, ed25519, honest, impostor, rawOf, signature, type Answer } from './agent-impostor.ts';
import { AgentPlace, foundOnAgent, logKey } from './log-agent.ts';
import { logSeed, serveFolder, stopAll } from './running.ts';

after(stopAll);

const verifier: NoteVerifier = noteSigner('countersign-trial/0123456789abcdef0123456789abcdef', logSeed);
const quiet = { onTrouble: () => undefined };

const place = async (t: TestContext, keys: readonly PrivateKey[] = [logKey]): Promise<AgentPlace> => {
  const made = new AgentPlace();
  t.after(() => made.remove());
  await made.start(keys);
  return made;
};

const refusedWith = (result: Result<unknown>, code: string, named: RegExp): void => {
  assert.ok(!result.ok, `it was taken instead of refused with ${code}`);
  assert.equal(result.refusal.code, code, result.refusal.message);
  assert.match(result.refusal.message, named);
  assert.ok((result.refusal.help ?? '').length > 5);
};

test('SPEC L29: a ledger is founded and served with a log key that no file holds', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  assert.ok(!existsSync(join(dir, 'log.key')));
  assert.match(readFileSync(join(dir, 'countersign.yaml'), 'utf8'), /agent: SHA256:/);
  const running = await serveFolder(dir, token, pin);
  const { request } = await running.permitted();
  const { body } = await running.get<LedgerInfo>('/v1/ledger');
  const checkpoint = verifyCheckpoint(body.checkpoint, verifier);
  assert.ok(checkpoint.ok && checkpoint.value.size === body.size && body.size === 4);
  assert.ok(verifyTlogProof(request.receipt.proof, leafHash(request.receipt.entry), verifier).ok);
  await running.server.stop();
});

test('SPEC L29: settings given at the founding stay as they are, and say where the key lies, however they end', async (t) => {
  const agent = await place(t);
  const { dir } = await foundOnAgent(agent, 'public-url: https://gate.example.org');
  const config = readServerConfig(dir);
  assert.ok(config.ok, config.ok ? '' : config.refusal.message);
  assert.deepEqual(config.value, {
    'public-url': 'https://gate.example.org',
    'log-key': { agent: logKey.public.fingerprint, socket: agent.socket },
  });
});

test('SPEC L29: kill -9 of the agent under load: nobody is answered without a checkpoint, and it goes on when the agent is back', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  const trouble: string[] = [];
  const running = await serveFolder(dir, token, pin, {
    agentTiming: { onTrouble: ({ message }) => void trouble.push(message) },
  });
  const answered: { readonly at: number; readonly index: number; readonly proven: boolean }[] = [];
  const pressing = { on: true };
  const press = async (): Promise<void> => {
    while (pressing.on) {
      const { receipt } = await running.ask();
      const proven = verifyTlogProof(receipt.proof, leafHash(receipt.entry), verifier).ok;
      answered.push({ at: performance.now(), index: receipt.index, proven });
    }
  };
  const all = Promise.all(Array.from({ length: 6 }, press));
  for (let round = 0; round < 3; round += 1) {
    const before = answered.length;
    while (answered.length < before + 20) await pause(5);
    await agent.kill();
    const killedAt = performance.now();
    await pause(400);
    const late = answered.filter(({ at }) => at > killedAt + 100);
    assert.deepEqual(late, [], 'nobody is answered while nothing can be signed');
    assert.equal((await running.get('/livez')).status, 200, 'it still reads');
    await agent.start();
  }
  const before = answered.length;
  while (answered.length < before + 20) await pause(5);
  pressing.on = false;
  await all;
  assert.ok(answered.every(({ proven }) => proven));
  assert.equal(new Set(answered.map(({ index }) => index)).size, answered.length);
  assert.ok(trouble.length >= 3, trouble.join(' | '));
  const { size } = await running.info();
  assert.equal(size, answered.length + 1, 'what was recorded and what was answered are the same');
  await running.server.stop();
});

test('SPEC L29: an agent that stays away ends the process in time; what was recorded is published at the next start', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  const fatal: unknown[] = [];
  const first = await serveFolder(dir, token, pin, {
    fatal: (error) => fatal.push(error),
    agentTiming: { waitMs: 600, ...quiet },
  });
  const asked = await first.ask();
  await agent.kill();
  const body = first.requestBody();
  const lost = await first.post('/v1/requests', body);
  assert.deepEqual([lost.status, lost.body.code], [503, 'ledger-unavailable']);
  assert.equal(fatal.length, 1);
  assert.match(String(fatal[0]), /no checkpoint can be signed: .*(ECONNREFUSED|hung up)/);
  const after = await first.post('/v1/requests', first.requestBody());
  assert.equal(after.body.code, 'ledger-unavailable');
  assert.equal((await first.info()).size, 2, 'nobody is shown what is not signed');
  await first.server.stop();
  const marked = markFile(join(dir, 'mark', 'main.json')).read();
  assert.ok(marked.ok && marked.value?.size === 2);

  refusedWith(await openLedger(dir), 'log-key-unavailable', /agent\.sock/);
  await agent.start();
  const second = await serveFolder(dir, token, pin);
  assert.equal((await second.info()).size, 3, 'it was durable, and is published now');
  const [entry] = (await second.get<{ entries: string[] }>('/v1/ledger/entries?from=2')).body.entries;
  assert.ok(entry?.includes(JSON.stringify(body.envelope.statement).slice(1, 200)));
  assert.equal((await second.vote(asked.request, 'linus')).status, 201);
  await second.server.stop();
});

test('SPEC L29: a locked agent is refused at the start, and waited for while it serves', async (t) => {
  const agent = await place(t);
  const { dir, token, pin } = await foundOnAgent(agent);
  agent.lock('-x');
  refusedWith(await openLedger(dir), 'log-key-unavailable', /does not hold the log key `SHA256:/);
  agent.lock('-X');
  const running = await serveFolder(dir, token, pin, { agentTiming: quiet });
  agent.lock('-x');
  const asking = running.ask();
  await pause(300);
  assert.equal((await running.info()).size, 1);
  agent.lock('-X');
  assert.equal((await asking).receipt.index, 1);
  await running.server.stop();
});

test('SPEC L29: another key than the genesis names, a key of another kind, no key, no socket: each is refused by name', async (t) => {
  const other = generateEd25519();
  const agent = await place(t);
  const { dir } = await foundOnAgent(agent);
  agent.add(other);
  const config = join(dir, 'countersign.yaml');
  const written = readFileSync(config, 'utf8');
  const name = (fingerprint: string): void => writeFileSync(config, written.replace(/SHA256:\S+/, fingerprint));
  name(other.public.fingerprint);
  refusedWith(await openLedger(dir), 'log-key-mismatch', /agent's key `SHA256:.*not the key that the genesis names/);
  name(`SHA256:${'A'.repeat(43)}`);
  refusedWith(await openLedger(dir), 'log-key-unavailable', /does not hold the log key `SHA256:A/);
  name('SHA256:short');
  refusedWith(await openLedger(dir), 'config-malformed', /log-key.agent.*fingerprint/);
  writeFileSync(config, written.replace(/socket: .*/, 'socket: elsewhere.sock'));
  refusedWith(await openLedger(dir), 'log-key-unavailable', /elsewhere\.sock/);
  writeFileSync(config, written);
  const opened = await openLedger(dir);
  assert.ok(opened.ok, 'the right one opens it');
  await opened.value.close();
});

test('SPEC L29: what lies at the socket of the agent is not believed: only a signature that holds, in time, is used', async (t) => {
  const agent = await place(t, []);
  await agent.kill();
  const stranger = generateEd25519();
  const older = honest(Buffer.from(formatCheckpoint({ origin: tally.name, size: 0, root: emptyRoot })));
  const lies: readonly (readonly [string, Answer, RegExp])[] = [
    ['noise', () => signature(ed25519(new Uint8Array(64))), /does not hold/],
    ["a stranger's key", (text) => signature(ed25519(signRaw(null, text, stranger.signKey))), /does not hold/],
    ['another text', () => honest(Buffer.from('log.example/tally\n9\n\n')), /does not hold/],
    ['63 bytes', () => signature(ed25519(new Uint8Array(63))), /no Ed25519 signature/],
    ['another algorithm', () => signature(algorithm('ssh-rsa', new Uint8Array(64))), /no Ed25519 signature/],
    ['left-over bytes', (text) => signature(Buffer.concat([ed25519(rawOf(text)), Buffer.from([0])])), /no Ed25519/],
    ['bytes that end too early', () => signature(Buffer.from([0, 0, 0, 9])), /no Ed25519/],
    ['a failure', () => Buffer.from([5]), /refused/],
    ['silence', () => undefined, /did not answer within/],
  ];
  let answer: Answer = honest;
  const stop = await impostor(agent, () => answer);
  t.after(stop);
  const open = () =>
    agentSigner(
      tally.name,
      { fingerprint: logKey.public.fingerprint, socket: agent.socket },
      { answerWithinMs: 200, waitMs: 300, ...quiet },
    );
  for (const [what, lie, words] of lies) {
    answer = lie;
    refusedWith(await open(), 'log-key-unavailable', words);
    answer = honest;
    const signer = await open();
    assert.ok(signer.ok, what);
    const [store, mark] = [memoryStore(), memoryMark()];
    const { sequencer, fatal } = await startTally(store, mark, { signer: signer.value });
    assert.equal((await sequencer.submit(add(1))).index, 0, what);
    answer = lie;
    const answers = await Promise.all([sequencer.submit(add(2)), sequencer.submit(add(3))]);
    for (const { decision, index } of answers) {
      assert.ok(decision.kind === 'refused' && decision.refusal.code === 'ledger-unavailable', what);
      assert.equal(index, null);
    }
    assert.equal(fatal.length, 1, what);
    assert.match(String(fatal[0]), words);
    assert.equal(mark.kept?.size, 1, 'the mark stands where the last checkpoint was signed');
    assert.equal(sequencer.state().total, 1);
    await sequencer.close();
  }
  // A signature of the past holds for the past alone.
  answer = honest;
  const signer = await open();
  assert.ok(signer.ok);
  answer = () => older;
  const { sequencer, fatal } = await startTally(memoryStore(), memoryMark(), { signer: signer.value });
  assert.equal(sequencer.signedHead()?.size, 0);
  assert.equal((await sequencer.submit(add(1))).index, null);
  assert.match(String(fatal[0]), /does not hold/);
  await sequencer.close();
});
