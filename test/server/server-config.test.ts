// SPDX-License-Identifier: Apache-2.0
// `countersign.yaml` is read strictly; an error names file, line and field (SPEC H9).
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { addressOf, allowedHosts, isLoopback, parseNetworks } from '../../src/server/guard.ts';
import { parseServerConfig, readServerConfig } from '../../src/server/server-config.ts';

const whole = `listen: {host: 0.0.0.0, port: 443}
public-url: https://gate.example.org
tls:
  certificate: cert.pem
  key: key.pem
trusted-proxies: [10.0.0.5, 10.1.0.0/16]
git: {repository: /srv/shop.git, base: refs/heads/main}
files: {root: /srv/builds}
notices:
  alerts: []
`;

test('every field is read, and none is needed', () => {
  const config = parseServerConfig(whole);
  assert.ok(config.ok, config.ok ? '' : config.refusal.message);
  assert.deepEqual(config.value.git, { repository: '/srv/shop.git', base: 'refs/heads/main' });
  assert.deepEqual(parseServerConfig(''), { ok: true, value: {} });
  assert.deepEqual(parseServerConfig('# nothing\n'), { ok: true, value: {} });
});

const wrong: readonly (readonly [text: string, line: number, named: RegExp])[] = [
  ['listen:\n  host: a\n  prot: 1\n', 3, /`listen.prot`: there is no such field/],
  ['public-url: x\nlisten: {host: a, port: 70000}\n', 2, /`listen.port`/],
  ['listen: {host: a, port: 1}\nlisten: {host: b, port: 2}\n', 2, /unique|twice/i],
  ['git:\n  repository: x\n  base: main\n', 3, /`git.base`/],
  ['git:\n  repository: x\n  base: --all\n', 3, /`git.base`/],
  ['files: &a {root: x}\ngit: *a\n', 2, /alias/],
  ['files: !!js/function "x"\n', 1, /tag|`files`/i],
  ['files: {root: [\n', 1, /line/],
  ['- a\n- b\n', 1, /./],
  ['trusted-proxies: 10.0.0.5\n', 1, /`trusted-proxies`/],
];
for (const [text, line, named] of wrong)
  test(`refused with its line: ${JSON.stringify(text.slice(0, 40))}`, () => {
    const config = parseServerConfig(text, 'countersign.yaml');
    assert.ok(!config.ok);
    assert.equal(config.refusal.code, 'config-malformed');
    assert.match(config.refusal.message, named);
    if (line > 1) assert.match(config.refusal.message, new RegExp(`line ${line}\\b`), config.refusal.message);
  });

const from = (peer: string, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

test('a file that is there and cannot be read is no mistake in its first line', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  assert.deepEqual(readServerConfig(dir), { ok: true, value: {} });
  mkdirSync(join(dir, 'countersign.yaml'));
  const config = readServerConfig(dir);
  assert.ok(!config.ok && config.refusal.code === 'config-malformed');
  assert.match(config.refusal.message, /countersign.yaml` cannot be read: EISDIR$/);
  assert.match(config.refusal.help ?? '', /may read the folder/);
});

test('what a proxy says is believed of a trusted one only, and only its own last word', () => {
  const trusted = parseNetworks(['10.0.0.5', '10.1.0.0/16']);
  assert.ok(trusted);
  assert.equal(addressOf(from('203.0.113.9', '198.51.100.1'), trusted), '203.0.113.9');
  assert.equal(addressOf(from('10.0.0.5', '198.51.100.1'), trusted), '198.51.100.1');
  assert.equal(addressOf(from('::ffff:10.0.0.5', '192.0.2.7, 198.51.100.1'), trusted), '198.51.100.1');
  assert.equal(addressOf(from('10.0.0.5', '198.51.100.1, 10.1.2.3'), trusted), '198.51.100.1');
  assert.equal(addressOf(from('10.0.0.5', 'nonsense'), trusted), '10.0.0.5');
  assert.equal(addressOf(from('10.0.0.5'), trusted), '10.0.0.5');
  for (const text of ['x', '10.0.0.0/33', '10.0.0.0/x', '::1/129', ''])
    assert.equal(parseNetworks([text]), undefined, text);
});

test('loopback is what it is, and hosts are those of the public address and of where it listens', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.example.org', '127.0.0.1.example.org'])
    assert.ok(!isLoopback(host), host);
  const hosts = allowedHosts('https://gate.example.org', '127.0.0.1', 7080);
  assert.deepEqual([...hosts].sort(), ['127.0.0.1:7080', '[::1]:7080', 'gate.example.org', 'localhost:7080']);
});
