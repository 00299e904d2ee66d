// SPDX-License-Identifier: Apache-2.0
// SPEC L23: whoever looks for the proof of a fork asks the very server that lied; its answers have an end.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { servedRoot } from '../../src/client/served-tree.ts';

const megabytes = 1024 * 1024;

/** Answers every tile with this, again and again, until nobody listens. Tells how often. */
const pouring = async (t: TestContext, chunk: Buffer, headers: { readonly [name: string]: string }) => {
  let poured = 0;
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', ...headers });
    const pour = (): void => {
      if (response.destroyed) return;
      poured += 1;
      if (response.write(chunk)) setImmediate(pour);
      else response.once('drain', pour);
    };
    pour();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, poured: () => poured };
};

for (const [what, chunk, headers] of [
  ['a body without end', Buffer.alloc(megabytes), {}],
  ['a gzip bomb', gzipSync(Buffer.alloc(64 * megabytes)), { 'content-encoding': 'gzip' }],
] as const)
  test(`a server that answers a tile with ${what} is not listened to for long`, async (t) => {
    const server = await pouring(t, chunk, headers);
    const before = process.memoryUsage().rss;
    const began = performance.now();
    assert.equal(await servedRoot(server.url, 3, 5), undefined);
    assert.ok(performance.now() - began < 5000, 'long before its time is up');
    assert.ok(process.memoryUsage().rss - before < 256 * megabytes);
  });

test('a server that hands out tile after tile, each as late as it may, does not put off the alarm', async (t) => {
  let asked = 0;
  const server = createServer(({ url }, response) => {
    asked += 1;
    const width = Number(/\.p\/(\d+)$/.exec(url ?? '')?.[1] ?? 256);
    setTimeout(() => response.end(Buffer.alloc(width * 32, asked)), 300);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const began = performance.now();
  assert.equal(await servedRoot(url, 256 ** 5 + 12345, 2 ** 52 + 77777, 1000), undefined);
  assert.ok(asked > 2 && performance.now() - began < 1500, 'one limit for all of them');
});
