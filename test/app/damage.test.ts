// SPDX-License-Identifier: Apache-2.0
// SPEC L10, L11, INV4, INV7: whatever is done to the stored files shows at the start, is named, and stops decisions.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it, type TestContext } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { fsck, type FsckReport } from '../../src/app/fsck.ts';
import { markFile } from '../../src/app/mark.ts';
import { add, logKey, signer, startTally, tally, temporaryFolder, type TallyCommand } from '../ledger/tally.ts';
import { inFiles, openIn, type Kept } from './kept-stores.ts';

const blob = Buffer.from('an attachment');
const opening = { salt: '0'.repeat(32), text: 'because' };
const count = 12;

type Written = Kept & { readonly file: string; readonly markPath: string };
const at = (folder: string): Written => ({
  mark: markFile(join(folder, 'mark', 'main.json')),
  open: () => openIn(join(folder, 'ledger')),
  folder,
  file: join(folder, 'ledger', 'ledger-main.sqlite'),
  markPath: join(folder, 'mark', 'main.json'),
});

const template = mkdtempSync(join(tmpdir(), 'countersign-test-'));
after(() => rmSync(template, { recursive: true, force: true }));

/** A ledger of twelve entries in files, closed, with every table in use. Entry 7 has an attachment. */
before(async () => {
  const kept = at(template);
  const store = kept.open();
  const { sequencer } = await startTally(store, kept.mark);
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const command: TallyCommand = index === 7 ? { type: 'Weigh', attachments: [digestOf(blob)] } : add(index);
      return sequencer.submit(command, {
        attachments: new Map<string, Uint8Array>(index === 7 ? [[digestOf(blob), blob]] : []),
        openings: new Map<string, typeof opening>(index === 3 ? [[digestOf(canonicalize(opening)), opening]] : []),
        idempotency: { principal: 'p', route: 'r', key: `key ${index}`, bodyDigest: 'body' },
      });
    }),
  );
  assert.deepEqual(
    answers.map(({ index }) => index),
    answers.map((_, index) => index),
  );
  await sequencer.close();
  await store.close();
});

/** A copy of it to damage. */
const written = (t: TestContext): Written => {
  const folder = temporaryFolder(t);
  cpSync(template, folder, { recursive: true });
  return at(folder);
};

const sql = (file: string, ...statements: readonly string[]): void => {
  const db = new DatabaseSync(file);
  for (const statement of statements) db.exec(statement);
  db.close();
};

const report = async (kept: Kept): Promise<FsckReport> => {
  const store = kept.open();
  const checked = await fsck(store, 'main', tally, logKey, { mark: kept.mark });
  await store.close();
  assert.ok(checked.ok);
  return checked.value;
};

/** Starts in quarantine, names the entry, decides nothing, and goes on with all that needs no decision. */
const quarantined = async (kept: Kept, index: number, what: RegExp): Promise<void> => {
  const store = kept.open();
  const { sequencer, alerts, fatal } = await startTally(store, kept.mark);
  assert.equal(alerts.length, 1, 'the alert goes out once');
  assert.equal(alerts[0]?.index, index, alerts[0]?.what ?? '');
  assert.match(alerts[0]?.what ?? '', what);
  assert.equal(sequencer.quarantine()?.index, index);
  const { decision } = await sequencer.submit(add(1));
  assert.ok(decision.kind === 'refused');
  assert.equal(decision.refusal.code, 'ledger-quarantined');
  assert.ok(decision.refusal.message.includes(String(index)));
  assert.ok(Array.isArray(decision.refusal.facts['still_works']));
  // The good entries are read, proven under what was signed of them, and followed.
  const good = sequencer.head().size;
  assert.ok(good <= count);
  for (let at = 0; at < (sequencer.signedHead()?.size ?? 0); at += 1) {
    const [stored] = await store.entries('main', at, at + 1);
    const receipt = sequencer.tree.receipt(at);
    assert.ok(receipt.ok && stored !== undefined);
    assert.ok(verifyTlogProof(receipt.value, leafHash(stored.bytes), logKey).ok, `entry ${at}`);
  }
  const seen: number[] = [];
  const follower = await sequencer.follow(
    { name: `reader ${performance.now()}`, from: 0, onError: () => {} },
    async (entries) => void seen.push(...entries.map((one) => one.index)),
  );
  await follower.caughtUp();
  assert.equal(seen.length, good);
  assert.deepEqual(fatal, []);
  await sequencer.close();
  await store.close();
  const checked = await report(kept);
  assert.equal(checked.sound, false);
  assert.equal(checked.damage?.index, index);
};

const healthy = async (kept: Kept, size = count): Promise<void> => {
  const store = kept.open();
  const { sequencer, alerts } = await startTally(store, kept.mark);
  assert.deepEqual(alerts, []);
  assert.equal(sequencer.head().size, size);
  assert.equal((await sequencer.submit(add(1))).index, size);
  await sequencer.close();
  await store.close();
  assert.ok((await report(kept)).sound);
};

const changed = (column: string): string => `cast(substr(${column}, 1, 20) || x'5a' || substr(${column}, 22) as blob)`;
const digitChanged = (column: string): string =>
  `replace(substr(${column}, 1, 12), substr(${column}, 12, 1), char(97 + (unicode(substr(${column}, 12, 1)) + 1) % 6)) || substr(${column}, 13)`;

describe('damage in the database', () => {
  const cases: readonly (readonly [string, string, number, RegExp])[] = [
    [
      'a byte of an entry',
      `UPDATE entries SET bytes = ${changed('bytes')} WHERE idx = 5`,
      5,
      /not those that were appended/,
    ],
    [
      'a byte of the first entry',
      `UPDATE entries SET bytes = ${changed('bytes')} WHERE idx = 0`,
      0,
      /not those that were appended/,
    ],
    [
      'a leaf hash',
      "UPDATE entries SET leaf = cast(x'00' || substr(leaf, 2) as blob) WHERE idx = 5",
      5,
      /not those that were appended/,
    ],
    ['a leaf hash of another length', "UPDATE entries SET leaf = x'' WHERE idx = 5", 5, /not those that were appended/],
    ['the index of an entry', 'UPDATE entries SET idx = 500 WHERE idx = 5', 5, /missing/],
    [
      "two entries in each other's place",
      'UPDATE entries SET idx = -1 WHERE idx = 5; UPDATE entries SET idx = 5 WHERE idx = 6; UPDATE entries SET idx = 6 WHERE idx = -1',
      5,
      /it is entry 6/,
    ],
    ['an entry from the middle that is gone', 'DELETE FROM entries WHERE idx = 5', 5, /missing/],
    ['the last entry that is gone', 'DELETE FROM entries WHERE idx = 11', 11, /missing/],
    [
      'an entry behind the head',
      'INSERT INTO entries SELECT 12, bytes, leaf FROM entries WHERE idx = 11',
      12,
      /stands behind the head/,
    ],
    [
      'a tail that was cut, head and all',
      'DELETE FROM entries WHERE idx >= 9; UPDATE head SET size = 9',
      9,
      /head does not belong/,
    ],
    ['the size in the head', 'UPDATE head SET size = 13', 12, /missing/],
    ['a smaller size in the head', 'UPDATE head SET size = 10', 10, /head does not belong/],
    ['the root in the head', `UPDATE head SET root = ${digitChanged('root')}`, 12, /head does not belong/],
    ['the edge in the head', `UPDATE head SET edge = replace(edge, '["', '["0')`, 12, /head does not belong/],
    ['an edge that is no JSON', "UPDATE head SET edge = '{' || substr(edge, 2)", 12, /head cannot be read/],
    ['an edge that is something else', "UPDATE head SET edge = '{}'", 12, /head cannot be read/],
    ['an edge of numbers', "UPDATE head SET edge = '[1,2]'", 12, /head cannot be read/],
    ['the time in the head', "UPDATE head SET time = '2026-01-01T00:00:00.000Z'", 12, /head does not belong/],
    ['a head without time', 'UPDATE head SET time = NULL', 12, /head does not belong/],
    ['no head', 'DELETE FROM head', 0, /stands behind the head/],
    [
      'a byte of the checkpoint',
      `UPDATE checkpoint SET note = replace(note, '— ', '— x')`,
      12,
      /checkpoint does not hold/,
    ],
    ['a blob', "UPDATE blobs SET bytes = x'00'", 7, /attachment .* was changed/],
    ['the digest of a blob', "UPDATE blobs SET digest = 'sha256:x'", 7, /attachment .* is missing/],
    ['no blob', 'DELETE FROM blobs', 7, /attachment .* is missing/],
  ];
  for (const [what, statements, index, words] of cases)
    it(`INV4, SPEC L11: ${what}: quarantine from entry ${index} on, and all is well when it is restored`, async (t) => {
      const kept = written(t);
      cpSync(kept.file, `${kept.file}.copy`);
      sql(kept.file, statements);
      await quarantined(kept, index, words);
      cpSync(`${kept.file}.copy`, kept.file);
      await healthy(kept);
    });

  it('SPEC L11: an entry that somebody with the database rewrote whole, hashes and all, does not follow from the rules or the root', async (t) => {
    const kept = written(t);
    const db = new DatabaseSync(kept.file);
    const row = db.prepare('SELECT bytes FROM entries WHERE idx = 5').get();
    const forged = Buffer.from(
      Buffer.from(row?.['bytes'] as Uint8Array)
        .toString()
        .replace('"amount":5', '"amount":6'),
    );
    db.prepare('UPDATE entries SET bytes = ?, leaf = ? WHERE idx = 5').run(
      forged,
      Buffer.from(leafHash(forged), 'hex'),
    );
    db.close();
    await quarantined(kept, 5, /the rules give other events/);
  });

  it('SPEC L11: one that follows from the rules, too, still gives another root', async (t) => {
    const kept = written(t);
    const db = new DatabaseSync(kept.file);
    const row = db.prepare('SELECT bytes FROM entries WHERE idx = 11').get();
    const forged = Buffer.from(
      Buffer.from(row?.['bytes'] as Uint8Array)
        .toString()
        .replace('"amount":11', '"amount":12')
        .replace(/"total":(\d+)/, (_, total: string) => `"total":${Number(total) + 1}`),
    );
    db.prepare('UPDATE entries SET bytes = ?, leaf = ? WHERE idx = 11').run(
      forged,
      Buffer.from(leafHash(forged), 'hex'),
    );
    db.close();
    await quarantined(kept, 12, /head does not belong/);
  });

  it('what is kept beside the ledger is no damage to it: a damaged answer is not given, an erased text is gone', async (t) => {
    const kept = written(t);
    sql(
      kept.file,
      "UPDATE openings SET text = 'changed'",
      'UPDATE answers SET answer = \'{"indey":3,"refusal":null}\' WHERE key = \'key 3\'',
    );
    const store = kept.open();
    const { sequencer, alerts } = await startTally(store, kept.mark);
    assert.deepEqual(alerts, []);
    const { decision, index } = await sequencer.submit(add(3), {
      idempotency: { principal: 'p', route: 'r', key: 'key 3', bodyDigest: 'body' },
    });
    assert.equal(index, null);
    assert.ok(decision.kind === 'refused' && decision.refusal.code === 'ledger-quarantined');
    await sequencer.close();
    await store.close();
  });

  it('any one byte of the file: it starts with all entries, in quarantine, or not at all; never with something else', async (t) => {
    const kept = written(t);
    const original = readFileSync(kept.file);
    const good = await report(kept);
    let [sound, isolated, refused] = [0, 0, 0];
    for (let at = 17; at < original.length; at += Math.floor(original.length / 48)) {
      const bytes = Buffer.from(original);
      bytes[at] = (bytes[at] ?? 0) ^ 0x04;
      writeFileSync(kept.file, bytes);
      const store = openIn(join(kept.folder, 'ledger'));
      const checked = await fsck(store, 'main', tally, logKey, { mark: kept.mark });
      if (!checked.ok) {
        refused += 1;
        assert.match(checked.refusal.code, /^store-/, String(at));
      } else if (checked.value.sound) {
        sound += 1;
        assert.deepEqual(checked.value, good, `byte ${at}`);
      } else isolated += 1;
      await store.close().catch(() => {});
    }
    writeFileSync(kept.file, original);
    assert.ok(isolated > 0 && sound + isolated + refused >= 48, JSON.stringify({ sound, isolated, refused }));
    await healthy(kept);
  });
});

describe('damage that begins while the ledger is in use', () => {
  it('SPEC L11: whoever was waiting is refused too, whichever batch they would have been in', async (t) => {
    const kept = written(t);
    const store = kept.open();
    const { sequencer, alerts } = await startTally(store, kept.mark);
    sql(kept.file, "UPDATE blobs SET bytes = x'00'");
    // The first command meets the damage; more wait than one batch takes.
    const answers = await Promise.all([
      sequencer.submit({ type: 'Weigh', attachments: [digestOf(blob)] }),
      ...Array.from({ length: 600 }, () => sequencer.submit(add(1))),
    ]);
    assert.ok(
      answers.every(({ decision }) => decision.kind === 'refused' && decision.refusal.code === 'ledger-quarantined'),
    );
    assert.equal(alerts.length, 1);
    assert.equal((await store.head('main')).size, count, 'nothing was appended');
    await sequencer.close();
    await store.close();
  });

  it('INV7: a head that was moved back, moved on or edited is found by the next command', async (t) => {
    for (const statement of [
      'UPDATE head SET size = 5',
      `UPDATE head SET root = ${digitChanged('root')}`,
      'DELETE FROM head',
      "UPDATE head SET edge = '{}'",
    ]) {
      const kept = written(t);
      const store = kept.open();
      const { sequencer, alerts } = await startTally(store, kept.mark);
      sql(kept.file, statement);
      const { decision } = await sequencer.submit(add(1));
      assert.ok(decision.kind === 'refused' && decision.refusal.code === 'ledger-quarantined', statement);
      assert.equal(alerts.length, 1);
      await sequencer.close();
      await store.close();
    }
  });
});

describe('the mark outside the database', () => {
  it('SPEC L10, T4: an old copy of the database is behind its mark, and whole again with the new one', async (t) => {
    const kept = inFiles(t);
    const file = join(kept.folder, 'ledger', 'ledger-main.sqlite');
    const run = async (): Promise<void> => {
      const store = kept.open();
      const { sequencer } = await startTally(store, kept.mark);
      for (let at = 0; at < 4; at += 1) await sequencer.submit(add(at));
      await sequencer.close();
      await store.close();
    };
    await run();
    cpSync(file, `${file}.old`);
    await run();
    cpSync(file, `${file}.new`);
    cpSync(`${file}.old`, file);
    await quarantined(kept, 4, /ends before its mark, which is at size 8/);
    cpSync(`${file}.new`, file);
    await healthy(kept, 8);
  });

  it('SPEC L10: a database that is gone is behind its mark', async (t) => {
    const kept = written(t);
    rmSync(join(kept.folder, 'ledger'), { recursive: true });
    await quarantined(kept, 0, /ends before its mark/);
  });

  it('SPEC L10: a mark that is gone, unless somebody says that this is on purpose', async (t) => {
    const kept = written(t);
    rmSync(kept.markPath);
    await quarantined(kept, count, /its mark is gone/);
    const store = kept.open();
    const { sequencer, alerts } = await startTally(store, kept.mark, { acceptMissingMark: true });
    assert.deepEqual(alerts, []);
    assert.equal((await sequencer.submit(add(1))).index, count);
    await sequencer.close();
    await store.close();
    await healthy(kept, count + 1);
  });

  it('SPEC L10: a mark ahead, of another history, by another key, or that cannot be read', async (t) => {
    const kept = written(t);
    const original = readFileSync(kept.markPath, 'utf8');
    const other = leafHash('another history');
    const noteOf = (size: number, root: string, by = signer): string =>
      signCheckpoint({ origin: signer.name, size, root }, by);
    const right = (await report(kept)).root;
    const impostor = noteSigner(signer.name, Buffer.alloc(32, 66));
    const cases: readonly (readonly [string, number, RegExp])[] = [
      [
        canonicalize({ checkpoint: noteOf(20, other), root: other, size: 20 }),
        count,
        /ends before its mark, which is at size 20/,
      ],
      [canonicalize({ checkpoint: noteOf(9, other), root: other, size: 9 }), 9, /another history than its mark/],
      [
        canonicalize({ checkpoint: noteOf(count, right, impostor), root: right, size: count }),
        count,
        /mark does not hold/,
      ],
      [canonicalize({ checkpoint: noteOf(20, other), root: right, size: count }), count, /ends before its mark/],
      [canonicalize({ checkpoint: 'x', root: right, size: count }), count, /mark does not hold/],
      ['{}', count, /mark .* cannot be read/],
      ['', count, /mark .* cannot be read/],
      [original.slice(0, 40), count, /mark .* cannot be read/],
      [original.replaceAll('{', '{ '), count, /mark .* cannot be read/],
    ];
    for (const [text, index, words] of cases) {
      writeFileSync(kept.markPath, text);
      await quarantined(kept, index, words);
      assert.equal(readFileSync(kept.markPath, 'utf8'), text, 'a damaged ledger leaves its mark alone');
    }
    writeFileSync(kept.markPath, original);
    await healthy(kept);
  });

  it('SPEC L10: a mark that lags behind, as after a power cut, is no damage', async (t) => {
    const kept = written(t);
    const old = readFileSync(kept.markPath, 'utf8');
    await healthy(kept);
    writeFileSync(kept.markPath, old);
    await healthy(kept, count + 1);
  });
});

describe('fsck', () => {
  it('SPEC L11: says what stands in a sound ledger, and changes nothing', async (t) => {
    const kept = written(t);
    const before = readFileSync(kept.file);
    const checked = await report(kept);
    assert.deepEqual(
      { ...checked, root: '', time: '' },
      { sound: true, entries: count, blobs: 1, root: '', time: '', signedSize: count, damage: null, texts: null },
    );
    assert.ok(readFileSync(kept.file).equals(before));
  });

  it('SPEC L11: finds a blob that no entry names any more and whose bytes were changed', async (t) => {
    const kept = written(t);
    sql(kept.file, `INSERT INTO blobs VALUES ('${digestOf('x')}', x'00')`);
    const checked = await report(kept);
    assert.equal(checked.sound, false);
    assert.match(checked.damage?.what ?? '', /blob .* was changed/);
  });

  it('SPEC L11: without the mark nothing shows a tail that was cut together with the checkpoint', async (t) => {
    const kept = inFiles(t);
    const store = kept.open();
    const { sequencer } = await startTally(store, kept.mark);
    for (let at = 0; at < 4; at += 1) await sequencer.submit(add(at));
    const head = await store.head('main');
    await sequencer.close();
    await store.close();
    const again = kept.open();
    const second = await startTally(again, kept.mark);
    await second.sequencer.submit(add(4));
    await second.sequencer.close();
    await again.close();
    const file = join(kept.folder, 'ledger', 'ledger-main.sqlite');
    sql(
      file,
      'DELETE FROM entries WHERE idx = 4',
      `UPDATE head SET size = 4, root = '${head.root}', edge = '${JSON.stringify(head.edge.hashes)}', time = '${head.time ?? ''}'`,
      'DELETE FROM checkpoint',
    );
    const third = kept.open();
    const blind = await fsck(third, 'main', tally, logKey);
    const seeing = await fsck(third, 'main', tally, logKey, { mark: kept.mark });
    await third.close();
    assert.ok(blind.ok && blind.value.sound, 'this is why the mark is kept elsewhere');
    assert.ok(seeing.ok && seeing.value.damage?.index === 4);
  });

  it('L11, L12: a kept answer is not given out of an entry that was changed while it was in use', async (t) => {
    const kept = written(t);
    const store = kept.open();
    t.after(() => store.close());
    const { sequencer, alerts } = await startTally(store, kept.mark);
    const [entry] = await store.entries('main', 3, 4);
    const bytes = Buffer.from(entry?.bytes ?? [])
      .toString('utf8')
      .replace('"total":6', '"total":7');
    assert.ok(bytes.includes('"total":7'));
    sql(
      kept.file,
      `UPDATE entries SET bytes = x'${Buffer.from(bytes).toString('hex')}', leaf = x'${leafHash(Buffer.from(bytes))}' WHERE idx = 3`,
    );
    const answer = await sequencer.submit(add(3), {
      idempotency: { principal: 'p', route: 'r', key: 'key 3', bodyDigest: 'body' },
    });
    assert.equal(
      answer.decision.kind === 'refused' ? answer.decision.refusal.code : JSON.stringify(answer),
      'ledger-quarantined',
    );
    assert.deepEqual(
      alerts.map(({ index }) => index),
      [3],
    );
    await sequencer.close();
  });
});
