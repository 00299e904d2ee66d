// SPDX-License-Identifier: Apache-2.0
// SPEC Y11: `countersign verify --witnesses`, and the verifier that is a program of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cosign, cosigner, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { startRunning } from '../server/running.ts';
import { lockedAndWitnessed, policyLines } from '../verify/witnessed-world.ts';
import { runCli, type Ran } from './run-cli.ts';

const alone = (args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const program = join(import.meta.dirname, '../../src/verify/main.ts');
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

test('Y11: the reader names witnesses in a file, and is told what they saw', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-verify-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string | Uint8Array): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const { world, id } = lockedAndWitnessed();
  const own = ['--pin', world.ledger, '--allow-trial'];
  const [file, plain] = [write('permit.json', world.file(id)), write('plain.json', world.permitFile(id))];
  const policy = write('witnesses.policy', policyLines('q', 'group q 2 w0 w1 w2'));
  for (const run of [(args: readonly string[]) => runCli(['verify', ...args]), alone]) {
    const kept = await run([file, ...own, '--witnesses', policy]);
    assert.equal(kept.code, 0, kept.stdout + kept.stderr);
    assert.match(kept.stdout, /by the clocks of the witnesses you named the time lock of 15 minutes was kept/);
    const blind = await run([file, ...own]);
    assert.equal(blind.code, 0);
    assert.match(blind.stdout, /time is the operator's clock/);
    const without = await run([plain, ...own, '--witnesses', policy]);
    assert.equal(without.code, 7);
    assert.match(without.stdout, /error\[witnesses-too-few\]: 0 witnesses of the 3 you named/);
    for (const [text, told] of [
      ['quorum some\n', /line 1 of the policy of witnesses is malformed: `some` is not defined/],
      [Buffer.from([0xff, 0x0a]), /is not UTF-8/],
    ] as const) {
      const wrong = await run([file, ...own, '--witnesses', write('wrong.policy', text)]);
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, told);
    }
    assert.equal((await run([file, ...own, '--witnesses', join(folder, 'nowhere')])).code, 2);
  }
});

test('Y12: of a whole ledger witnesses vouch for no more than stands in what they cosigned', async (t) => {
  const running = await startRunning();
  t.after(() => running.close());
  const folder = mkdtempSync(join(tmpdir(), 'countersign-verify-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const key = cosigner('witness.example/w1', Buffer.alloc(32, 61));
  const cosigned = (note: string): string =>
    note + cosign(note.slice(0, note.indexOf('\n\n') + 1), key, Math.floor(Date.now() / 1000));
  const old = (await running.info()).checkpoint;
  await running.ask();
  const { checkpoint } = await running.info();
  await running.server.stop();
  const policy = join(folder, 'mine.policy');
  writeFileSync(policy, `witness W ${formatCosignerKey(key)}\nquorum W\n`);
  const verify = (note: string) => {
    writeFileSync(join(running.dir, 'mark', 'main.cosigned'), cosigned(note));
    return runCli([
      'verify',
      running.dir,
      '--pin',
      running.pin,
      '--allow-trial',
      '--witnesses',
      policy,
      '--fresh',
      '1m',
    ]);
  };
  const kept = await verify(old);
  assert.equal(kept.code, 7, kept.stderr);
  assert.match(kept.stderr, /error\[checkpoint-unwitnessed\]/);
  const whole = await verify(checkpoint);
  assert.equal(whole.code, 0, whole.stderr);
});
