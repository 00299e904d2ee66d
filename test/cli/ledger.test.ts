// SPDX-License-Identifier: Apache-2.0
// A ledger without its server: checked, exported, proved; and damage is named, by the command line and by the server.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { bundleBytes, readBundle } from '../../src/ledger/tiles.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { runCli } from './run-cli.ts';
import { serveFolder, serveTrial, type ServedTrial } from './served-trial.ts';

let trial: ServedTrial;
const entries = 3;

// Genesis, a request, a vote; then the server is stopped, for what is looked at here is files.
before(async () => {
  trial = await serveTrial();
  const shown = await trial.as('ada', ['roster', 'show', '--json']);
  const records = (JSON.parse(shown.stdout) as { records: { [key: string]: { members?: readonly string[] } } }).records;
  const [ada = ''] = records['group/developers']?.members ?? [];
  const asked = await trial.as('ada', ['roster', 'propose', '--join', `platform=${ada}`, '--reason', 'x', '--json']);
  assert.equal(asked.code, 0, asked.stderr);
  const { request } = JSON.parse(asked.stdout) as { readonly request: string };
  await trial.approve('grace', request);
  assert.equal(await trial.halt(), 0);
});
after(() => trial.org.remove());

const at = (name: string): string => join(trial.org.folder, name);
const copy = (name: string): string => {
  rmSync(at(name), { recursive: true, force: true });
  cpSync(trial.dir, at(name), { recursive: true });
  return at(name);
};
const change = (folder: string, sql: string, ...values: readonly (string | number)[]): void => {
  const database = new DatabaseSync(join(folder, 'ledger', 'ledger-main.sqlite'));
  assert.equal(database.prepare(sql).run(...values).changes, 1);
  database.close();
};
// One byte in the middle of an entry, such as a digit of a number that somebody signed.
const flip = (folder: string, index: number): void =>
  change(
    folder,
    `UPDATE entries SET bytes = CAST(substr(bytes, 1, 200) || X'39' || substr(bytes, 202) AS BLOB) WHERE idx = ?`,
    index,
  );

type Report = {
  readonly sound: boolean;
  readonly entries: number;
  readonly damage: { readonly index: number; readonly what: string } | null;
};
const report = async (...args: readonly string[]): Promise<Report & { readonly code: number | null }> => {
  const { code, stdout, stderr } = await runCli(['ledger', ...args, '--json']);
  assert.notEqual(stdout, '', stderr);
  return { ...(JSON.parse(stdout) as Report), code };
};

test('L11: a sound ledger is sound, and says which one it is', async () => {
  const found = await report('fsck', '--dir', copy('sound'), '--pin', trial.pin);
  assert.deepEqual([found.code, found.sound, found.entries, found.damage], [0, true, entries, null]);
  const human = await runCli(['ledger', 'fsck', '--dir', at('sound')]);
  assert.match(human.stdout, /^sound: 3 entries and \d+ blobs in /);
  assert.ok(human.stdout.includes(trial.pin));
  assert.match(human.stderr, /checked against itself only. Give --pin/);
  const other = await report('fsck', '--dir', at('sound'), '--pin', `sha256:${'0'.repeat(64)}`);
  assert.equal(other.code, 7);
  assert.match(other.damage?.what ?? '', /not the pinned/);
  const told = await runCli(['ledger', 'fsck', at('sound'), '--pin', `sha256:${'0'.repeat(64)}`]);
  assert.match(told.stderr, /the pin is of another ledger/);
  assert.doesNotMatch(told.stderr, /Put the right files back/);
});

test('L11, INV7: one byte changed in the database, and the entry is named; the server starts in quarantine', async () => {
  for (const index of [0, 1, 2]) {
    const folder = copy('flipped');
    flip(folder, index);
    const found = await report('fsck', '--dir', folder);
    assert.deepEqual([found.code, found.sound, found.damage?.index], [7, false, index]);
  }
  const human = await runCli(['ledger', 'fsck', '--dir', at('flipped')]);
  assert.match(human.stdout, /^damaged: entry 2: its bytes are not those that were appended\n/);
  const server = await serveFolder(at('flipped'));
  try {
    assert.match(server.told(), /QUARANTINE: the ledger is damaged from entry 2 on: its bytes are not those/);
    assert.match(server.told(), /Nothing is appended: no votes, no permits. Still working: reading/);
    const doctor = await runCli(['doctor', '--server', server.url, '--pin', trial.pin], {
      env: { COUNTERSIGN_HOME: at('doctor-home') },
    });
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /BAD +ledger +damaged from entry 2 on/);
    const locked = await runCli(['ledger', 'fsck', '--dir', at('flipped')]);
    assert.equal(locked.code, 6);
    assert.match(
      locked.stderr,
      /error\[store-locked\]: .*in use by process \d+\n {2}help: stop that process, or .*--server URL/,
    );
  } finally {
    assert.equal(await server.stop(), 0);
  }
  const restored = await serveFolder(copy('flipped'));
  assert.doesNotMatch(restored.told(), /QUARANTINE/);
  assert.equal(await restored.stop(), 0);
});

test('L10, L11: a cut tail, a changed blob, a lost mark: each is told', async () => {
  const cut = copy('cut');
  change(cut, 'DELETE FROM entries WHERE idx = ?', 2);
  assert.deepEqual((await report('fsck', '--dir', cut)).damage, { index: 2, what: 'it is missing' });
  const blob = copy('blob');
  change(blob, `UPDATE blobs SET bytes = X'00' WHERE digest = (SELECT digest FROM blobs LIMIT 1)`);
  assert.match(
    (await report('fsck', '--dir', blob)).damage?.what ?? '',
    /attachment `sha256:[0-9a-f]{64}` was changed/,
  );
  const lost = copy('lost');
  rmSync(join(lost, 'mark'), { recursive: true });
  assert.match((await report('fsck', '--dir', lost)).damage?.what ?? '', /its mark is gone/);
  const doctor = await runCli(['doctor', '--dir', lost]);
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /BAD +mark +the mark .* is gone[\s\S]*--accept-loss SIZE/);
});

test('L26: an export is checked by a stranger from the pin alone, and whatever is changed in it is found', async () => {
  const out = at('export');
  const done = await runCli(['ledger', 'export', out, '--dir', copy('exported')]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(readdirSync(out).sort(), ['blob', 'checkpoint', 'log-key', 'opening', 'tile']);
  const verified = await report('verify', out, '--pin', trial.pin, '--allow-trial');
  assert.deepEqual([verified.code, verified.sound, verified.entries], [0, true, entries]);
  const same = await runCli(['verify', out, '--pin', trial.pin, '--allow-trial']);
  // C7: any reader can put an export where a script expects a permit.
  const demands = [['--audience', 'deployer'], ['--min-persons', '2'], ['--unexpired'], ['--target', 'x']];
  for (const demand of demands) {
    const permit = await runCli(['verify', out, '--pin', trial.pin, '--allow-trial', ...demand]);
    assert.deepEqual([permit.code, permit.stdout], [2, ''], permit.stderr);
    assert.match(permit.stderr, new RegExp(`is the folder of a ledger, and ${demand[0]} is asked of a permit`));
  }
  assert.equal(same.code, 0, '`verify` takes a folder as well');
  for (const verb of [['verify'], ['ledger', 'verify']]) {
    const careful = await runCli([...verb, out, '--pin', trial.pin]);
    assert.equal(careful.code, 7);
    assert.match(careful.stderr, /error\[trial-not-allowed\]/);
    assert.equal((await runCli([...verb, out])).code, 2, 'nothing is verified without a pin');
  }
  const again = await runCli(['ledger', 'export', out, '--dir', at('exported')]);
  assert.deepEqual([again.code, /is up to date: 3 entries/.test(again.stderr)], [0, true], again.stderr);
  const foreign = await runCli(['ledger', 'export', at('exported'), '--dir', copy('other')]);
  assert.match(foreign.stderr, /error\[folder-exists\]: .*holds other things than an export/);

  const bundle = join(out, 'tile/entries/000.p/3');
  const good = readFileSync(bundle);
  const read = readBundle({ level: 'entries', index: 0, width: 3 }, good);
  assert.ok(read.ok);
  const [one, two, three] = read.value as [Uint8Array, Uint8Array, Uint8Array];
  const vote = Buffer.from(
    Buffer.from(three)
      .toString('utf8')
      .replace(/\\"decision/, '\\"decisiom'),
  );
  assert.ok(!vote.equals(three));
  const tampered: readonly (readonly [what: string, entries: readonly Uint8Array[]])[] = [
    ['a byte', [one, two, vote]],
    ['an entry less', [one, two]],
    ['two entries swapped', [one, three, two]],
    ['an entry twice', [one, two, three, three]],
    ['nothing', []],
  ];
  for (const [what, changed] of tampered) {
    writeFileSync(bundle, bundleBytes(changed));
    assert.equal((await report('verify', out, '--pin', trial.pin, '--allow-trial')).code, 7, what);
  }
  writeFileSync(bundle, good);
  const note = readFileSync(join(out, 'checkpoint'), 'utf8');
  rmSync(join(out, 'checkpoint'));
  const unsigned = await report('verify', out, '--pin', trial.pin, '--allow-trial');
  assert.match(unsigned.damage?.what ?? '', /under no checkpoint that the log key signed/);
  writeFileSync(join(out, 'checkpoint'), note.replace('\n3\n', '\n2\n'));
  assert.equal((await report('verify', out, '--pin', trial.pin, '--allow-trial')).code, 7);
  const stranger = await runCli(['ledger', 'export', out, '--dir', at('exported')]);
  assert.match(stranger.stderr, /error\[note-/, 'an export is not continued under a checkpoint that nobody signed');
});

test('INV4: a damaged ledger is exported as far as it can be read, which is said, and into a new folder only', async () => {
  const hurt = copy('hurt');
  flip(hurt, 1);
  const out = at('salvaged');
  const done = await runCli(['ledger', 'export', out, '--dir', hurt]);
  assert.equal(done.code, 7, done.stderr);
  assert.match(done.stderr, /the ledger is damaged: entry 1: it is missing, or not what the signed tree says/);
  assert.match(done.stderr, /3 of 3 entries, \d+ blobs. It is no backup/);
  const found = await report('verify', out, '--pin', trial.pin, '--allow-trial');
  assert.deepEqual([found.code, found.damage?.index], [7, 1]);
  const whole = at('whole');
  assert.equal((await runCli(['ledger', 'export', whole, '--dir', copy('before')])).code, 0);
  const kept = await runCli(['ledger', 'export', whole, '--dir', hurt]);
  assert.match(kept.stderr, /is up to date: 3 entries/, 'what was copied before is whole, and stays so');
  assert.equal((await report('verify', whole, '--pin', trial.pin, '--allow-trial')).code, 0);
  writeFileSync(join(whole, 'checkpoint'), 'x');
  const full = await runCli(['ledger', 'export', whole, '--dir', hurt]);
  assert.equal(full.code, 7);
  assert.doesNotMatch(full.stderr, /It is no backup/);
  const gone = copy('gone');
  change(gone, 'DELETE FROM entries WHERE idx = ?', 1);
  const gaps = await runCli(['ledger', 'export', at('gaps'), '--dir', gone, '--json']);
  const said = JSON.parse(gaps.stdout) as { readonly sound: boolean; readonly entries: number; readonly size: number };
  assert.deepEqual([gaps.code, said.sound, said.entries, said.size], [7, false, 2, 3]);
  const missing = await report('verify', at('gaps'), '--pin', trial.pin, '--allow-trial');
  assert.deepEqual([missing.code, missing.damage?.index], [7, 1]);
});

test('L3: the proof of an entry holds for that entry, and there is none beyond the end', async () => {
  const folder = copy('proved');
  await runCli(['ledger', 'export', at('for-proof'), '--dir', folder]);
  const verifier = parseVerifierKey(readFileSync(join(at('for-proof'), 'log-key'), 'utf8').trim());
  assert.ok(verifier.ok);
  const bundle = readBundle(
    { level: 'entries', index: 0, width: 3 },
    readFileSync(join(at('for-proof'), 'tile/entries/000.p/3')),
  );
  assert.ok(bundle.ok);
  for (const from of [folder, at('for-proof')]) {
    const proof = await runCli(['ledger', 'proof', '1', '--dir', from]);
    assert.equal(proof.code, 0, proof.stderr);
    assert.equal(verifyTlogProof(proof.stdout, leafHash(bundle.value[1] ?? ''), verifier.value).ok, true);
    assert.equal(verifyTlogProof(proof.stdout, leafHash(bundle.value[2] ?? ''), verifier.value).ok, false);
    const beyond = await runCli(['ledger', 'proof', '3', '--dir', from]);
    assert.equal(beyond.code, 5);
    assert.match(beyond.stderr, /error\[entry-unknown\]: there is no signed entry 3; the checkpoint is at size 3/);
  }
});

test('tokens are shown once, listed without themselves, and revoked at once', async () => {
  const folder = copy('tokens');
  const create = (...more: readonly string[]) =>
    runCli(['token', 'create', '--dir', folder, '--name', 'pipeline', ...more]);
  const made = await create('--expires', '12h', '--json');
  assert.equal(made.code, 0, made.stderr);
  const { token, id } = JSON.parse(made.stdout) as { readonly token: string; readonly id: string };
  assert.match(token, /^cst_/);
  assert.ok(!readFileSync(join(folder, 'tokens.json'), 'utf8').includes(token), 'only its hash is kept');
  const list = async () => (await runCli(['token', 'list', '--dir', folder])).stdout;
  assert.match(await list(), new RegExp(`^${id} {2}read {2}until .*pipeline\n$`));
  assert.match((await runCli(['doctor', '--dir', folder])).stdout, /look +tokens +token tok_\w+ for pipeline ends at/);
  const file = at('kept.token');
  assert.equal((await create('--out', file)).stdout.trim(), file, 'with --out it is never on a screen');
  const server = await serveFolder(folder);
  const read = async () =>
    (await fetch(`${server.url}/v1/roster`, { headers: { authorization: `Bearer ${token}` } })).status;
  try {
    assert.equal(await read(), 200);
    assert.equal((await runCli(['token', 'revoke', id, '--dir', folder])).code, 0);
    await new Promise((done) => setTimeout(done, 1100));
    assert.equal(await read(), 401);
  } finally {
    await server.stop();
  }
  assert.equal((await runCli(['token', 'revoke', id, '--dir', folder])).code, 5);
  for (const wrong of [
    ['--expires', '10y'],
    ['--expires', '400d'],
    ['--scope', 'write'],
    ['--expires', '0h'],
  ])
    assert.equal((await create(...wrong)).code, 2, wrong.join(' '));
  const nowhere = await runCli(['token', 'list', '--dir', at('nowhere')]);
  assert.match(nowhere.stderr, /error\[ledger-missing\]/);
});
