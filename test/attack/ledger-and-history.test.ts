// SPDX-License-Identifier: Apache-2.0
// Somebody with root on the server: edits, cuts, restores, forks and forges what is on its disk.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import type { Accepted, ConsistencyAnswer } from '../../src/contract/api.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { Insider } from '../../src/demo/insider.ts';
import { consumptionFor, openEnforcementPoint, type EnforcementPoint } from '../../src/enforce/enforce.ts';
import { makePermit } from '../../src/execute/permit.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { rootAt } from '../../src/lifecycle/state.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import { startServer } from '../../src/server/serve.ts';
import { verifyPermit } from '../../src/verify/verify.ts';
import { fingerprintOf, keyOf, personOf, policyOf, sign } from '../support/world.ts';
import { found, logSeed, serveFolder, signedGenesis, type Running } from '../server/running.ts';
import { Desks } from '../cli/desk.ts';
import {
  changePolicy,
  changeRoster,
  oneSeatAction,
  policyChange,
  proposalBody,
  recordOf,
  refused,
  rosterChange,
  twoSeatAction,
  worked,
} from './stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
const options = { tickEveryMs: 3_600_000 };
let dir = '';
let token = '';
let pin = '';
let asked = { request: '', change: '' };
let permitted = { request: '', change: '', permit: '' };
before(async () => {
  ({ dir, token, pin } = await found({ policy: policyOf(oneSeatAction()) }));
  const running = await serveFolder(dir, token, pin, options);
  const out = await running.permitted();
  permitted = { ...out.request, permit: out.permit.permit };
  asked = await running.ask();
  worked(await running.vote(asked.request, 'linus'));
  await running.server.stop();
});
after(() => {
  rmSync(join(dir, '..'), { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

let copies = 0;
const copyOf = (from = dir): string => {
  copies += 1;
  const to = join(folder, `copy-${copies}`);
  cpSync(from, to, { recursive: true });
  return to;
};
const inDatabase = (data: string, work: (database: DatabaseSync) => void): void => {
  const database = new DatabaseSync(join(data, 'ledger', 'ledger-main.sqlite'), { timeout: 2000 });
  try {
    work(database);
  } finally {
    database.close();
  }
};
const bytesAt = (database: DatabaseSync, index: number): Buffer =>
  Buffer.from((database.prepare('SELECT bytes FROM entries WHERE idx = ?').get(index) as { bytes: Uint8Array }).bytes);
const edit = (database: DatabaseSync, index: number, from: string, to: string, mend = true): void => {
  const bytes = Buffer.from(bytesAt(database, index).toString('utf8').replaceAll(from, to));
  database.prepare('UPDATE entries SET bytes = ? WHERE idx = ?').run(bytes, index);
  if (mend)
    database.prepare('UPDATE entries SET leaf = ? WHERE idx = ?').run(Buffer.from(leafHash(bytes), 'hex'), index);
};

const serving = async <T>(data: string, work: (running: Running) => Promise<T>): Promise<T> => {
  const running = await serveFolder(data, token, pin, options);
  try {
    return await work(running);
  } finally {
    await running.server.stop();
  }
};

/** Nothing is appended, and what is good is still read: from this entry on. */
const quarantined = async (running: Running, index: number | undefined, from = 0): Promise<void> => {
  const { quarantine } = await running.info();
  assert.ok(quarantine, 'the server noticed nothing');
  if (index !== undefined) assert.equal(quarantine.index, index, quarantine.what);
  assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
  refused(await running.post('/v1/requests', running.requestBody()), 'ledger-quarantined');
  refused(await running.permit(asked.request), 'ledger-quarantined', 'request-unknown');
  const use = running.consumptionBody(permitted.permit, permitted.change);
  refused(await running.post(`/v1/permits/${permitted.permit}/consume`, use), 'ledger-quarantined', 'permit-unknown');
  worked(await running.get(`/v1/ledger/entries?from=${from}`));
};

test('T1 T2 T3 A48: a ledger that was edited, thinned, cut, lengthened or rewritten on disk is quarantined from that entry on', async () => {
  const { size } = await serving(copyOf(), async (running) => running.info());
  const damages: readonly (readonly [string, number | undefined, (database: DatabaseSync) => void])[] = [
    ['one byte', 1, (database) => edit(database, 1, 'deploy', 'deplay', false)],
    ['one byte, with its hash mended', 1, (database) => edit(database, 1, '"service\\"', '"zervice\\"')],
    ['an event', 2, (database) => edit(database, 2, personOf('linus'), personOf('grace'))],
    ['an earlier time', 2, (database) => edit(database, 2, '"time":"2', '"time":"1')],
    ['one from the middle', 2, (database) => database.exec('DELETE FROM entries WHERE idx = 2')],
    [
      'two swapped',
      1,
      (database) =>
        database.exec(
          'UPDATE entries SET idx = -1 WHERE idx = 1; UPDATE entries SET idx = 1 WHERE idx = 2; UPDATE entries SET idx = 2 WHERE idx = -1',
        ),
    ],
    ['the tail', size - 1, (database) => database.exec(`DELETE FROM entries WHERE idx = ${size - 1}`)],
    ['the head', undefined, (database) => database.exec(`UPDATE head SET root = '${'0'.repeat(64)}'`)],
    ['the checkpoint', undefined, (database) => database.exec("UPDATE checkpoint SET note = replace(note, '1', '2')")],
    [
      'one more, copied',
      size,
      (database) =>
        database.exec(`INSERT INTO entries SELECT ${size}, bytes, leaf FROM entries WHERE idx = ${size - 1}`),
    ],
  ];
  for (const [what, index, damage] of damages) {
    const data = copyOf();
    inDatabase(data, damage);
    await serving(data, async (running) => {
      await quarantined(running, index).catch((error: unknown) => {
        throw new Error(what, { cause: error });
      });
    });
  }
});

test('A48: a ledger without its beginning takes nothing, says that it is not ready, and is not begun anew', async () => {
  const data = copyOf();
  for (const damage of ["UPDATE blobs SET bytes = x'7b7d'", 'DELETE FROM entries; DELETE FROM head']) {
    inDatabase(data, (database) => database.exec(damage));
    await serving(data, async (running) => {
      assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
      const ask = await running.post('/v1/requests', running.requestBody());
      assert.ok(ask.status >= 500, JSON.stringify(ask.body));
      assert.ok((await running.permit(asked.request)).status >= 404);
      worked(await running.get('/v1/ledger/entries'));
    });
  }
  const founded = await foundLedger(data, { ...signedGenesis(), logSeed });
  assert.equal(founded.ok ? 'founded' : founded.refusal.code, 'folder-exists');
});

test('T1: an entry edited under a running server is sent to nobody, by itself or in a permit, and a head changed under it stops it', async () => {
  const data = copyOf();
  await serving(data, async (running) => {
    inDatabase(data, (database) => edit(database, 2, personOf('linus'), personOf('grace')));
    for (const path of ['/v1/ledger/entries/2', '/v1/ledger/entries?from=0'])
      refused(await running.get(path), 'ledger-damaged');
    refused(await running.permit(permitted.request), 'ledger-damaged');
    inDatabase(data, (database) => database.exec(`UPDATE head SET root = '${'0'.repeat(64)}'`));
    refused(await running.post('/v1/requests', running.requestBody()), 'ledger-quarantined');
    await quarantined(running, undefined, 3);
  });
  await serving(data, async (running) => quarantined(running, 2));
});

test('T4 A48: an older copy put back is seen by its mark; and with its mark put back too, by whoever saw the newer one', async () => {
  const data = copyOf();
  const old = copyOf();
  const desks = new Desks({ url: 'http://127.0.0.1:1', pin });
  try {
    await serving(data, async (running) => {
      worked(await running.permit(asked.request));
      for (let at = 0; at < 3; at += 1) await running.ask();
      const seen = await desks.run('grace', ['list'], { COUNTERSIGN_SERVER: running.url });
      assert.equal(seen.code, 0, seen.stderr);
    });
    const mixed = copyOf(data);
    rmSync(join(mixed, 'ledger'), { recursive: true });
    cpSync(join(old, 'ledger'), join(mixed, 'ledger'), { recursive: true });
    await serving(mixed, async (running) => quarantined(running, undefined));
    rmSync(join(mixed, 'mark'), { recursive: true });
    await serving(mixed, async (running) => quarantined(running, undefined));
    await serving(old, async (running) => {
      assert.equal((await running.info()).quarantine, null, 'whole, and older');
      const shown = await desks.run('grace', ['list'], { COUNTERSIGN_SERVER: running.url });
      assert.equal(shown.code, 7, shown.stderr);
      assert.equal(shown.refusal['code'], 'history-shortened');
    });
  } finally {
    desks.close();
  }
});

const pointAt = (): EnforcementPoint => {
  copies += 1;
  const opened = openEnforcementPoint({
    stateFolder: join(folder, `point-${copies}`),
    pin,
    instance: 'web',
    allowTrial: true,
  });
  assert.ok(opened.ok);
  return opened.value;
};

/** Uses a permit at a server and at a point; gives the code of what the point says, or `admitted`. */
const useAt = async (running: Running, point: EnforcementPoint, id: string): Promise<string> => {
  const { file } = worked(await running.permit(id));
  const drawn = point.challenge(file);
  if (!drawn.ok) return drawn.refusal.code;
  const { permit, challenge, seen } = drawn.value;
  const envelope = sign(consumptionFor(permit, challenge, running.now()), 'deployer');
  const { receipt } = worked(await running.post<Accepted>(`/v1/permits/${permit.permit}/consume`, { envelope }));
  const { size } = await running.info();
  const path = `/v1/ledger/consistency?from=${Math.min(seen?.size ?? size, size)}&to=${Math.max(seen?.size ?? size, size)}`;
  const consistency = await running.get<ConsistencyAnswer>(path);
  const hashes = consistency.status === 200 ? consistency.body.hashes : [];
  const admitted = point.admit(file, {
    kind: 'online',
    entry: receipt.entry,
    proof: receipt.proof,
    consistency: hashes,
  });
  return admitted.ok ? 'admitted' : admitted.refusal.code;
};

test('T5 A48: two histories of one ledger: refused by the command line, by the target and by the other’s voters', async () => {
  const [left, right] = [copyOf(), copyOf()];
  const point = pointAt();
  const desks = new Desks({ url: 'http://127.0.0.1:1', pin });
  try {
    await serving(left, async (one) =>
      serving(right, async (two) => {
        for (let at = 0; at < 2; at += 1) await two.ask();
        const other = await two.ask();
        worked(await two.vote(other.request, 'linus'));
        const { size, root } = await two.info();
        await one.ask();
        const there = await one.voteBody(asked.request, 'grace', { seen: { size, root } });
        refused(await one.post(`/v1/requests/${asked.request}/votes`, there), 'seen-not-in-history');
        assert.equal(await useAt(one, point, asked.request), 'admitted');
        assert.equal(await useAt(two, point, other.request), 'proof-invalid');
        const first = await desks.run('grace', ['list'], { COUNTERSIGN_SERVER: one.url });
        assert.equal(first.code, 0, first.stderr);
        const second = await desks.run('grace', ['list'], { COUNTERSIGN_SERVER: two.url });
        assert.deepEqual([second.code, second.refusal['code']], [7, 'history-forked']);
      }),
    );
  } finally {
    desks.close();
  }
});

test('T13 C15: an older roster or policy, though it was valid once, is taken neither by the ledger nor by the target', async () => {
  await serving(copyOf(), async (running) => {
    const point = pointAt();
    const other = await running.ask();
    worked(await running.vote(other.request, 'linus'));
    const older = worked(await running.permit(other.request)).file;
    assert.ok(point.challenge(older).ok);
    const stale = await policyChange(running, policyOf(twoSeatAction()));
    const lost = await rosterChange(running, {});
    await changeRoster(running, await recordOf(running, `key/${fingerprintOf('grace-second')}`, { status: 'revoked' }));
    await changePolicy(
      running,
      policyOf(oneSeatAction(), twoSeatAction({ name: 'deploy.more', target: 'more/{service}' })),
    );
    const newer = await running.ask();
    worked(await running.vote(newer.request, 'linus'));
    assert.equal(await useAt(running, point, newer.request), 'admitted');
    const again = point.challenge(older);
    assert.equal(again.ok ? 'let in' : again.refusal.code, 'governance-stale');
    refused(await running.post('/v1/requests', proposalBody(running, 'governance.policy', stale)), 'policy-stale');
    const roster = { ...lost, set: { 'group/security': { members: [personOf('radia')] } } };
    refused(await running.post('/v1/requests', proposalBody(running, 'governance.roster', roster)), 'roster-stale');
  });
});

test('INV11 T9 A48: with database and log key in hand, nobody makes a permit that verifier or target takes', async () => {
  const data = copyOf();
  const open = await serving(data, async (running) => running.ask());
  const forged = async (forge: (insider: Insider) => void, codes: readonly string[]): Promise<void> => {
    const insider = await Insider.read(data);
    forge(insider);
    const request = insider.state.requests.get(open.request);
    assert.ok(request);
    const filled = request.votes.slice(-1).map(({ person, index }) => ({ seat: 'platform', person, index }));
    const met = { type: 'GateMet', request: open.request, revision: 1, seats: filled } as const;
    const issue = { type: 'IssuePermit', request: open.request, attachments: [] } as unknown as Command;
    if (request.status === 'pending') insider.forge(issue, [met]);
    const now = insider.state.requests.get(open.request);
    assert.ok(now);
    insider.forge(issue, [
      { type: 'PermitIssued', permit: makePermit(now, filled, insider.state.governance, insider.time) },
    ]);
    const file = insider.permitFile(open.request);
    const verdict = verifyPermit(file, { pin, allowTrial: true });
    assert.equal(verdict.result, 'FAIL');
    assert.ok(codes.includes(verdict.reasons[0]?.code ?? ''), verdict.reasons[0]?.message ?? '');
    const challenged = pointAt().challenge(file);
    assert.ok(!challenged.ok);
  };
  const vote = (insider: Insider, by: string, key: string, over: JsonObject = {}): void => {
    const request = insider.state.requests.get(open.request);
    assert.ok(request);
    const { size } = insider.state.edge;
    const statement = {
      type: 'countersign.dev/vote/v0',
      ledger: pin,
      tenant: 'main',
      by: `person:${personOf(by)}`,
      request: open.request,
      revision: 1,
      change: request.digest,
      decision: 'approve',
      seats: ['platform'],
      seen: { size, root: rootAt(insider.state, size) ?? '' },
      comment: null,
      not_after: request.change.not_after,
      ...over,
    };
    const envelope = sign(statement, key);
    const cast = { request: open.request, revision: 1, person: personOf(by), key: fingerprintOf(key) };
    insider.forge({ type: 'CastVote', envelope, seen_proof: null, attachments: [] }, [
      { type: 'ApprovalRecorded', ...cast, level: 'hardware', independent: true },
    ]);
  };
  await forged(() => {}, ['replay-differs', 'file-malformed', 'gate-pending']);
  await forged((insider) => vote(insider, 'linus', 'stranger'), ['key-unknown']);
  await forged((insider) => vote(insider, 'linus', 'ada'), ['key-of-another']);
  await forged((insider) => vote(insider, 'ada', 'ada'), ['vote-by-producer']);
  await forged((insider) => vote(insider, 'linus', 'linus', { change: permitted.change }), ['vote-wrong-change']);
  await forged((insider) => vote(insider, 'linus', 'linus', { decision: 'reject' }), ['replay-differs']);
});

test('A47 H8: a second process on one data folder is refused, and so is another log key', async () => {
  const data = copyOf();
  await serving(data, async (running) => {
    const second = await startServer({ dir: data, log: () => {} });
    assert.equal(second.ok ? 'started' : second.refusal.code, 'store-locked');
    await running.ask();
  });
  writeFileSync(join(data, 'log.key'), formatOpenSshPrivateKey(keyOf('stranger'), 'log key'), { mode: 0o600 });
  const other = await startServer({ dir: data, log: () => {} });
  assert.equal(other.ok ? 'started' : other.refusal.code, 'log-key-mismatch');
  cpSync(join(dir, 'log.key'), join(data, 'log.key'));
  chmodSync(join(data, 'log.key'), 0o644);
  const readable = await startServer({ dir: data, log: () => {} });
  assert.equal(readable.ok ? 'started' : readable.refusal.code, 'file-too-open');
});
