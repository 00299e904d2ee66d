// SPDX-License-Identifier: Apache-2.0
// examples/first-gate/README.md, word for word: every shell block of it, in order, in one shell at a terminal.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'examples', 'first-gate', 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

const haveScript = spawnSync('script', ['--version']).error === undefined;
const portIsFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });

/** Runs a script at a terminal, and types the first word whenever somebody is asked for it. */
const atTerminal = (folder: string, file: string): Promise<{ readonly code: number | null; readonly seen: string }> =>
  new Promise((resolve, reject) => {
    const env = { PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`, HOME: folder, NO_COLOR: '1', TERM: 'dumb' };
    const child = spawn('script', ['-qec', `bash -eu ${file}`, '/dev/null'], { cwd: join(folder, 'clone'), env });
    let [seen, answered] = ['', 0];
    const late = setTimeout(() => child.kill('SIGKILL'), 90_000);
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString('utf8');
      const asked = seen.slice(answered);
      const word = /Words: +([a-z]+)/.exec(asked)?.[1];
      if (word === undefined || !asked.includes('Type the first word')) return;
      answered = seen.length;
      child.stdin.write(`${word}\n`);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(late);
      resolve({ code, seen });
    });
  });

test('the first gate works word for word as its page says', { timeout: 120_000 }, async (t) => {
  if (!haveScript) {
    assert.notEqual(process.env['CI'], 'true', '`script` of util-linux is missing');
    return t.skip('`script` of util-linux is missing: nobody could type at a terminal');
  }
  if (!(await portIsFree(7090))) {
    assert.notEqual(process.env['CI'], 'true', 'port 7090 is taken');
    return t.skip('port 7090, which the page names, is taken');
  }
  const folder = mkdtempSync(join(tmpdir(), 'countersign-first-gate-'));
  try {
    // A clone as a newcomer has it, with this test's own Node.
    mkdirSync(join(folder, 'clone'));
    mkdirSync(join(folder, 'bin'));
    symlinkSync(process.execPath, join(folder, 'bin', 'node'));
    for (const part of ['bin', 'src', 'examples', 'package.json'])
      cpSync(join(root, part), join(folder, 'clone', part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'clone', 'node_modules'));
    // Only the ending is ours: whoever follows the page stops the server themself.
    const ending = 'trap \'for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done\' EXIT\n';
    const file = join(folder, 'first-gate.sh');
    writeFileSync(file, `${ending}${blocks.join('\n')}\necho "ALL DONE"\n`);
    const { code, seen } = await atTerminal(folder, file);
    assert.equal(code, 0, seen);
    assert.match(seen, /ALL DONE/);
    assert.match(seen, /error\[vote-by-producer\]/, 'you cannot approve what you asked for');
    assert.match(seen, /refused, as it should be/);
    assert.match(seen, /approved req_/);
    assert.match(seen, /PASS {2}pmt_[0-9a-f]{26} for restart\.service on machine\/shop/);
    const log = readFileSync(join(folder, 'clone', 'my-gate', 'exec.log'), 'utf8');
    assert.equal(log.match(/^restarted shop$/gm)?.length, 1, log);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page and its documents say the same', () => {
  for (const name of ['roster.yaml', 'policy.yaml', 'restart.sh']) assert.ok(readme.includes(name), name);
  assert.equal(blocks.length, 7);
});
