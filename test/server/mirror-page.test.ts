// SPDX-License-Identifier: Apache-2.0
// The program in docs/transparency-log.md, run as it stands there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startRunning, type Running } from './running.ts';

const root = join(import.meta.dirname, '..', '..');
let running: Running;
before(async () => {
  running = await startRunning();
  await running.permitted();
});
after(() => running.close());

test('L13: the mirror of the page computes the root of a running ledger', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-mirror-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const page = readFileSync(join(root, 'docs', 'transparency-log.md'), 'utf8');
  const [, program = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'countersign'));
  writeFileSync(join(folder, 'mirror.mts'), program);
  const { body } = await running.get<{ log_key: string; size: number; root: string }>('/v1/ledger');
  const run = (key: string): Promise<{ readonly code: number | null; readonly said: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [join(folder, 'mirror.mts'), running.url, key]);
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      child.on('close', (code) => resolve({ code, said }));
    });
  const good = await run(body.log_key);
  assert.deepEqual([good.code, good.said.trim()], [0, `${body.size} entries, root ${body.root}`], good.said);
  const other = await run('another.example/log+00000000+AdJvo+uWiJvjUCnKXYVg6nPrqKvGr5SZGlWkVG1pp4Kg');
  assert.equal(other.code, 1, other.said);
});
