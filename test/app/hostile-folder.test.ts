// SPDX-License-Identifier: Apache-2.0
// SPEC L26: a ledger folder comes from somebody else, and so does what kind of thing lies in it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTiles } from '../../src/app/check-tiles.ts';
import { fsck } from '../../src/app/fsck.ts';
import { tileStore } from '../../src/app/tile-store.ts';
import { formatVerifierKey } from '../../src/crypto/signed-note.ts';
import { StoreFailure } from '../../src/ledger/store.ts';
import { logKey, tally, temporaryFolder } from '../ledger/tally.ts';
import { copyOf, folderPlace, tallyOf } from './ledger-folder.ts';

const key = formatVerifierKey(logKey);

// A mirror's keeper, or whoever packed the archive, says what lies there: no disk has the end of some of it.
test('a folder of pipes, devices and folders in the place of files is damaged, and is not read for ever', async (t) => {
  const at = (name: string): string => join(top, name);
  const top = temporaryFolder(t);
  const good = at('good');
  const source = await tallyOf(3);
  assert.ok((await copyOf(source, folderPlace(good))).ok);
  for (const path of ['checkpoint', 'tile/entries/000.p/3', 'tile/0/000.p/3', 'log-key', 'blob/'.padEnd(69, 'a')])
    for (const [what, make] of [
      ['a pipe', (file: string) => execFileSync('mkfifo', [file])],
      ['a device', (file: string) => symlinkSync('/dev/zero', file)],
      ['a folder', (file: string) => mkdirSync(file)],
    ] as const) {
      const bad = at('bad');
      rmSync(bad, { recursive: true, force: true });
      cpSync(good, bad, { recursive: true });
      mkdirSync(join(bad, 'blob'), { recursive: true });
      rmSync(join(bad, path), { force: true });
      make(join(bad, path));
      await assert.rejects(folderPlace(bad).get(path), /it is no regular file/, `${what} at ${path}`);
      if (what === 'a folder' && (path === 'log-key' || path.startsWith('blob'))) continue;
      const [report, files] = [
        await fsck(tileStore(folderPlace(bad)), 'main', tally, logKey),
        await checkTiles(folderPlace(bad), key),
      ];
      const named = report.ok ? report.value.damage?.what : report.refusal.message;
      assert.match(`${named} ${files?.what}`, /it is no regular file/, `${what} at ${path}`);
    }
});

test('what is written into somebody’s folder does not follow their links to another place', async (t) => {
  const top = temporaryFolder(t);
  const source = await tallyOf(300);
  for (const link of ['tile', 'tile/entries', 'tile/0', 'blob', '.new']) {
    const [folder, victim] = [join(top, 'copy'), join(top, 'victim')];
    for (const one of [folder, victim]) rmSync(one, { recursive: true, force: true });
    mkdirSync(join(folder, 'tile'), { recursive: true });
    mkdirSync(victim);
    rmSync(join(folder, link), { recursive: true, force: true });
    symlinkSync(victim, join(folder, link));
    const place = folderPlace(folder);
    const put = copyOf(source, place).then(() => place.put('blob/x', Buffer.from('x')));
    await assert.rejects(put, (error) => error instanceof StoreFailure && /is a link/.test(error.message), link);
    assert.deepEqual(readdirSync(victim), [], link);
  }
  // The folder itself may lie behind one: that is its owner's own word.
  mkdirSync(join(top, 'real'));
  symlinkSync(join(top, 'real'), join(top, 'alias'));
  assert.ok((await copyOf(source, folderPlace(join(top, 'alias')))).ok);
  assert.equal(await checkTiles(folderPlace(join(top, 'real')), key), undefined);
});

test('servers that keep one folder, each process 1 of its own container, do not write into each other’s files', async (t) => {
  const folder = join(temporaryFolder(t), 'mirror');
  const [one, other] = [folderPlace(folder), folderPlace(folder)];
  for (let at = 0; at < 50; at += 1) {
    await Promise.all([one.put(`tile/0/${at}`, Buffer.alloc(9000, 1)), other.put(`blob/${at}`, Buffer.alloc(9000, 2))]);
    assert.deepEqual(
      [await one.get(`tile/0/${at}`), await one.get(`blob/${at}`)],
      [Buffer.alloc(9000, 1), Buffer.alloc(9000, 2)],
    );
  }
});
