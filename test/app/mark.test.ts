// SPDX-License-Identifier: Apache-2.0
// SPEC L10: how the mark lies in its file, and what is left of it when the power fails while it is written.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { markFile, type Mark } from '../../src/app/mark.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { StoreFailure } from '../../src/ledger/store.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { propertyRuns } from '../support/property-runs.ts';

const markOf = (size: number): Mark => ({
  checkpoint: `log.example/mark\n${size}\n${'long '.repeat(size % 40)}\n\n— log.example/mark c2ln\n`,
  root: leafHash(String(size)),
  size,
});

describe('SPEC L10: the file of the mark', () => {
  it('holds the newest mark, is its owner’s alone, and its folder is made when it is missing', async (t) => {
    const file = join(temporaryFolder(t), 'new', 'folder', 'mark.json');
    const keeper = markFile(file);
    assert.deepEqual(keeper.read(), { ok: true, value: undefined });
    for (const size of [3, 5, 6, 80, 81]) {
      await keeper.write(markOf(size));
      assert.deepEqual(keeper.read(), { ok: true, value: markOf(size) });
      assert.deepEqual(markFile(file).read(), { ok: true, value: markOf(size) });
    }
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(existsSync(`${file}.new`), false);
    await markFile(file).write(markOf(90));
    assert.deepEqual(keeper.read(), { ok: true, value: markOf(90) });
    await assert.rejects(markFile(join(file, 'below-a-file', 'mark.json')).write(markOf(1)), (error) => {
      assert.ok(error instanceof StoreFailure);
      assert.equal(error.outcome, 'unknown');
      assert.match(error.message, /cannot be written/);
      return true;
    });
  });

  it('is found again after it was moved away, and one that is a mark and nothing else is read as well', async (t) => {
    const file = join(temporaryFolder(t), 'mark.json');
    const keeper = markFile(file);
    await keeper.write(markOf(1));
    await keeper.write(markOf(2));
    rmSync(file);
    for (const size of [3, 4]) {
      await keeper.write(markOf(size));
      assert.equal(readFileSync(file, 'utf8').split('log.example/mark\\n').length, size - 1, 'both are kept');
    }
    assert.deepEqual(markFile(file).read(), { ok: true, value: markOf(4) });
    writeFileSync(file, canonicalize(markOf(7)));
    assert.deepEqual(keeper.read(), { ok: true, value: markOf(7) });
    await keeper.write(markOf(8));
    assert.equal(keeper.read().ok, true);
  });

  it('cannot be written where something else stands, and says so', async (t) => {
    const file = join(temporaryFolder(t), 'mark.json');
    const keeper = markFile(file);
    await keeper.write(markOf(1));
    rmSync(file);
    mkdirSync(file);
    await assert.rejects(keeper.write(markOf(2)), /cannot be written/);
  });

  it('holds the mark before or the new one, whatever part of a write came through', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'mark.json');
    const keeper = markFile(file);
    const stages: Buffer[] = [];
    for (const size of [10, 11, 12, 30, 31, 33]) {
      await keeper.write(markOf(size));
      stages.push(readFileSync(file));
    }
    const sizes = [10, 11, 12, 30, 31, 33];
    const torn = join(folder, 'torn.json');
    const sector = 512;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: stages.length - 2 }),
        fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
        (stage, cameThrough) => {
          const [before, after] = [stages[stage] as Buffer, stages[stage + 1] as Buffer];
          const mixed = Buffer.from(before);
          for (const [at, through] of cameThrough.entries())
            for (const place of [0, 32 * 1024])
              if (through) after.copy(mixed, place + at * sector, place + at * sector, place + (at + 1) * sector);
          writeFileSync(torn, mixed);
          const read = markFile(torn).read();
          assert.ok(read.ok && read.value !== undefined);
          assert.ok([sizes[stage], sizes[stage + 1]].includes(read.value.size));
          assert.deepEqual(read.value, markOf(read.value.size));
        },
      ),
      propertyRuns(150),
    );
  });

  it('is unreadable, not missing, when neither place holds', async (t) => {
    const file = join(temporaryFolder(t), 'mark.json');
    const keeper = markFile(file);
    await keeper.write(markOf(4));
    await keeper.write(markOf(5));
    const whole = readFileSync(file);
    for (const places of [[0], [32 * 1024], [0, 32 * 1024]]) {
      const damaged = Buffer.from(whole);
      for (const place of places) damaged[place + 20] = (damaged[place + 20] ?? 0) ^ 1;
      writeFileSync(file, damaged);
      const read = markFile(file).read();
      if (places.length === 2) assert.equal(!read.ok && read.refusal.code, 'ledger-damaged');
      else assert.deepEqual(read, { ok: true, value: markOf(places[0] === 0 ? 5 : 4) });
    }
  });
});
