// SPDX-License-Identifier: Apache-2.0
// SPEC L13: a stranger mirrors the log over HTTP with nothing but c2sp.org/tlog-tiles, and finds the signed root.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { edgeOf } from '../../src/ledger/proof.ts';
import { formatTilePath, hashesFromTiles, readBundle, readTile, tilesOf } from '../../src/ledger/tiles.ts';
import { startRunning, type Running } from './running.ts';

let running: Running;
before(async () => {
  running = await startRunning();
  for (let at = 0; at < 130; at += 1) {
    const asked = await running.ask();
    await running.vote(asked.request, 'grace');
  }
});
after(() => running.close());

type Fetched = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: Buffer };
// Not `fetch`, which unpacks by itself and asks for what it can.
const fetched = (path: string, headers: Record<string, string> = {}): Promise<Fetched> =>
  new Promise((resolve, reject) => {
    const sent = request(`${running.url}/ledger/${path}`, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
const asReader = (more: Record<string, string> = {}) => ({ authorization: `Bearer ${running.token}`, ...more });

const checkpointNow = async () => {
  const note = await fetched('checkpoint');
  assert.equal(note.headers['content-type'], 'text/plain; charset=utf-8');
  const info = await running.get<{ log_key: string }>('/v1/ledger');
  const verifier = parseVerifierKey(info.body.log_key);
  assert.ok(verifier.ok);
  const checkpoint = verifyCheckpoint(note.body.toString('utf8'), verifier.value);
  assert.ok(checkpoint.ok, checkpoint.ok ? '' : checkpoint.refusal.message);
  return checkpoint.value;
};

test('L13: all tiles and bundles of a checkpoint are there, and its root and entries follow from them', async () => {
  const { size, root } = await checkpointNow();
  assert.ok(size > 256, `${size} entries`);
  const hashes = new Map<string, readonly string[]>();
  const leaves: string[] = [];
  for (const tile of tilesOf(size)) {
    const path = formatTilePath(tile);
    const answer = await fetched(`tile/${path}`, tile.level === 'entries' ? asReader() : {});
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.match(String(answer.headers['cache-control']), /max-age=\d{5,}/);
    if (tile.level === 'entries') {
      const entries = readBundle(tile, answer.body);
      assert.ok(entries.ok, path);
      leaves.push(...entries.value.map((entry) => leafHash(entry)));
    } else {
      const read = readTile(tile, answer.body);
      assert.ok(read.ok, path);
      hashes.set(path, read.value);
    }
  }
  const hashAt = hashesFromTiles((tile) => hashes.get(formatTilePath(tile)), size);
  assert.equal(rootOf(edgeOf(size, hashAt)), root);
  assert.deepEqual(
    leaves,
    Array.from({ length: size }, (_, at) => hashAt(0, at)),
  );
});

test('L13: a bundle is sent as gzip to whoever takes it, and to nobody else', async () => {
  const plain = await fetched('tile/entries/000', asReader());
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(plain.headers['vary'], 'accept-encoding, authorization, cookie');
  for (const accepted of ['gzip', 'identity, gzip', 'deflate, gzip;q=0.5', 'br,GZIP']) {
    const packed = await fetched('tile/entries/000', asReader({ 'accept-encoding': accepted }));
    assert.equal(packed.headers['content-encoding'], 'gzip', accepted);
    assert.ok(packed.body.length < plain.body.length / 2);
    assert.ok(gunzipSync(packed.body).equals(plain.body));
  }
  for (const accepted of ['identity', 'gzip;q=0', 'gzip; q=0.0, identity', 'gzipped', 'br']) {
    const sent = await fetched('tile/entries/000', asReader({ 'accept-encoding': accepted }));
    assert.equal(sent.headers['content-encoding'], undefined, accepted);
    assert.ok(sent.body.equals(plain.body));
  }
});

test('L13: entries are for readers, hashes for everybody; what they may keep says so', async () => {
  const bundle = await fetched('tile/entries/000');
  assert.equal(bundle.status, 401);
  assert.match(String((await fetched('tile/entries/000', asReader())).headers['cache-control']), /^private,/);
  const tile = await fetched('tile/0/000');
  assert.equal(tile.body.length, 8192);
  assert.equal(tile.headers['cache-control'], 'public, max-age=31536000, immutable');
});

test('L13: a bundle that is not what the tree says is never sent', async () => {
  const file = join(running.dir, 'ledger', 'ledger-main.sqlite');
  const sql = (statement: string): void => {
    const db = new DatabaseSync(file, { timeout: 5000 });
    db.exec(statement);
    db.close();
  };
  sql('CREATE TABLE kept AS SELECT * FROM entries WHERE idx = 7');
  for (const damage of [
    'DELETE FROM entries WHERE idx = 7',
    'UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE idx = 8) WHERE idx = 7',
  ]) {
    sql(damage);
    const answer = await fetched('tile/entries/000', asReader({ 'accept-encoding': 'gzip' }));
    assert.equal(answer.status, 503);
    assert.match(answer.body.toString('utf8'), /"code":"ledger-damaged"/);
    assert.equal(answer.headers['cache-control'], 'no-store');
    sql('INSERT OR REPLACE INTO entries SELECT * FROM kept');
  }
  sql('DROP TABLE kept');
  assert.equal((await fetched('tile/entries/000', asReader())).status, 200);
});

test('L13: partial tiles of any smaller size stay; nothing is there beyond the checkpoint or under another path', async () => {
  const { size } = await checkpointNow();
  const earlier = await fetched(`tile/0/001.p/${size - 257}`);
  assert.equal(earlier.status, 200);
  assert.equal(earlier.body.length, (size - 257) * 32);
  for (const path of [
    `tile/0/001.p/${size - 255}`,
    'tile/0/001',
    'tile/0/000.p/0',
    'tile/0/0',
    'tile/0/x000/000',
    'tile/1/000.p/2',
    'tile/2/000.p/1',
    'tile/64/000',
    'tile/00/000',
    'tile/x/000',
    'tile/0/000/',
    `tile/entries/001.p/${size - 255}`,
    'tile/entries/0',
    'tile/entries/x000/000',
  ]) {
    const answer = await fetched(path, asReader());
    assert.equal(answer.status, 404, path);
    assert.match(answer.body.toString('utf8'), /"code":"tile-unknown"/, path);
  }
});
