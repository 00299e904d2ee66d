// SPDX-License-Identifier: Apache-2.0
// SPEC L23, W1, T5: a server that forks leaves evidence that anybody checks; a lie that is no fork leaves none.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { spawnSync } from 'node:child_process';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { readCheckpointNote, signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { startLying } from '../client/lying-server.ts';
import { serveFolder, startRunning, stopAll, type Running } from '../server/running.ts';
import { Desks } from './desk.ts';
import { runCli } from './run-cli.ts';

after(stopAll);

/** One ledger that its operator serves twice, each copy going on by itself. */
const forked = async (inA: number, inB: number): Promise<{ a: Running; b: Running; close: () => Promise<void> }> => {
  const first = await startRunning();
  await first.ask();
  await first.server.stop();
  const other = join(mkdtempSync(join(tmpdir(), 'countersign-fork-')), 'data');
  cpSync(first.dir, other, { recursive: true });
  const a = await serveFolder(first.dir, first.token, first.pin);
  const b = await serveFolder(other, first.token, first.pin);
  for (let count = 0; count < inA; count += 1) await a.ask();
  for (let count = 0; count < inB; count += 1) await b.ask();
  const close = async (): Promise<void> => {
    await a.close();
    await b.close();
  };
  return { a, b, close };
};

const anyone = (args: readonly string[]) => runCli(args, { env: { COUNTERSIGN_HOME: join(tmpdir(), 'no-such-home') } });
const keyOf = async (running: Running): Promise<string> => (await running.info()).log_key;

for (const [inA, inB] of [
  [1, 1],
  [2, 3],
  [6, 1],
  [1, 7],
] as const)
  test(`L23: histories of ${inA + 2} and ${inB + 2} entries under one key: the refusal comes with a proof where one can be had`, async () => {
    const { a, b, close } = await forked(inA, inB);
    const desks = new Desks(a);
    const vkey = await keyOf(a);
    assert.equal((await desks.run('linus', ['list'])).code, 0);
    const no = await desks.run('linus', ['list'], { COUNTERSIGN_SERVER: b.url });
    assert.equal(no.code, 7, no.stderr);
    const { evidence } = no.refusal['facts'] as { evidence: string };
    const file = join(evidence, 'fork.json');
    // A server that shows a smaller tree can't be asked what the larger one holds; later on it can.
    assert.equal(existsSync(file), inB >= inA, no.stderr);
    const out = desks.write('made.json', '');
    rmSync(out);
    const made = await runCli(
      ['ledger', 'evidence', evidence, '--server', inB >= inA ? b.url : a.url, '--log-key', vkey, '--out', out],
      { env: {} },
    );
    assert.equal(made.code, 0, made.stderr);
    assert.match(
      String(no.refusal['help']),
      inB >= inA ? /fork\.json` proves it.*countersign verify/ : /countersign ledger evidence/,
    );
    if (inB >= inA) assert.equal(readFileSync(out, 'utf8').trim(), readFileSync(file, 'utf8').trim());
    // A stranger, with the key alone.
    const checked = await anyone(['verify', out, '--log-key', vkey]);
    assert.equal(checked.code, 0, checked.stderr);
    assert.match(checked.stdout, /^FORK PROVEN {2}the key of countersign-trial\/\w+ signed two histories$/m);
    const alone = spawnSync(process.execPath, ['src/verify/main.ts', out, '--log-key', vkey, '--json'], {
      encoding: 'utf8',
    });
    assert.equal(alone.status, 0, alone.stderr);
    assert.equal((JSON.parse(alone.stdout) as JsonObject)['result'], 'FORK');
    // Whoever has met the ledger needs no key; whoever has neither is told.
    const met = { COUNTERSIGN_HOME: desks.home('linus') };
    assert.equal((await runCli(['verify', out], { env: met })).code, 0);
    // C7: the log's key alone makes such a file, and `verify … && deploy` asks for a permit.
    for (const [asked, env] of [
      [['--pin', a.pin], met],
      [['--pin', a.pin, '--min-persons', '2', '--audience', 'deployer', '--allow-trial'], met],
      [['--action', 'deploy.production'], { ...met, COUNTERSIGN_PIN: a.pin }],
    ] as const) {
      const permit = await runCli(['verify', out, ...asked], { env });
      assert.deepEqual([permit.code, permit.stdout], [7, ''], permit.stderr);
      assert.match(permit.stderr, /error\[file-malformed\]: .*is a proof of a fork.*--log-key/s);
    }
    const nothing = await anyone(['verify', out]);
    assert.match(nothing.stderr, /error\[pin-missing\]/);
    const wrongKey = await anyone(['verify', out, '--log-key', vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')]);
    assert.notEqual(wrongKey.code, 0);
    desks.close();
    await close();
  });

test('L23: a forged signature, or a lie about one history, is no evidence', async (t) => {
  const running = await startRunning();
  const lying = await startLying(running.url);
  t.after(() => lying.close());
  const desks = new Desks(running);
  const vkey = await keyOf(running);
  const older = (await running.info()).checkpoint;
  await running.ask();
  await running.ask();
  assert.equal((await desks.run('linus', ['list'])).code, 0);
  // It tells of an older size, and proves nonsense: refused, and accused of nothing.
  lying.lie = (path, text) =>
    path === '/v1/ledger'
      ? JSON.stringify({ ...(JSON.parse(text) as JsonObject), checkpoint: older, heartbeat: undefined })
      : path.startsWith('/v1/ledger/consistency')
        ? JSON.stringify({ from: 1, to: 3, hashes: ['0'.repeat(64)], checkpoint: older })
        : text;
  const token = desks.write('token', running.token);
  const no = await desks.run('linus', ['list', '--token-file', token], { COUNTERSIGN_SERVER: lying.url });
  assert.deepEqual([no.code, no.refusal['code']], [7, 'history-forked'], no.stderr);
  const { evidence, proven } = no.refusal['facts'] as { evidence: string; proven: boolean };
  assert.equal(proven, false);
  assert.equal(existsSync(join(evidence, 'fork.json')), false);
  const honest = await runCli(['ledger', 'evidence', evidence, '--server', lying.url, '--log-key', vkey]);
  assert.deepEqual([honest.code, honest.stdout], [7, '']);
  assert.match(honest.stderr, /error\[fork-unproven\]: the larger history has the very root/);
  // A note of the right name by another key: on its own, and beside a real one.
  const { value } = readCheckpointNote(older) as { value: { origin: string } };
  const thief = noteSigner(value.origin, new Uint8Array(32).fill(9));
  const forgery = signCheckpoint({ origin: value.origin, size: 1, root: 'a'.repeat(64) }, thief);
  const [real, fake] = [desks.write('real.note', older), desks.write('fake.note', forgery)];
  for (const pair of [
    [real, fake],
    [fake, real],
    [fake, fake],
  ]) {
    const refused = await runCli(['ledger', 'evidence', ...pair, '--log-key', vkey]);
    assert.deepEqual([refused.code, refused.stdout], [7, ''], refused.stderr);
    assert.match(refused.stderr, /error\[note-unsigned\]/);
  }
  const same = await runCli(['ledger', 'evidence', real, real, '--log-key', vkey]);
  assert.match(same.stderr, /error\[fork-unproven\]: both checkpoints say the same/);
  const file = desks.write(
    'forged.json',
    JSON.stringify({ first: older, proof: null, second: forgery, type: 'countersign.dev/fork-proof/v0' }),
  );
  const checked = await runCli(['verify', file, '--log-key', vkey]);
  assert.deepEqual([checked.code, checked.stdout], [7, ''], checked.stderr);
  desks.close();
  await running.close();
});

test('L23: colleagues compare what they have seen: one history, or two with evidence', async () => {
  const { a, b, close } = await forked(0, 2);
  const desks = new Desks(a);
  const compare = (name: string, note: string, server = a.url) =>
    runCli(['ledger', 'compare', note, '--json'], { env: { ...desks.env(name), COUNTERSIGN_SERVER: server } });
  const seen = async (name: string): Promise<string> => {
    const { code, stdout, stderr } = await runCli(['ledger', 'seen'], { env: { COUNTERSIGN_HOME: desks.home(name) } });
    assert.equal(code, 0, stderr);
    return desks.write(`${name}.note`, stdout);
  };
  for (const name of ['linus', 'grace']) assert.equal((await desks.run(name, ['list'])).code, 0);
  const same = await compare('grace', await seen('linus'), 'http://127.0.0.1:1');
  assert.equal(same.code, 0, 'checkpoints of one size need no server');
  assert.equal((JSON.parse(same.stdout) as JsonObject)['same_history'], true);
  await a.ask();
  assert.equal((await desks.run('linus', ['list'])).code, 0);
  const older = await compare('linus', await seen('grace'));
  assert.deepEqual([older.code, (JSON.parse(older.stdout) as JsonObject)['theirs']], [0, 2], older.stderr);
  const newer = await compare('grace', await seen('linus'));
  assert.equal(newer.code, 0, newer.stderr);
  assert.deepEqual(
    readFileSync(await seen('grace'), 'utf8'),
    readFileSync(await seen('linus'), 'utf8'),
    'she remembers it',
  );
  // Radia was shown the other copy all along.
  assert.equal((await desks.run('radia', ['list'], { COUNTERSIGN_SERVER: b.url })).code, 0);
  const two = await compare('radia', await seen('linus'), b.url);
  assert.equal(two.code, 7);
  const refusal = JSON.parse(two.stderr.trim()) as { code: string; message: string; facts: { proven: boolean } };
  assert.equal(refusal.code, 'history-forked');
  assert.match(refusal.message, /linus\.note` is of another history/);
  assert.equal(refusal.facts.proven, true, 'her own server shows that the larger tree does not hold the smaller one');
  const unknown = await anyone(['ledger', 'compare', join(desks.folder, 'linus.note')]);
  assert.match(unknown.stderr, /error\[pin-missing\]: this machine knows no ledger/);
  desks.close();
  await close();
});

test('L21, Y12: silence shows at the command line, and with --fresh it is a refusal', async (t) => {
  const running = await startRunning({ heartbeatEveryMs: 1000 });
  const lying = await startLying(running.url);
  t.after(() => lying.close());
  const desks = new Desks(running);
  const fine = await desks.run('linus', ['list', '--fresh', '1m']);
  assert.equal(fine.code, 0, fine.stderr);
  assert.doesNotMatch(fine.stderr, /not fresh/);
  // A server that forgets its heartbeats, as an old version or somebody who hides would.
  lying.lie = (path, text) =>
    path === '/v1/ledger' ? JSON.stringify({ ...(JSON.parse(text) as JsonObject), heartbeat: undefined }) : text;
  const token = ['--token-file', desks.write('token', running.token)];
  const silent = await desks.run('linus', ['list', ...token], { COUNTERSIGN_SERVER: lying.url });
  assert.equal(silent.code, 0, silent.stderr);
  assert.match(silent.stderr, /warning:.*is not fresh: the log says no time.*may be hiding something/s);
  const refused = await desks.run('linus', ['list', '--fresh', '1m', ...token], { COUNTERSIGN_SERVER: lying.url });
  assert.deepEqual([refused.code, refused.refusal['code']], [7, 'checkpoint-stale'], refused.stderr);
  const policy = desks.write('empty.policy', 'quorum none\n');
  assert.equal((await desks.run('linus', ['list', '--fresh', '1m', '--witnesses', policy])).code, 0);
  const strange = await desks.run('linus', ['list', '--fresh', 'soon']);
  assert.equal(strange.code, 2);
  // A permit, and the whole ledger, by the same rule.
  const { permit } = await running.permitted();
  const file = desks.write('permit.json', permit.file);
  const verify = (...more: readonly string[]) =>
    runCli(['verify', file, '--pin', running.pin, '--allow-trial', ...more]);
  const fresh = await verify('--fresh', '10m');
  assert.equal(fresh.code, 0, fresh.stdout);
  assert.match(fresh.stdout, /the checkpoint was the newest .* ago, by the log's own clock/);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const stale = await verify('--fresh', '1s');
  assert.equal(stale.code, 7);
  assert.match(stale.stdout, /error\[checkpoint-stale\]/);
  await running.server.stop();
  const whole = (...more: readonly string[]) =>
    runCli(['ledger', 'verify', running.dir, '--pin', running.pin, '--allow-trial', ...more]);
  const ledger = await whole('--fresh', '10m');
  assert.equal(ledger.code, 0, ledger.stderr);
  assert.match(ledger.stderr, /was the newest .* ago, by the log's own clock/);
  assert.match((await whole('--fresh', '1s')).stderr, /error\[checkpoint-stale\]/);
  desks.close();
});
