// SPDX-License-Identifier: Apache-2.0
// SPEC L26, L27: ledger folders are written, continued and looked at; whatever is wrong in one is named.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkTiles } from '../../src/app/check-tiles.ts';
import { fsck } from '../../src/app/fsck.ts';
import { salvageTiles } from '../../src/app/salvage-tiles.ts';
import type { TilePlace } from '../../src/app/tile-place.ts';
import { readTiles, tileStore } from '../../src/app/tile-store.ts';
import { formatVerifierKey, noteSigner } from '../../src/crypto/signed-note.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { rootOf } from '../../src/ledger/merkle.ts';
import { StoreFailure } from '../../src/ledger/store.ts';
import { formatTilePath, tilesOf } from '../../src/ledger/tiles.ts';
import { logKey, signer, tally, temporaryFolder } from '../ledger/tally.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { addTo, attach, copyOf, evidence, folderPlace, readAt, tallyOf, writeAt } from './ledger-folder.ts';

const key = formatVerifierKey(logKey);
const lookAt = async (folder: string) => {
  const place = folderPlace(folder);
  const report = await fsck(tileStore(place), 'main', tally, logKey);
  assert.ok(report.ok, report.ok ? '' : report.refusal.message);
  return { report: report.value, files: await checkTiles(place, key) };
};
const isSound = async (folder: string, entries: number): Promise<void> => {
  const { report, files } = await lookAt(folder);
  assert.deepEqual([report.damage, report.entries, report.signedSize, files], [null, entries, entries, undefined]);
};

test('L26: a copy holds the paths of tlog-tiles and its documents, for its owner alone, and reads like the ledger', async (t) => {
  const folder = join(temporaryFolder(t), 'copy');
  const source = await tallyOf(300);
  const digest = await attach(source, 'a document');
  assert.ok((await copyOf(source, folderPlace(folder))).ok);
  const expected = [
    `blob/${digest.slice(7)}`,
    'checkpoint',
    'log-key',
    ...[...tilesOf(301)].map((tile) => `tile/${formatTilePath(tile)}`),
  ];
  assert.deepEqual(await folderPlace(folder).list(''), expected.sort());
  for (const path of ['checkpoint', 'tile/entries/000', `blob/${digest.slice(7)}`])
    assert.equal(statSync(join(folder, path)).mode & 0o777, 0o600, path);
  assert.equal(statSync(join(folder, 'tile')).mode & 0o777, 0o700);
  const [read, own] = [tileStore(folderPlace(folder)), source.store];
  assert.deepEqual(await read.head('main'), await own.head('main'));
  for (const [from, to] of [
    [0, 301],
    [250, 260],
    [256, 301],
    [300, 400],
    [400, 500],
  ] as const) {
    const [a, b] = [await read.entries('main', from, to), await own.entries('main', from, to)];
    assert.deepEqual(
      a.map((one) => [one.index, one.leafHash, Buffer.from(one.bytes).toString()]),
      b.map((one) => [one.index, one.leafHash, Buffer.from(one.bytes).toString()]),
    );
    if (to <= 301) assert.deepEqual(await read.leafHashes('main', from, to), await own.leafHashes('main', from, to));
  }
  assert.equal(Buffer.from((await read.blob('main', digest)) ?? '').toString(), 'a document');
  assert.deepEqual(
    (await read.blobs('main', '', 5)).map((blob) => blob.digest),
    [digest],
  );
  await assert.rejects(read.putCheckpoint('main', 'x'), StoreFailure);
  await isSound(folder, 301);
});

test('L26, L27: a copy is continued from any size to any other, and partial tiles go when the full one is there', async (t) => {
  const folder = join(temporaryFolder(t), 'copy');
  const place = folderPlace(folder);
  const source = await tallyOf(1);
  let size = 1;
  for (const more of [0, 1, 100, 153, 1, 1, 250, 5, 300]) {
    await addTo(source, more, size);
    size += more;
    const copied = await copyOf(source, place);
    assert.ok(copied.ok && copied.value.size === size, copied.ok ? '' : copied.refusal.message);
    await isSound(folder, size);
  }
  assert.equal(size, 812);
  assert.ok(!existsSync(join(folder, 'tile/entries/000.p')) && !existsSync(join(folder, 'tile/0/001.p')));
});

test('L26: a copy that is interrupted at any write shows an older checkpoint or none, and is taken up again', async (t) => {
  const folder = join(temporaryFolder(t), 'copy');
  const source = await tallyOf(200);
  assert.ok((await copyOf(source, folderPlace(folder))).ok);
  await addTo(source, 400, 200);
  await attach(source, 'late');
  for (let writes = 0; ; writes += 1) {
    const inner = folderPlace(folder);
    let left = writes;
    const dying: TilePlace = {
      ...inner,
      put: async (path, bytes) => {
        if (left === 0) throw new Error('killed');
        left -= 1;
        return inner.put(path, bytes);
      },
    };
    const done = await copyOf(source, dying).catch((error: unknown) => String(error));
    if (typeof done !== 'string') {
      assert.ok(done.ok);
      break;
    }
    const { report, files } = await lookAt(folder);
    assert.deepEqual([report.damage, report.entries], [null, 200], `${writes} writes`);
    if (writes > 0) assert.match(files?.what ?? '', /does not belong there|no entry names/);
  }
  await isSound(folder, 601);
});

test('L27: a ledger that is shorter than the copy, or another history, is refused, and both notes are kept', async (t) => {
  const folder = join(temporaryFolder(t), 'copy');
  const source = await tallyOf(300);
  const short = source.note();
  await addTo(source, 100, 300);
  assert.ok((await copyOf(source, folderPlace(folder))).ok);
  const held = readAt(folder, 'checkpoint').toString();
  const shortened = await copyOf(source, folderPlace(folder), short);
  assert.ok(!shortened.ok && shortened.refusal.code === 'history-shortened');
  assert.match(shortened.refusal.message, /100 entries are missing/);
  assert.deepEqual(evidence.at(-1), { 'copy.note': held, 'shown.note': short });
  for (const count of [400, 500]) {
    const other = await tallyOf(count, 9000);
    const forked = await copyOf(other, folderPlace(folder));
    assert.ok(!forked.ok && forked.refusal.code === 'history-forked', forked.ok ? '' : forked.refusal.message);
    assert.deepEqual(evidence.at(-1), { 'copy.note': held, 'shown.note': other.note() });
  }
  const stranger = noteSigner(signer.name, Buffer.alloc(32, 8));
  const { size, root } = await source.store.head('main');
  const unknown = await copyOf(
    source,
    folderPlace(folder),
    signCheckpoint({ origin: signer.name, size, root }, stranger),
  );
  assert.ok(!unknown.ok && unknown.refusal.code === 'note-unsigned');
  assert.equal(readAt(folder, 'checkpoint').toString(), held);
  await isSound(folder, 400);
});

test('L27: entries and documents that are not what was signed are never written', async (t) => {
  const source = await tallyOf(300);
  const digest = await attach(source, 'a document');
  const lies: readonly (readonly [what: RegExp, supply: Partial<typeof source.store>])[] = [
    [
      /entry 7: it is missing, or not what the signed tree says/,
      {
        entries: async (tenant, from, to) =>
          (await source.store.entries(tenant, from, to)).map((one) =>
            one.index === 7 ? { ...one, bytes: Buffer.from('{}') } : one,
          ),
      },
    ],
    [
      /entry 7: it is missing/,
      {
        entries: async (tenant, from, to) =>
          (await source.store.entries(tenant, from, to)).filter(({ index }) => index !== 7),
      },
    ],
    [/attachment `sha256:.*` is missing/, { blob: async () => undefined }],
    [/attachment `sha256:.*` was changed/, { blob: async () => Buffer.from('another') }],
    [
      /do not lead to the checkpoint/,
      { leafHashes: async (_, from, to) => Array.from({ length: to - from }, () => 'a'.repeat(64)) },
    ],
    [/do not lead to the checkpoint/, { leafHashes: async () => [] }],
  ];
  for (const [what, lie] of lies) {
    const folder = join(temporaryFolder(t), 'copy');
    const copied = await copyOf({ ...source, store: { ...source.store, ...lie } }, folderPlace(folder));
    assert.ok(!copied.ok && copied.refusal.code === 'ledger-damaged', String(what));
    assert.match(copied.refusal.message, what);
    assert.ok(!existsSync(join(folder, 'checkpoint')));
    assert.ok(!existsSync(join(folder, `blob/${digest.slice(7)}`)));
    assert.ok((await copyOf(source, folderPlace(folder))).ok, 'what was written before is right');
    await isSound(folder, 301);
  }
});

test('L26: damage in a ledger folder is named, by its first entry and by the file', async (t) => {
  const top = temporaryFolder(t);
  const source = await tallyOf(150);
  const digest = await attach(source, 'a document');
  const good = join(top, 'good');
  assert.ok((await copyOf(source, folderPlace(good))).ok);
  await addTo(source, 449, 151);
  assert.ok((await copyOf(source, folderPlace(good))).ok);
  await isSound(good, 600);
  const swap = (folder: string, a: string, b: string): void => {
    const [one, other] = [readAt(folder, a), readAt(folder, b)];
    writeAt(folder, a, other);
    writeAt(folder, b, one);
  };
  const flip = (folder: string, path: string, at: number): void => {
    const bytes = readAt(folder, path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeAt(folder, path, bytes);
  };
  const older = join(top, 'older');
  assert.ok((await copyOf(await tallyOf(20), folderPlace(older))).ok);
  const damages: readonly (readonly [string, number, RegExp, (folder: string) => void])[] = [
    [
      'swapped tiles',
      0,
      /it does not hash to what tile `tile\/0\/000` says/,
      (at) => swap(at, 'tile/0/000', 'tile/0/001'),
    ],
    [
      'swapped bundles',
      0,
      /it does not hash to what tile `tile\/0\/000` says/,
      (at) => swap(at, 'tile/entries/000', 'tile/entries/001'),
    ],
    ['a hash', 3, /tile\/0\/000/, (at) => flip(at, 'tile/0/000', 3 * 32)],
    [
      'a hash above',
      256,
      /tile `tile\/1\/000.p\/2` does not follow from the tiles below/,
      (at) => flip(at, 'tile/1/000.p/2', 40),
    ],
    [
      'a byte of an entry',
      2,
      /.*/,
      (at) => flip(at, 'tile/entries/000', readAt(at, 'tile/entries/000').indexOf('"amount":2') + 9),
    ],
    [
      'a bundle that is cut',
      0,
      /bundle|tile `entries\/000` is malformed/,
      (at) => writeAt(at, 'tile/entries/000', readAt(at, 'tile/entries/000').subarray(0, 5000)),
    ],
    ['a missing bundle', 256, /no bundle `tile\/entries\/001`/, (at) => rmSync(join(at, 'tile/entries/001'))],
    ['a missing tile', 0, /tile `tile\/0\/000` is missing/, (at) => rmSync(join(at, 'tile/0/000'))],
    [
      'a missing tile above',
      0,
      /tile `tile\/1\/000.p\/2` is missing/,
      (at) => rmSync(join(at, 'tile/1'), { recursive: true }),
    ],
    ['a cut tail', 512, /no bundle `tile\/entries\/002.p\/88`/, (at) => rmSync(join(at, 'tile/entries/002.p/88'))],
    ['a file more', 600, /`tile\/readme.txt` does not belong there/, (at) => writeAt(at, 'tile/readme.txt', 'x')],
    [
      'a folder more',
      600,
      /`more\/x` does not belong there/,
      (at) => (mkdirSync(join(at, 'more')), writeAt(at, 'more/x', 'x')),
    ],
    [
      'a tile beyond the checkpoint',
      600,
      /`tile\/entries\/003` does not belong there/,
      (at) => cpSync(join(at, 'tile/entries/001'), join(at, 'tile/entries/003')),
    ],
    [
      'an earlier partial tile that lies',
      2,
      /`tile\/entries\/002.p\/7` is not the beginning/,
      (at) => writeAt(at, 'tile/entries/002.p/7', readAt(at, 'tile/entries/000').subarray(0, 700)),
    ],
    [
      'a document with another digest',
      150,
      /attachment `sha256:[0-9a-f]{64}` was changed/,
      (at) => writeAt(at, `blob/${digest.slice(7)}`, 'another'),
    ],
    [
      'a missing document',
      150,
      /attachment `sha256:[0-9a-f]{64}` is missing/,
      (at) => rmSync(join(at, `blob/${digest.slice(7)}`)),
    ],
    ['a document nobody named', 600, /no entry names `blob\/x`/, (at) => writeAt(at, 'blob/x', 'x')],
    [
      'another log key',
      600,
      /`log-key` is not the key that the genesis names/,
      (at) => writeAt(at, 'log-key', `${key.replace('log', 'lag')}\n`),
    ],
    [
      'an older checkpoint',
      20,
      /behind the head|is another history|does not belong|does not hash/,
      (at) => cpSync(join(older, 'checkpoint'), join(at, 'checkpoint')),
    ],
    [
      'a checkpoint by a stranger',
      600,
      /its checkpoint does not hold/,
      (at) => {
        const stranger = noteSigner(signer.name, Buffer.alloc(32, 8));
        const note = signCheckpoint({ origin: signer.name, size: 600, root: source.sequencer.head().root }, stranger);
        writeAt(at, 'checkpoint', note);
      },
    ],
    [
      'a checkpoint of another origin',
      600,
      /its checkpoint does not hold/,
      (at) => {
        const other = noteSigner('log.example/other', Buffer.alloc(32, 7));
        writeAt(
          at,
          'checkpoint',
          signCheckpoint({ origin: other.name, size: 600, root: source.sequencer.head().root }, other),
        );
      },
    ],
    [
      'a checkpoint of more than there is',
      600,
      /it is missing/,
      (at) => {
        writeAt(
          at,
          'checkpoint',
          signCheckpoint({ origin: signer.name, size: 700, root: source.sequencer.head().root }, signer),
        );
      },
    ],
    [
      'a checkpoint that says an absurd size',
      600,
      /.*/,
      (at) => {
        writeAt(
          at,
          'checkpoint',
          signCheckpoint({ origin: signer.name, size: 2 ** 50, root: source.sequencer.head().root }, signer),
        );
      },
    ],
    [
      'a file that is huge',
      0,
      /it has \d+ bytes/,
      (at) => {
        rmSync(join(at, 'tile/entries/000'));
        symlinkSync(process.execPath, join(at, 'tile/entries/000'));
      },
    ],
  ];
  for (const [what, index, named, damage] of damages) {
    const at = join(top, 'damaged');
    rmSync(at, { recursive: true, force: true });
    cpSync(good, at, { recursive: true });
    damage(at);
    const { report, files } = await lookAt(at);
    const found = [report.damage, files].filter((one) => one !== undefined && one !== null);
    assert.ok(found.length > 0, what);
    assert.ok(
      found.some((one) => named.test(one.what)),
      `${what}: ${JSON.stringify(found)}`,
    );
    assert.ok(
      found.some((one) => one.index === index),
      `${what}: ${JSON.stringify(found)}`,
    );
  }
});

test('INV4: of a damaged ledger all that can be read is written, gaps and all, and nothing looks sound', async (t) => {
  const folder = join(temporaryFolder(t), 'salvaged');
  const source = await tallyOf(600);
  const digest = await attach(source, 'a document');
  const gone = (index: number): boolean => index === 5 || (index >= 256 && index < 512);
  const store = {
    ...source.store,
    entries: async (tenant: string, from: number, to: number) => {
      if (from <= 3 && to > 3 && to - from > 1)
        throw new StoreFailure({ code: 'store-corrupt', rule: 'L8', message: 'a page', facts: {} }, 'nothing-written');
      return (await source.store.entries(tenant, from, to)).filter(({ index }) => !gone(index));
    },
  };
  const salvaged = await salvageTiles({
    place: folderPlace(folder),
    store,
    tenant: 'main',
    note: source.note(),
    logKey: key,
  });
  assert.deepEqual([salvaged.entries, salvaged.size, salvaged.blobs], [601 - 257, 601, 1]);
  const read = readTiles(folderPlace(folder));
  const there = (await Promise.all([0, 256, 512].map((from) => read.entries('main', from, from + 256)))).flat();
  assert.deepEqual(
    there.map(({ index }) => index),
    Array.from({ length: 601 }, (_, at) => at).filter((index) => !gone(index)),
  );
  assert.equal(Buffer.from((await read.blob('main', digest)) ?? '').toString(), 'a document');
  const { report } = await lookAt(folder);
  assert.deepEqual(report.damage, { index: 5, what: 'it is missing' });
  assert.notEqual(rootOf((await read.head('main')).edge), source.sequencer.head().root);
});

test('a path that leads out of a folder is no path', async (t) => {
  const top = temporaryFolder(t);
  const place = folderPlace(join(top, 'copy'));
  writeAt(top, 'outside', 'x');
  for (const path of ['../outside', 'tile/../../outside', '/etc/passwd', '.new/1', 'tile/.hidden', ''])
    await assert.rejects(place.get(path), (error: unknown) => error instanceof StoreFailure, path);
  await place.put('checkpoint', Buffer.from('one'));
  await place.put('checkpoint', Buffer.from('two'));
  assert.equal(readAt(join(top, 'copy'), 'checkpoint').toString(), 'two');
  await place.remove('checkpoint');
  await place.remove('checkpoint');
  assert.deepEqual(await place.list(''), []);
  renameSync(join(top, 'outside'), join(top, 'copy', 'tile'));
  assert.equal(await place.get('tile/0/000'), undefined, 'a file where a folder should be');
});

const filesOf = async (folder: string): Promise<ReadonlyMap<string, Buffer>> => {
  const paths = await folderPlace(folder).list('');
  return new Map(paths.map((path) => [path, readAt(folder, path)]));
};

test('L26: whatever byte is changed and whatever file is lost, cut or swapped in a ledger folder, it is found', async (t) => {
  const good = join(temporaryFolder(t), 'good');
  const source = await tallyOf(20);
  for (let at = 0; at < 3; at += 1) await attach(source, `document ${at}`);
  assert.ok((await copyOf(source, folderPlace(good))).ok);
  await addTo(source, 260, 23);
  assert.ok((await copyOf(source, folderPlace(good))).ok);
  await isSound(good, 283);
  const files = await filesOf(good);
  const paths = [...files.keys()];
  const change = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), path: fc.nat(), at: fc.nat(), bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('lose' as const), path: fc.nat() }),
    fc.record({ kind: fc.constant('cut' as const), path: fc.nat(), at: fc.nat() }),
    fc.record({ kind: fc.constant('swap' as const), path: fc.nat(), other: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(change, async (what) => {
      const changed = new Map(files);
      const path = paths[what.path % paths.length] ?? '';
      const bytes = Buffer.from(files.get(path) ?? '');
      if (what.kind === 'flip') {
        const at = what.at % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ (1 << what.bit);
        changed.set(path, bytes);
      } else if (what.kind === 'lose') changed.delete(path);
      else if (what.kind === 'cut') changed.set(path, bytes.subarray(0, what.at % bytes.length));
      else {
        const other = paths[what.other % paths.length] ?? '';
        fc.pre(other !== path);
        changed.set(path, files.get(other) ?? bytes).set(other, bytes);
      }
      const place = {
        name: 'changed',
        get: async (asked: string) => changed.get(asked),
        list: async (prefix: string) => [...changed.keys()].filter((one) => one.startsWith(prefix)).sort(),
      };
      const report = await fsck(tileStore(place), 'main', tally, logKey);
      const damage = report.ok ? (report.value.damage ?? (await checkTiles(place, key))) : report.refusal.message;
      // Two losses are no damage: a key that is only shown, and a checkpoint, without which nothing is said to be signed.
      const unsigned = what.kind === 'lose' && path === 'checkpoint' && report.ok && report.value.signedSize === null;
      const spared = what.kind === 'lose' && path === 'log-key';
      assert.ok(damage !== undefined || unsigned || spared, `${JSON.stringify(what)} of ${path} was not found`);
    }),
    propertyRuns(300),
  );
});

test('L26: a copy that was continued from any sizes holds the same files as one that was made at once', async (t) => {
  const source = await tallyOf(0);
  const notes = new Map<number, string>();
  for (let size = 1; size <= 300; size += 1) {
    await addTo(source, 1, size);
    notes.set(size, source.note());
  }
  const once = join(temporaryFolder(t), 'once');
  assert.ok((await copyOf(source, folderPlace(once))).ok);
  const wanted = await filesOf(once);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: 299 }), { maxLength: 6 }), async (sizes) => {
      const folder = join(temporaryFolder(t), 'steps');
      for (const size of [...sizes.sort((a, b) => a - b), 300])
        assert.ok((await copyOf(source, folderPlace(folder), notes.get(size))).ok, `${size}`);
      const got = await filesOf(folder);
      for (const [path, bytes] of wanted) assert.ok(got.get(path)?.equals(bytes), path);
      const more = [...got.keys()].filter((path) => !wanted.has(path));
      assert.ok(
        more.every((path) => /^tile\/(entries|0)\/001\.p\/|^tile\/1\/000\.p\//.test(path)),
        more.join(),
      );
      assert.equal(await checkTiles(folderPlace(folder), key), undefined);
    }),
    propertyRuns(8),
  );
});
