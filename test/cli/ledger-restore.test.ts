// SPDX-License-Identifier: Apache-2.0
// SPEC L28: a ledger out of a copy, a missing end put back, and an old copy that cannot pass for the newest.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { serveFolder, startRunning, type Running } from '../server/running.ts';
import { Desks } from './desk.ts';
import { runCli } from './run-cli.ts';

let running: Running;
let desks: Desks;
/** Data folders at three moments, and copies of the second and the third. */
const at = (name: string): string => join(desks.folder, name);
const take = (name: string): void => cpSync(running.dir, at(name), { recursive: true });
const again = async (): Promise<void> => {
  running = await serveFolder(running.dir, running.token, running.pin);
};

before(async () => {
  running = await startRunning();
  desks = new Desks(running);
  for (let one = 0; one < 140; one += 1) await running.ask();
  await running.server.stop();
  take('early');
  await again();
  for (let one = 0; one < 140; one += 1) await running.ask();
  await running.permitted();
  await running.server.stop();
  take('middle');
  await again();
  for (let one = 0; one < 5; one += 1) await running.ask();
  await running.server.stop();
  take('late');
  for (const name of ['middle', 'late']) {
    const done = await runCli(['ledger', 'export', at(`${name}-copy`), '--dir', at(name)]);
    assert.equal(done.code, 0, done.stderr);
  }
});
after(async () => {
  await running.close();
  desks.close();
});

type Told = {
  readonly code: number | null;
  readonly stderr: string;
  readonly entries: number;
  readonly missing: number;
  readonly restored: number;
  readonly standings: readonly { readonly what: string; readonly says: string; readonly size: number | null }[];
};
const tell = async (args: readonly string[], home = 'operator'): Promise<Told> => {
  const { code, stdout, stderr } = await runCli(['ledger', ...args, '--json'], {
    env: { COUNTERSIGN_HOME: desks.home(home) },
  });
  return { ...(stdout === '' ? {} : (JSON.parse(stdout) as object)), code, stderr } as Told;
};
const sizeOf = (name: string): number => Number(readFileSync(join(at(name), 'checkpoint'), 'utf8').split('\n')[1]);
const importing = (copy: string, dir: string, ...more: readonly string[]): Promise<Told> =>
  tell(['import', at(copy), at(dir), '--pin', running.pin, '--allow-trial', ...more]);
const serving = async <T>(dir: string, work: (one: Running) => Promise<T>): Promise<T> => {
  const one = await serveFolder(at(dir), running.token, running.pin);
  try {
    return await work(one);
  } finally {
    await one.server.stop();
  }
};
const isSound = async (dir: string): Promise<void> => {
  const found = await runCli(['ledger', 'fsck', '--dir', at(dir), '--pin', running.pin]);
  assert.equal(found.code, 0, found.stdout + found.stderr);
};

test('L28: an export becomes a data folder, replayed from the pin, and its server goes on', async () => {
  const made = await importing('late-copy', 'new', '--log-key', join(at('late'), 'log.key'));
  assert.deepEqual([made.code, made.missing, made.entries], [0, 0, sizeOf('late-copy')], made.stderr);
  assert.equal(statSync(join(at('new'), 'log.key')).mode & 0o777, 0o600);
  await isSound('new');
  await serving('new', async (one) => {
    assert.equal((await one.get('/readyz')).status, 200);
    assert.equal((await one.get<{ size: number }>('/v1/ledger')).body.size, sizeOf('late-copy'));
    cpSync(join(at('late'), 'tokens.json'), join(at('new'), 'tokens.json'));
    await one.ask();
    assert.equal((await one.get<{ size: number }>('/v1/ledger')).body.size, sizeOf('late-copy') + 1);
  });
  const over = await importing('late-copy', 'new');
  assert.deepEqual([over.code, /"code":"folder-exists"/.test(over.stderr)], [5, true], over.stderr);
});

test('L28: without the log key, with another, or over a changed copy: said plainly, and nothing half made', async () => {
  const human = await runCli(
    ['ledger', 'import', at('middle-copy'), at('keyless'), '--pin', running.pin, '--allow-trial'],
    {
      env: { COUNTERSIGN_HOME: desks.home('operator') },
    },
  );
  assert.equal(human.code, 0, human.stderr);
  assert.match(human.stdout, /^imported: \d+ entries in .*, replayed from the pin\n/);
  assert.match(
    human.stderr,
    /The log key is in no copy: put it at .*log\.key, mode 0600, or name its agent in .*countersign\.yaml, before you serve it/,
  );
  const refused = await runCli(['serve', '--dir', at('keyless'), '--listen', '127.0.0.1:0']);
  assert.match(refused.stderr, /the log key .* cannot be read/);
  const otherKey = await importing('middle-copy', 'other-key', '--log-key', desks.key('grace'));
  assert.match(otherKey.stderr, /"code":"log-key-mismatch"/);
  assert.ok(!existsSync(at('other-key')));
  cpSync(at('middle-copy'), at('changed-copy'), { recursive: true });
  const bundle = join(at('changed-copy'), 'tile/entries/000');
  writeFileSync(bundle, readFileSync(bundle).toString('latin1').replace('p_ada0', 'p_bob0'), 'latin1');
  const changed = await importing('changed-copy', 'from-changed');
  assert.match(changed.stderr, /"code":"ledger-damaged".*entry \d+: /);
  const otherPin = await tell(['import', at('middle-copy'), at('p'), '--pin', `sha256:${'1'.repeat(64)}`]);
  assert.deepEqual([otherPin.code, /pin-mismatch/.test(otherPin.stderr)], [7, true]);
  const noPin = await tell(['import', at('middle-copy'), at('p')]);
  assert.equal(noPin.code, 2);
  const trial = await tell(['import', at('middle-copy'), at('p'), '--pin', running.pin]);
  assert.match(trial.stderr, /trial-not-allowed/);
  const folder = await tell(['import', at('middle'), at('p'), '--pin', running.pin, '--allow-trial']);
  assert.match(folder.stderr, /is the data folder of a server/);
  assert.ok(!existsSync(at('p')) && !existsSync(at('from-changed')));
});

test('L28: a copy that is older than what people remember makes a ledger that waits for the rest, and gets it', async () => {
  const late = join(at('late-copy'), 'checkpoint');
  const missing = sizeOf('late-copy') - sizeOf('middle-copy');
  const made = await importing('middle-copy', 'waits', '--remembered', late, '--log-key', join(at('late'), 'log.key'));
  assert.deepEqual([made.code, made.missing, made.standings[0]?.says], [7, missing, 'behind'], made.stderr);
  await serving('waits', async (one) => {
    assert.equal((await one.get('/readyz')).status, 503);
    const info = await one.get<{ quarantine: { what: string } }>('/v1/ledger');
    assert.match(info.body.quarantine.what, /it ends before its mark/);
  });
  const back = await tell(['restore', '--dir', at('waits'), '--from', at('late-copy'), '--remembered', late]);
  assert.deepEqual([back.code, back.restored, back.missing], [0, missing, 0], back.stderr);
  await isSound('waits');
  await serving('waits', async (one) => assert.equal((await one.get('/readyz')).status, 200));
});

test('L28, T4: an old copy is caught by its mark, by receipts and by own memory, and whole again out of a copy', async () => {
  cpSync(at('early'), at('old'), { recursive: true });
  const alone = await tell(['restore', '--dir', at('old')]);
  assert.deepEqual(
    [alone.code, alone.missing],
    [0, 0],
    'mark and ledger put back together: nothing here remembers more',
  );
  await runCli(['ledger', 'proof', '3', '--dir', at('late'), '--out', at('receipt')]);
  const seen = await tell(['restore', '--dir', at('old'), '--remembered', at('receipt'), at('receipt')]);
  assert.deepEqual([seen.code, seen.standings.map(({ says }) => says)], [7, ['held', 'behind', 'behind']], seen.stderr);
  assert.equal(seen.missing, sizeOf('late-copy') - seen.entries);
  cpSync(join(at('late'), 'mark'), join(at('old'), 'mark'), { recursive: true });
  const human = await runCli(['ledger', 'restore', '--dir', at('old')]);
  assert.equal(human.code, 7);
  assert.match(human.stdout, /^incomplete: \d+ entries in .*\n {2}the mark {2}size \d+: \d+ entries are missing\n/);
  const some = await tell(['restore', '--dir', at('old'), '--from', at('middle-copy')]);
  assert.deepEqual([some.code, some.missing], [7, sizeOf('late-copy') - sizeOf('middle-copy')], some.stderr);
  const rest = await tell(['restore', '--dir', at('old'), '--from', at('late-copy')]);
  assert.deepEqual([rest.code, rest.missing, rest.restored], [0, 0, some.missing], rest.stderr);
  await isSound('old');
  await serving('old', async (one) => assert.equal((await one.get('/readyz')).status, 200));
});

test('L28, T5: another history is never joined to a ledger, and what is unsigned counts for nothing', async () => {
  cpSync(at('early'), at('forked'), { recursive: true });
  await serving('forked', async (one) => void (await one.ask()));
  const size = (await tell(['restore', '--dir', at('forked')])).entries;
  const joined = await tell(['restore', '--dir', at('forked'), '--from', at('late-copy')]);
  assert.deepEqual([joined.code, /"code":"history-forked"/.test(joined.stderr)], [7, true], joined.stderr);
  assert.equal((await tell(['restore', '--dir', at('forked')])).entries, size, 'nothing was written');
  const note = readFileSync(join(at('late-copy'), 'checkpoint'), 'utf8');
  const files = [desks.write('unsigned', note.replace(/\n(\d+)\n/, '\n9$1\n')), desks.write('nonsense', 'x')];
  const unsigned = await tell(['restore', '--dir', at('late'), '--remembered', files[0] ?? '']);
  assert.deepEqual([unsigned.code, unsigned.standings.at(-1)?.says], [0, 'unsigned']);
  assert.equal((await tell(['restore', '--dir', at('late'), '--remembered', files[1] ?? ''])).code, 2);
  const database = new DatabaseSync(join(at('forked'), 'ledger', 'ledger-main.sqlite'));
  database.exec('DELETE FROM entries WHERE idx = 7');
  database.close();
  const hole = await tell(['restore', '--dir', at('forked'), '--from', at('late-copy')]);
  assert.match(hole.stderr, /entry 7: it is missing.*only a missing end can be put back/);
  rmSync(join(at('forked'), 'ledger'), { recursive: true });
});

// Entries that the rules allow and nobody signed: an insider's withdrawal in the place of an approval, say.
test('L28: out of another data folder, too, only entries that a signed checkpoint holds are put back', async () => {
  for (const name of ['into', 'unsigned']) rmSync(at(name), { recursive: true, force: true });
  cpSync(at('early'), at('into'), { recursive: true });
  cpSync(at('late'), at('unsigned'), { recursive: true });
  rmSync(join(at('unsigned'), 'mark'), { recursive: true });
  const signed = openSqliteStore(join(at('early'), 'ledger'));
  assert.ok(signed.ok);
  const [note, { size }] = [await signed.value.checkpoint('main'), await signed.value.head('main')];
  await signed.value.close();
  const store = openSqliteStore(join(at('unsigned'), 'ledger'));
  assert.ok(store.ok && note !== undefined);
  await store.value.putCheckpoint('main', note);
  await store.value.close();
  const before = readFileSync(join(at('into'), 'mark', 'main.json'));
  const refused = await tell(['restore', '--dir', at('into'), '--from', at('unsigned')]);
  assert.equal(refused.code, 6, refused.stderr);
  assert.match(refused.stderr, /what follows stand under no checkpoint that the log key signed/);
  assert.ok(readFileSync(join(at('into'), 'mark', 'main.json')).equals(before));
  assert.equal((await tell(['restore', '--dir', at('into')])).entries, size);
});
