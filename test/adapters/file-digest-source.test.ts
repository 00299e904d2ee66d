// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileDigestSource } from '../../src/adapters/files/file-digest-source.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import type { JsonValue } from '../../src/kernel/refusal.ts';

let dir: string;
let root: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'countersign-files-'));
  root = join(dir, 'root');
  mkdirSync(join(root, 'builds'), { recursive: true });
  writeFileSync(join(root, 'builds', 'shop.tar'), 'built');
  writeFileSync(join(dir, 'secret'), 'secret');
  symlinkSync(join(dir, 'secret'), join(root, 'link'));
  symlinkSync(dir, join(root, 'out'));
  symlinkSync('builds', join(root, 'inside'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
});
after(() => rmSync(dir, { recursive: true, force: true }));

const ask = (value: JsonValue, maxBytes = 1024 * 1024) =>
  fileDigestSource({ root, maxBytes }).gather({ action: 'a', fact: 'artefact', argument: 'path', value });
const refused = async (value: JsonValue, code: string, maxBytes?: number): Promise<void> => {
  const answer = await ask(value, maxBytes);
  assert.ok(!answer.ok, `${String(value)} was taken`);
  assert.equal(answer.refusal.code, code, answer.refusal.message);
};

test('the digest is that of the bytes in the file', async () => {
  const answer = await ask('builds/shop.tar');
  assert.deepEqual(answer, { ok: true, value: { value: digestOf('built'), evidence: null, detail: {} } });
});

test('what leads out of the root is refused (C24, F7)', async () => {
  for (const path of ['../secret', '/etc/passwd', 'builds/../../secret', './builds/shop.tar', 'builds//shop.tar', ''])
    await refused(path, 'fact-mistyped');
  for (const path of ['builds\\shop.tar', 'builds/shop.tar\0', 'c:shop', 'builds/\u202eshop', 7, null, ['builds']])
    await refused(path, 'fact-mistyped');
});

test('a link is not followed, wherever it stands and wherever it leads', async () => {
  for (const path of ['link', 'out/secret', 'inside/shop.tar']) await refused(path, 'fact-source-failed');
});

test('a folder, a pipe, a missing and an oversized file are refused', async () => {
  for (const path of ['builds', 'pipe', 'builds/none.tar', 'builds/shop.tar/more'])
    await refused(path, 'fact-source-failed');
  await refused('builds/shop.tar', 'fact-source-failed', 4);
});

test('a root that is not there is a refusal, not a crash', async () => {
  const answer = await fileDigestSource({ root: join(dir, 'nowhere') }).gather({
    action: 'a',
    fact: 'artefact',
    argument: 'path',
    value: 'x',
  });
  assert.equal(!answer.ok && answer.refusal.code, 'fact-source-failed');
});
