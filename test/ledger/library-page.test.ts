// SPDX-License-Identifier: Apache-2.0
// The programs in docs/ledger-library.md, run one after another as they stand there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'ledger-library.md'), 'utf8');

test('L1, L2, L3, L13, L14: a stranger keeps, checks, publishes and witnesses a log with the programs of the page', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-library-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'countersign'));
  const programs = [...page.matchAll(/^## (.+)\n[\s\S]*?```ts\n([\s\S]*?)```/gm)];
  const said = programs.map(([, title = '', program = ''], at) => {
    const file = join(folder, `program-${at}.mts`);
    writeFileSync(file, program);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, `${title}: ${stderr}`);
    return [title, stdout.trim()];
  });
  assert.deepEqual(said, [
    ['Keep a log', ''],
    ['Check what you were given', 'entry 17 of 1000\nproof-invalid'],
    ['Publish it', 'true'],
    ['Witness a log', 'witness.example/w1'],
  ]);
});

test('every name that the page speaks of is exported', async () => {
  const library: object = await import('../../src/ledger/ledger.ts');
  const table = /\n\| to \|[\s\S]*?\n\n/.exec(page)?.[0] ?? '';
  const names = [...table.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
  assert.ok(names.length > 20);
  assert.deepEqual(
    names.filter((name) => !(name in library)),
    [],
  );
});
