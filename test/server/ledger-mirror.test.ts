// SPDX-License-Identifier: Apache-2.0
// SPEC L26, L28: a server keeps a mirror up to date, is held up by nothing there, and cannot fall behind it unseen.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { runCli } from '../cli/run-cli.ts';
import { found, serveFolder, stopAll, type Running } from './running.ts';

after(stopAll);

type Place = { readonly dir: string; readonly mirror: string; readonly serve: (dir?: string) => Promise<Running> };
const placeOf = async (): Promise<Place & { readonly pin: string }> => {
  const { dir, token, pin } = await found();
  after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const mirror = join(dir, '..', 'second', 'mirror');
  writeFileSync(join(dir, 'countersign.yaml'), 'mirror: ../second/mirror\n');
  return { dir, mirror, pin, serve: (at = dir) => serveFolder(at, token, pin) };
};
const sizeAt = (mirror: string): number => {
  const file = join(mirror, 'checkpoint');
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[1]) : -1;
};
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (const started = Date.now(); !(await holds()); ) {
    assert.ok(Date.now() - started < 20_000, what);
    await new Promise((done) => setTimeout(done, 20));
  }
};
const sizeOf = async (running: Running): Promise<number> =>
  (await running.get<{ size: number }>('/v1/ledger')).body.size;
const caughtUp = async (running: Running, mirror: string): Promise<void> => {
  const size = await sizeOf(running);
  await until(`the mirror is at ${size}`, () => sizeAt(mirror) >= size);
};
const figure = async (running: Running, name: string): Promise<number> => {
  const { body } = await running.get<{ text: string }>('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body.text)?.[1]);
};
const told = (running: Running): string => running.logs.join('');

test('L26: the mirror holds what is published, verifies from the pin, and is whole when the server has stopped', async () => {
  const { mirror, serve, pin } = await placeOf();
  const running = await serve();
  for (let at = 0; at < 150; at += 1) await running.vote((await running.ask()).request, 'grace');
  await running.permitted();
  await caughtUp(running, mirror);
  assert.equal(await figure(running, 'countersign_mirror_entries'), await sizeOf(running));
  assert.equal(await figure(running, 'countersign_mirror_failing'), 0);
  const size = await sizeOf(running);
  await running.ask();
  await running.server.stop();
  assert.equal(sizeAt(mirror), size + 1, 'the end is written at the stop');
  const { code, stdout } = await runCli(['ledger', 'verify', mirror, '--pin', pin, '--allow-trial']);
  assert.equal(code, 0, stdout);
});

test('a mirror that fails holds up nothing, shows, and catches up; one that was emptied is filled again', async () => {
  const { mirror, serve } = await placeOf();
  writeFileSync(join(mirror, '..'), 'a file where the folder should be');
  const running = await serve();
  await running.permitted();
  await until('it shows', async () => (await figure(running, 'countersign_mirror_failing')) > 0);
  assert.equal((await running.get('/readyz')).status, 200);
  assert.equal(await figure(running, 'countersign_mirror_behind'), await sizeOf(running));
  await until('it is logged', () => /"event":"mirror-failed","code":"store-io"/.test(told(running)));
  rmSync(join(mirror, '..'));
  await caughtUp(running, mirror);
  await until('it is logged as well', () => /"event":"mirror-caught-up"/.test(told(running)));
  assert.equal(await figure(running, 'countersign_mirror_failing'), 0);
  await running.server.stop();
  rmSync(mirror, { recursive: true });
  const again = await serve();
  await caughtUp(again, mirror);
  await until('it is said', () => /"event":"mirror-emptied"/.test(told(again)));
  await again.server.stop();
});

test('L28, T4: an old copy with its old mark is caught by the mirror, whatever flag is given, and made whole out of it', async () => {
  const { dir, mirror, serve, pin } = await placeOf();
  const first = await serve();
  await first.ask();
  await first.server.stop();
  const old = join(dir, '..', 'old');
  cpSync(dir, old, { recursive: true });
  const more = await serve();
  const { permit } = await more.permitted();
  assert.ok(permit);
  const size = await sizeOf(more);
  await more.server.stop();
  for (const without of [false, true]) {
    if (without) rmSync(join(old, 'mark'), { recursive: true });
    const { token } = more;
    const behind = await serveFolder(old, token, pin, { acceptMissingMark: true });
    assert.equal((await behind.get('/readyz')).status, 503);
    const { body } = await behind.get<{ quarantine: { what: string } }>('/v1/ledger');
    assert.match(body.quarantine.what, new RegExp(`it ends before its mirror, which is at size ${size}`));
    const refused = await behind.post('/v1/requests', behind.requestBody());
    assert.deepEqual([refused.status, refused.body.code], [503, 'ledger-quarantined']);
    await behind.server.stop();
    assert.equal(sizeAt(mirror), size, 'the mirror is left as it is');
  }
  const asked = await runCli(['ledger', 'restore', '--dir', old]);
  assert.equal(asked.code, 7);
  assert.match(asked.stdout, new RegExp(`the mirror .* {2}size ${size}: ${size - 2} entries are missing`));
  const doctor = await runCli(['doctor', '--dir', old]);
  assert.match(doctor.stdout, new RegExp(`ok +mirror +at size ${size}`));
  const back = await runCli(['ledger', 'restore', '--dir', old, '--from', mirror, '--json']);
  assert.equal(back.code, 0, back.stderr);
  const whole = await serve(old);
  assert.equal((await whole.get('/readyz')).status, 200);
  await whole.ask();
  await caughtUp(whole, mirror);
  await whole.server.stop();
});

test('L28, T5: a mirror that comes back and holds another history stops the ledger, and both notes are kept', async () => {
  const { dir, mirror, serve } = await placeOf();
  const first = await serve();
  await first.ask();
  await first.server.stop();
  const old = join(dir, '..', 'old');
  cpSync(dir, old, { recursive: true });
  const more = await serve();
  await more.ask();
  await more.ask();
  await caughtUp(more, mirror);
  await more.server.stop();
  const held = readFileSync(join(mirror, 'checkpoint'), 'utf8');
  const away = join(dir, '..', 'away');
  renameSync(join(mirror, '..'), away);
  writeFileSync(join(mirror, '..'), 'not mounted');
  const fork = await serve(old);
  for (let at = 0; at < 5; at += 1) await fork.ask();
  rmSync(join(mirror, '..'));
  renameSync(away, join(mirror, '..'));
  await until('it is isolated', async () => (await fork.get('/readyz')).status === 503);
  const refused = await fork.post('/v1/requests', fork.requestBody());
  assert.equal(refused.body.code, 'ledger-quarantined');
  assert.match(refused.body.detail, /its mirror .* contradicts it/);
  assert.equal(readFileSync(join(mirror, 'checkpoint'), 'utf8'), held);
  const kept = await runCli(['ledger', 'restore', '--dir', old]);
  assert.equal(kept.code, 6, 'its server still has it');
  await fork.server.stop();
  assert.ok(existsSync(join(old, 'evidence')));
});

test('a checkpoint in the mirror that the log key did not sign proves nothing, and is never written over', async () => {
  const { mirror, serve } = await placeOf();
  const first = await serve();
  await first.ask();
  await first.server.stop();
  const { origin } = await (async () => {
    const running = await serve();
    const { body } = await running.get<{ origin: string }>('/v1/ledger');
    await running.server.stop();
    return body;
  })();
  const note = signCheckpoint({ origin, size: 900, root: 'a'.repeat(64) }, noteSigner(origin, Buffer.alloc(32, 9)));
  mkdirSync(mirror, { recursive: true });
  writeFileSync(join(mirror, 'checkpoint'), note);
  const running = await serve();
  assert.equal((await running.get('/readyz')).status, 200);
  await running.ask();
  await until('it fails', async () => (await figure(running, 'countersign_mirror_failing')) > 0);
  assert.equal(readFileSync(join(mirror, 'checkpoint'), 'utf8'), note);
  await running.server.stop();
});
