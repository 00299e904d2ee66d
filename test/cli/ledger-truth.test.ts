// SPDX-License-Identifier: Apache-2.0
// fsck, replay and verify mean three things, on a running server, on its stopped folder and on exported files.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { cosigner, formatCosignerKey, cosign } from '../../src/crypto/cosignature.ts';
import { parseOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { runCli, type Ran } from './run-cli.ts';
import { serveFolder, serveTrial, type ServedTrial } from './served-trial.ts';

let trial: ServedTrial;
/** A checkpoint of size 2, before the vote. */
let early = '';

before(async () => {
  trial = await serveTrial();
  const shown = await trial.as('ada', ['roster', 'show', '--json']);
  const records = (JSON.parse(shown.stdout) as { records: { [key: string]: { members?: readonly string[] } } }).records;
  const [ada = ''] = records['group/developers']?.members ?? [];
  const asked = await trial.as('ada', ['roster', 'propose', '--join', `platform=${ada}`, '--reason', 'x', '--json']);
  assert.equal(asked.code, 0, asked.stderr);
  const { request } = JSON.parse(asked.stdout) as { readonly request: string };
  early = await (await fetch(`${trial.url}/ledger/checkpoint`)).text();
  await trial.approve('grace', request);
});
after(() => trial.org.remove());

type Report = {
  readonly check: string;
  readonly sound: boolean;
  readonly entries: number;
  readonly blobs: number;
  readonly tiles?: number;
  readonly root: string;
  readonly state?: string;
  readonly signatures?: string;
  readonly viewRows?: number;
  readonly since?: number | null;
  readonly damage: { readonly index: number; readonly what: string } | null;
};
const reportOf = ({ stdout, stderr, code }: Ran): Report & { readonly code: number | null } => {
  assert.notEqual(stdout, '', stderr);
  return { ...(JSON.parse(stdout) as Report), code };
};
const look = async (check: string, ...args: readonly string[]) =>
  reportOf(
    await runCli(['ledger', check, ...args, '--allow-trial', '--json'], { env: { COUNTERSIGN_HOME: at('home') } }),
  );
const online = async (check: string, ...args: readonly string[]) =>
  reportOf(await trial.as('grace', ['ledger', check, ...args, '--json']));
const at = (name: string): string => join(trial.org.folder, name);
const copy = (name: string): string => {
  rmSync(at(name), { recursive: true, force: true });
  cpSync(trial.dir, at(name), { recursive: true });
  return at(name);
};
const inDatabase = (
  folder: string,
  file: string,
  sql: string,
  ...values: readonly (string | number | Uint8Array)[]
) => {
  const database = new DatabaseSync(join(folder, 'ledger', file));
  assert.ok(Number(database.prepare(sql).run(...values).changes) > 0, sql);
  database.close();
};
const viewsFile = 'views-main.sqlite';

let found: Report;
test('a running server is looked at over its tiles, by a reader, in all three ways', async () => {
  const fsck = await online('fsck');
  assert.deepEqual([fsck.code, fsck.check, fsck.sound, fsck.entries], [0, 'fsck', true, 3]);
  assert.ok((fsck.tiles ?? 0) >= 1 && fsck.blobs >= 3, 'hash tiles and documents were hashed too');
  found = await online('replay');
  assert.deepEqual([found.sound, found.entries, found.signatures, found.root], [true, 3, 'checked', fsck.root]);
  const verify = await online('verify');
  assert.deepEqual([verify.code, verify.sound, verify.since], [0, true, 3]);
  const nobody = await runCli(['ledger', 'replay', '--server', trial.url, '--pin', trial.pin, '--allow-trial'], {
    env: { COUNTERSIGN_HOME: at('nobody') },
  });
  assert.equal(nobody.code, 4, 'entries are for readers');
});

test('L25: an operator has the views built again under the running server, and nothing else changes', async () => {
  const before = await (await fetch(`${trial.url}/ledger/checkpoint`)).text();
  const done = await runCli(['ledger', 'rebuild', '--dir', trial.dir, '--json']);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(JSON.parse(done.stdout), { views: ['totals'], entries: 3, online: true });
  assert.ok(!existsSync(join(trial.dir, 'rebuild.json')), 'the order is gone');
  assert.equal(await (await fetch(`${trial.url}/ledger/checkpoint`)).text(), before);
  const metrics = await trial.as('grace', ['login']);
  assert.equal(metrics.code, 0);
  assert.equal(await trial.halt(), 0);
});

test('the stopped folder and an export of it come to the same root and state', async () => {
  const folder = copy('stopped');
  assert.equal((await runCli(['ledger', 'export', at('export'), '--dir', copy('exported')])).code, 0);
  for (const where of [folder, at('export')]) {
    const fsck = await look('fsck', where, '--pin', trial.pin);
    assert.deepEqual([fsck.code, fsck.sound, fsck.root], [0, true, found.root], where);
    const replay = await look('replay', where);
    assert.deepEqual([replay.code, replay.sound, replay.state], [0, true, found.state], where);
    assert.equal((replay.viewRows ?? 0) > 0, where === folder, 'a folder has view rows, and they were compared');
    assert.equal((await look('verify', where, '--pin', trial.pin)).code, 0, where);
  }
});

test('Y12: of files, only verify says how fresh they are; elsewhere the demand is refused, wherever the folder is named', async () => {
  for (const check of ['fsck', 'replay'])
    for (const named of [[at('stopped')], ['--dir', at('stopped')], []]) {
      const asked = await runCli(['ledger', check, ...named, '--fresh', '10m'], { cwd: at('stopped') });
      assert.equal(asked.code, 2, asked.stderr);
      assert.match(asked.stderr, new RegExp(`--fresh asks when .* \`ledger ${check}\` does not look at in a folder`));
    }
});

// Whoever has database and log key: one event says more than was decided, and every hash, root and signature fits.
const rewritten = (): string => {
  const folder = copy('rewritten');
  const database = new DatabaseSync(join(folder, 'ledger', 'ledger-main.sqlite'));
  const rows = database.prepare('SELECT idx, bytes FROM entries ORDER BY idx').all() as {
    idx: number;
    bytes: Buffer;
  }[];
  const slab = new MerkleSlab();
  for (const { idx, bytes } of rows) {
    const text = Buffer.from(bytes).toString('utf8').replace('"independent":true', '"independent":false');
    slab.append(leafHash(text));
    database
      .prepare('UPDATE entries SET bytes = ?, leaf = ? WHERE idx = ?')
      .run(Buffer.from(text), Buffer.from(leafHash(text), 'hex'), idx);
  }
  const edge = slab.edge();
  const seed = parseOpenSshPrivateKey(readFileSync(join(folder, 'log.key'), 'utf8'));
  assert.ok(seed.ok);
  const { d = '' } = seed.value.signKey.export({ format: 'jwk' });
  const origin = early.split('\n')[0] ?? '';
  const checkpoint = signCheckpoint(
    { origin, size: edge.size, root: rootOf(edge) },
    noteSigner(origin, Buffer.from(d, 'base64url')),
  );
  database.prepare('UPDATE head SET root = ?, edge = ?').run(rootOf(edge), JSON.stringify(edge.hashes));
  database.prepare('INSERT OR REPLACE INTO checkpoint VALUES (1, ?)').run(checkpoint);
  database.close();
  const mark = canonicalize({ checkpoint, root: rootOf(edge), size: edge.size });
  writeFileSync(join(folder, 'mark', 'main.json'), mark);
  return folder;
};

test('INV12: an entry that nobody decided has sound hashes, and a replay names it', async () => {
  const folder = rewritten();
  assert.equal((await look('fsck', folder)).code, 0, 'fsck knows no rules');
  for (const args of [
    ['replay', folder],
    ['replay', folder, '--no-signatures'],
    ['verify', folder, '--pin', trial.pin],
  ]) {
    const [check = '', ...rest] = args;
    const report = await look(check, ...rest);
    assert.deepEqual([report.code, report.damage?.index], [7, 2], args.join(' '));
    assert.match(report.damage?.what ?? '', /the rules give other events/);
  }
});

test('a statement that nobody signed: a replay finds it, and --no-signatures says that it does not look', async () => {
  const folder = copy('unsigned');
  const database = new DatabaseSync(join(folder, 'ledger', 'ledger-main.sqlite'));
  const { bytes } = database.prepare('SELECT bytes FROM entries WHERE idx = 2').get() as { bytes: Buffer };
  const entry = JSON.parse(Buffer.from(bytes).toString('utf8')) as { command: { envelope: { signature: string } } };
  const { signature } = entry.command.envelope;
  const raw = Buffer.from(signature, 'base64');
  raw.writeUInt8(raw.readUInt8(raw.length - 1) ^ 1, raw.length - 1);
  const text = Buffer.from(bytes).toString('utf8').replace(signature, raw.toString('base64'));
  database
    .prepare('UPDATE entries SET bytes = ?, leaf = ? WHERE idx = 2')
    .run(Buffer.from(text), Buffer.from(leafHash(text), 'hex'));
  database.close();
  const checked = await look('replay', folder);
  assert.deepEqual([checked.code, checked.damage?.index], [7, 2]);
  assert.match(checked.damage?.what ?? '', /signature/);
  const ran = await runCli(['ledger', 'replay', folder, '--no-signatures', '--json']);
  const unchecked = reportOf(ran);
  assert.equal(unchecked.signatures, 'not-checked');
  assert.match(ran.stderr, /is NOT checked/);
  // The head does not fit any more; the rules alone find nothing.
  assert.match(unchecked.damage?.what ?? '', /the head does not belong to the entries/);
  const told = await runCli(['ledger', 'replay', copy('told'), '--no-signatures']);
  assert.match(told.stdout, /signatures +not those of the entries' own statements/);
});

test('L25: a view row that does not follow from the entries is named; rebuild mends it and sends nothing', async () => {
  const folder = copy('views');
  inDatabase(folder, viewsFile, `UPDATE rows SET value = '7' WHERE key = 'event.GenesisAccepted'`);
  inDatabase(folder, viewsFile, `INSERT INTO cursors VALUES ('notices', 2)`);
  const wrong = await look('replay', folder);
  assert.deepEqual([wrong.code, wrong.sound], [7, false]);
  assert.match(wrong.damage?.what ?? '', /row `event.GenesisAccepted` of view `totals` says 7, the entries give 1/);
  assert.equal((await look('fsck', folder)).code, 0);
  const done = await runCli(['ledger', 'rebuild', '--dir', folder, '--json']);
  assert.deepEqual([done.code, (JSON.parse(done.stdout) as { online: boolean }).online], [0, false], done.stderr);
  assert.equal((await look('replay', folder)).code, 0);
  const database = new DatabaseSync(join(folder, 'ledger', viewsFile));
  assert.equal(database.prepare(`SELECT next FROM cursors WHERE follower = 'notices'`).get()?.['next'], 2);
  database.close();
  // Rows of another version are built again by the next server, by itself.
  inDatabase(folder, viewsFile, `UPDATE rows SET value = '{"generation":2,"version":0}' WHERE view = 'views'`);
  const server = await serveFolder(folder);
  assert.equal(await server.stop(), 0);
  const after = await look('replay', folder);
  assert.ok(after.sound && (after.viewRows ?? 0) > 0);
});

test('W1, L14: verify goes on from a checkpoint one kept, and asks for the cosignatures one names', async () => {
  const folder = copy('since');
  const note = at('early.note');
  writeFileSync(note, early);
  const args = [folder, '--pin', trial.pin];
  const since = await look('verify', ...args, '--since', note);
  assert.deepEqual([since.code, since.since], [0, 2]);
  // A checkpoint of another history, signed by the same key, is a proof against whoever signed both.
  const seed = parseOpenSshPrivateKey(readFileSync(join(folder, 'log.key'), 'utf8'));
  assert.ok(seed.ok);
  const origin = early.split('\n')[0] ?? '';
  const { d = '' } = seed.value.signKey.export({ format: 'jwk' });
  const signer = noteSigner(origin, Buffer.from(d, 'base64url'));
  for (const [size, pattern] of [
    [2, /another history than the checkpoint of --since/],
    [9, /it ends before the checkpoint of --since, which is at size 9/],
  ] as const) {
    writeFileSync(note, signCheckpoint({ origin, size, root: 'ab'.repeat(32) }, signer));
    const forked = await look('verify', ...args, '--since', note);
    assert.equal(forked.code, 7);
    assert.match(forked.damage?.what ?? '', pattern);
  }
  const stranger = await runCli(['ledger', 'verify', ...args, '--allow-trial', '--since', join(folder, 'log.key')]);
  assert.notEqual(stranger.code, 0);
  const witness = cosigner('witness.example', createHash('sha256').update('witness').digest());
  const named = ['--witness', formatCosignerKey(witness)];
  const alone = await look('verify', ...args, ...named);
  assert.deepEqual([alone.code, alone.damage?.index], [7, 3]);
  assert.match(alone.damage?.what ?? '', /`witness.example` has not cosigned it/);
  const told = await runCli(['ledger', 'verify', ...args, '--allow-trial', ...named]);
  assert.match(told.stderr, /The entries are as they should be[\s\S]*ask the witness/);
  const database = new DatabaseSync(join(folder, 'ledger', 'ledger-main.sqlite'));
  const kept = (database.prepare('SELECT note FROM checkpoint').get() as { note: string }).note;
  const [text = ''] = kept.split('\n\n');
  const cosigned = kept + cosign(`${text}\n`, witness, 1_795_000_000);
  database.prepare('UPDATE checkpoint SET note = ?').run(cosigned);
  database.close();
  rmSync(join(folder, 'mark'), { recursive: true });
  const marked = await look('verify', ...args, ...named);
  assert.match(marked.damage?.what ?? '', /its mark is gone/);
  assert.equal((await runCli(['ledger', 'export', at('cosigned'), '--dir', folder])).code, 0);
  const good = await look('verify', at('cosigned'), '--pin', trial.pin, ...named);
  assert.equal(good.code, 0, good.damage?.what ?? '');
});

// A server between us and the real one, which changes one answer.
const between = async (change: (path: string, body: Buffer) => Buffer): Promise<{ server: Server; url: string }> => {
  const server = createServer((request, response) => {
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) =>
        typeof value === 'string' && !['host', 'connection', 'accept-encoding', 'content-length'].includes(name)
          ? [[name, value]]
          : [],
      ),
    );
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await fetch(`${behind}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers,
        ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      });
      const body = change(request.url ?? '', Buffer.from(await answer.arrayBuffer()));
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
      response.end(body);
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};
let behind = '';

test('L13: a server that serves an entry, a tile or a document that is not the one it signed is found out', async () => {
  const folder = copy('served');
  const token = at('served.token');
  const minted = await runCli(['token', 'create', '--dir', folder, '--name', 'reader', '--out', token]);
  assert.equal(minted.code, 0, minted.stderr);
  const server = await serveFolder(folder);
  behind = server.url;
  try {
    for (const [path, pattern] of [
      [/\/tile\/entries\//, /its bytes are not those that were appended/],
      [/\/tile\/0\//, /its bytes are not those|is malformed/],
      [/\/v1\/ledger\/blobs\//, /its attachment `sha256:[0-9a-f]+` was changed/],
    ] as const) {
      const proxy = await between((asked, body) => {
        if (!path.test(asked)) return body;
        const changed = Buffer.from(body);
        changed.writeUInt8(changed.readUInt8(40) ^ 1, 40);
        return changed;
      });
      const shared = ['--server', proxy.url, '--pin', trial.pin, '--token-file', token, '--allow-trial', '--json'];
      for (const check of ['fsck', 'replay', 'verify']) {
        const ran = await runCli(['ledger', check, ...shared], { env: { COUNTERSIGN_HOME: at('proxied') } });
        const report = reportOf(ran);
        assert.equal(report.code, 7, `${check} ${String(path)}`);
        assert.match(report.damage?.what ?? '', pattern, check);
      }
      proxy.server.close();
    }
  } finally {
    assert.equal(await server.stop(), 0);
  }
});
