// SPDX-License-Identifier: Apache-2.0
// The real `countersign serve`, killed while people ask, vote and fetch permits over HTTP.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { markFile } from '../../src/app/mark.ts';
import { fsck } from '../../src/app/fsck.ts';
import type { PermitAnswer, Submitted } from '../../src/contract/api.ts';
import { noteSigner, noteVerifier } from '../../src/crypto/signed-note.ts';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import type { RunningServer } from '../../src/server/serve.ts';
import { openIn } from '../app/kept-stores.ts';
import { found, logSeed, Running } from '../server/running.ts';
import { long, pause, startChild } from './killed-child.ts';

const rounds = long ? 20 : 3;
const program = join(import.meta.dirname, '..', '..', 'bin', 'countersign.mjs');

type Receipt = { readonly index: number; readonly entry: string; readonly proof: string };
type Seen = { readonly receipts: Receipt[]; readonly permits: Map<string, string>; unanswered: number };

/** Asks, votes and fetches a permit, over and over, until the server is gone. */
const press = async (running: Running, seen: Seen, voter: string): Promise<void> => {
  const keep = (body: { readonly receipt?: Receipt }): void => {
    if (body.receipt !== undefined) seen.receipts.push(body.receipt);
  };
  try {
    for (;;) {
      const body = running.requestBody();
      const asked = await running.post<Submitted>('/v1/requests', body, {
        'idempotency-key': sha256Hex(JSON.stringify(body)).slice(0, 32),
      });
      assert.equal(asked.status, 201, JSON.stringify(asked.body));
      keep(asked.body);
      const voted = await running.vote(asked.body.request, voter);
      assert.equal(voted.status, 201, JSON.stringify(voted.body));
      keep(voted.body);
      const permit = await running.post<PermitAnswer>(`/v1/requests/${asked.body.request}/permit`, {});
      assert.equal(permit.status, 200, JSON.stringify(permit.body));
      seen.permits.set(asked.body.request, JSON.stringify(permit.body));
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    // The connection broke: the server was killed under this call.
    seen.unanswered += 1;
  }
};

test(`INV7: ${rounds} times killed while it serves, every receipt still stands and every request is where it was`, async (t) => {
  const { dir, token, pin } = await found();
  t.after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const env = { ...process.env, COUNTERSIGN_HOME: join(dir, '..', 'home'), NO_COLOR: '1' };
  const seen: Seen = { receipts: [], permits: new Map(), unanswered: 0 };
  const start = async (): Promise<{ readonly running: Running; readonly child: ReturnType<typeof startChild> }> => {
    const child = startChild(process.execPath, [program, 'serve', '--dir', dir, '--listen', '127.0.0.1:0'], env);
    t.after(() => child.kill());
    const url = (await child.line('Listening on')).split(/\s+/).at(-1) ?? '';
    return { child, running: new Running(dir, { url } as RunningServer, token, pin, []) };
  };
  for (let round = 0; round < rounds; round += 1) {
    const { running, child } = await start();
    const before = seen.receipts.length;
    const pressing = Array.from({ length: 8 }, (_, at) => press(running, seen, at % 2 === 0 ? 'linus' : 'grace'));
    while (seen.receipts.length < before + 5) await pause(5);
    await pause(Math.random() * 400);
    const { signal } = await child.kill();
    assert.equal(signal, 'SIGKILL', child.errors());
    await Promise.all(pressing);
  }
  assert.ok(seen.unanswered > 0 && seen.receipts.length >= 5 * rounds);

  // The ledger verifies from its files alone, and every receipt that was handed out is part of it.
  const signer = noteSigner('countersign-trial/0123456789abcdef0123456789abcdef', logSeed);
  const logKey = noteVerifier(signer.name, signer.publicKey);
  assert.ok(logKey.ok);
  const store = openIn(join(dir, 'ledger'));
  const checked = await fsck(store, 'main', lifecycle, logKey.value, {
    mark: markFile(join(dir, 'mark', 'main.json')),
  });
  assert.ok(checked.ok && checked.value.sound, JSON.stringify(checked));
  for (const { index, entry, proof } of seen.receipts) {
    const [stored] = await store.entries('main', index, index + 1);
    assert.equal(Buffer.from(stored?.bytes ?? []).toString(), entry, `entry ${index}`);
    assert.ok(verifyTlogProof(proof, leafHash(entry), logKey.value).ok);
  }
  await store.close();

  // And it serves again: permits that were out are the same ones, and life goes on.
  const { running, child } = await start();
  for (const [request, permit] of [...seen.permits].slice(-5)) {
    const again = await running.permit(request);
    assert.equal(again.status, 200, JSON.stringify(again.body));
    const [was, is] = [JSON.parse(permit) as PermitAnswer, again.body];
    assert.deepEqual(is.permit, was.permit);
  }
  await running.permitted();
  assert.equal((await running.get('/readyz')).status, 200);
  await child.kill();
  t.diagnostic(
    `${rounds} rounds, ${seen.receipts.length} receipts, ${seen.permits.size} permits, ${seen.unanswered} calls cut off`,
  );
});
