// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { withHomeLock } from '../../src/client/home-file.ts';
import { openTrustStore } from '../../src/client/trust-store.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { readCheckpointNote, signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { scratch } from './ssh-tools.ts';

const signer = noteSigner('countersign-trial/x', new Uint8Array(32).fill(7));
const note = (size: number): string =>
  signCheckpoint({ origin: signer.name, size, root: size.toString(16).padStart(64, '0') }, signer);
const pin = `sha256:${'a'.repeat(64)}`;
const ledger = (size: number) => ({ pin, genesis: null, checkpoint: note(size) });
const sizeOf = (text: string | null): number => {
  const read = readCheckpointNote(text ?? '');
  assert.ok(read.ok);
  return read.value.size;
};

test('an older checkpoint never replaces a newer one, whichever server showed it (T4)', async (t) => {
  const store = openTrustStore(scratch(t));
  await store.remember('http://127.0.0.1:1', ledger(5));
  await store.remember('http://127.0.0.1:2', ledger(9));
  await store.remember('http://127.0.0.1:1', ledger(3));
  const newest = store.newest(pin);
  assert.ok(newest.ok);
  assert.equal(sizeOf(newest.value), 9);
});

test('the memory is readable by its owner only, and a damaged one is not taken for an empty one (INV4)', async (t) => {
  const home = scratch(t);
  const store = openTrustStore(home);
  await store.remember('http://127.0.0.1:1', ledger(5));
  const path = join(home, 'ledgers.json');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const whole = readFileSync(path, 'utf8');
  for (const broken of ['', '{', '{"http://127.0.0.1:1":{}}', whole.replace('countersign-trial', 'x\ny')]) {
    writeFileSync(path, broken);
    const read = store.newest(pin);
    assert.ok(!read.ok && read.refusal.code === 'home-damaged', broken);
    const kept = await store.remember('http://127.0.0.1:1', ledger(6));
    assert.ok(!kept.ok && kept.refusal.code === 'home-damaged');
  }
});

test('a checkpoint with as many signature lines as somebody on the way likes to add does not damage the memory (T5)', async (t) => {
  const store = openTrustStore(scratch(t));
  await store.remember('http://127.0.0.1:1', ledger(5));
  const padding = `— nobody ${Buffer.alloc(9000).toString('base64')}\n`;
  for (const lines of [5, 6, 80]) {
    const padded = `${note(6 + lines)}${padding.repeat(lines)}`;
    assert.ok(readCheckpointNote(padded).ok, 'it is a note like any other');
    const kept = await store.remember('http://127.0.0.1:1', { ...ledger(0), checkpoint: padded });
    assert.equal(kept.ok, lines === 5, `${padded.length} characters`);
    if (!kept.ok) assert.equal(kept.refusal.code, 'checkpoint-malformed');
    const newest = store.newest(pin);
    assert.ok(newest.ok, 'what was seen before is not forgotten');
    assert.equal(sizeOf(newest.value), 11);
  }
});

test('two processes at once lose neither record (A19)', async (t) => {
  const home = scratch(t);
  const source = new URL('../../src/client/trust-store.ts', import.meta.url).href;
  const script = `import { openTrustStore } from ${JSON.stringify(source)};
    const store = openTrustStore(${JSON.stringify(home)});
    for (let at = 0; at < 15; at += 1)
      await store.remember('http://127.0.0.1:' + process.argv[1] + at, { pin: ${JSON.stringify(pin)}, genesis: null, checkpoint: null });`;
  const run = promisify(execFile);
  await Promise.all(['1', '2', '3'].map((name) => run(process.execPath, ['--input-type=module', '-e', script, name])));
  const kept = JSON.parse(readFileSync(join(home, 'ledgers.json'), 'utf8')) as object;
  assert.equal(Object.keys(kept).length, 45);
});

test('a command line that was killed holds nobody up; one that lives is waited for', async (t) => {
  const path = join(scratch(t), 'ledgers.json');
  const child = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(`${path}.lock`, `${hostname()} ${child.pid}\n`);
  const began = performance.now();
  await withHomeLock(path, () => {});
  assert.ok(performance.now() - began < 5_000, 'not after the 20 s that a lock of unknown holders lasts');
  let inside = 0;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      withHomeLock(path, async () => {
        inside += 1;
        await new Promise((later) => setTimeout(later, 5));
        assert.equal(inside, 1);
        inside -= 1;
      }),
    ),
  );
  writeFileSync(`${path}.lock`, `${hostname()} ${process.pid}\n`);
  let done = false;
  const waiting = withHomeLock(path, () => {
    done = true;
  });
  await new Promise((later) => setTimeout(later, 200));
  assert.equal(done, false, 'the holder lives');
  rmSync(`${path}.lock`);
  await waiting;
  assert.ok(done);
});
