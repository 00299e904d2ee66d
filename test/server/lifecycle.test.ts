// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Accepted } from '../../src/contract/api.ts';
import { parsePermitFile } from '../../src/execute/permit-file.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { noteVerifier, parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { startRunning, type Running } from './running.ts';

let running: Running;
before(async () => {
  running = await startRunning();
});
after(() => running.close());

const provenBy = async (receipt: { entry: string; proof: string }): Promise<void> => {
  const { log_key, origin } = await running.info();
  const key = parseVerifierKey(log_key);
  assert.ok(key.ok && noteVerifier(origin, key.value.publicKey).ok);
  const proven = verifyTlogProof(receipt.proof, leafHash(receipt.entry), key.value);
  assert.ok(proven.ok, proven.ok ? '' : proven.refusal.message);
};

test('a request is asked, approved, permitted, used once and reported, each step with its proof', async () => {
  const asked = await running.ask();
  await provenBy(asked.receipt);
  const early = await running.permit(asked.request);
  assert.deepEqual([early.status, early.body.code], [409, 'gate-pending']);
  const voted = await running.vote(asked.request, 'linus');
  assert.deepEqual([voted.status, voted.body.status], [201, 'met']);
  await provenBy(voted.body.receipt);
  const permit = await running.permit(asked.request);
  assert.equal(permit.status, 200);
  assert.ok(permit.body.receipt);
  assert.ok(parsePermitFile(permit.body.file).ok);
  const again = await running.permit(asked.request);
  assert.equal(again.body.file, permit.body.file, 'a permit is sent unchanged');
  assert.equal(again.body.receipt, null);
  const id = permit.body.permit;
  const used = await running.post<Accepted>(`/v1/permits/${id}/consume`, running.consumptionBody(id, asked.change));
  assert.deepEqual([used.status, used.body.status], [200, 'consumed'], JSON.stringify(used.body));
  assert.match(used.body.receipt.entry, /"type":"PermitConsumed"/);
  await provenBy(used.body.receipt);
  const twice = await running.post(`/v1/permits/${id}/consume`, running.consumptionBody(id, asked.change));
  assert.deepEqual([twice.status, twice.body.code], [409, 'permit-used']);
  assert.equal(typeof twice.body.index, 'number', 'the second try is on record');
  const done = await running.post<Accepted>(`/v1/executions/${id}/result`, running.resultBody(id));
  assert.deepEqual([done.status, done.body.status], [200, 'finished']);
  const view = await running.show(asked.request);
  assert.deepEqual([view.status, view.outcome, view.reason], ['finished', 'succeeded', 'because']);
});
