// SPDX-License-Identifier: Apache-2.0
// SPEC L7, L13: what was changed in the database since the start is not shown as the ledger's, by itself or in a permit.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { serveFolder, startRunning, stopAll } from './running.ts';

after(stopAll);

test('L7, L13: an entry or a document that was changed behind the server is sent to nobody', async () => {
  const first = await startRunning();
  const { request } = await first.permitted();
  await first.server.stop();
  // Nothing of it is kept at hand.
  const again = await serveFolder(first.dir, first.token, first.pin);
  const sql = (statement: string): void => {
    const db = new DatabaseSync(join(first.dir, 'ledger', 'ledger-main.sqlite'), { timeout: 5000 });
    db.exec(statement);
    db.close();
  };
  const permit = (): Promise<{ status: number; body: unknown }> =>
    again.post(`/v1/requests/${request.request}/permit`, {});
  const refused = (answer: { status: number; body: unknown }, what: string): void => {
    assert.equal(answer.status, 503, `${what}: ${JSON.stringify(answer.body).slice(0, 300)}`);
    assert.equal((answer.body as { code?: string }).code, 'ledger-damaged', what);
  };
  sql('CREATE TABLE kept AS SELECT * FROM entries WHERE idx = 1');
  for (const damage of [
    `UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '"index":1', '"index":2') AS BLOB) WHERE idx = 1`,
    'DELETE FROM entries WHERE idx = 1',
  ]) {
    sql(damage);
    for (const path of ['/v1/ledger/entries?from=0', '/v1/ledger/entries/1']) refused(await again.get(path), path);
    refused(await permit(), damage);
    sql('INSERT OR REPLACE INTO entries SELECT * FROM kept');
  }
  assert.equal((await again.get('/v1/ledger/entries/1')).status, 200);
  sql(`DROP TABLE kept; CREATE TABLE kept AS SELECT * FROM blobs; UPDATE blobs SET bytes = CAST('other' AS BLOB)`);
  const { body } = await again.get<{ entries: readonly string[] }>('/v1/ledger/entries?from=0&limit=1');
  const [, digest = ''] = /"attachments":\["(sha256:[0-9a-f]{64})"/.exec(body.entries[0] ?? '') ?? [];
  refused(await again.get(`/v1/ledger/blobs/${digest}`), digest);
  refused(await permit(), 'a document');
  sql('INSERT OR REPLACE INTO blobs SELECT * FROM kept; DROP TABLE kept');
  assert.equal((await permit()).status, 200);
  await again.server.stop();
});
