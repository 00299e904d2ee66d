// SPDX-License-Identifier: Apache-2.0
// Durable append through the ledger's port, beside raw batched inserts of the same bytes into the same kind of file.
// Ours: every command is decided, canonicalised, hashed into the tree, committed (WAL, synchronous=FULL), signed as a
// checkpoint and marked outside the database (a second fsync) before it is answered; 256 are in flight.
// Theirs: nothing but INSERTs of those entries in transactions of 256, into a table of the same form.
//
// What won: 16 rows a statement, one signature and one mark a batch, the UTF-8 of an entry and of its leaf written once,
// hashes written as latin1 instead of into buffers of their own, a log of 16 MiB before it is folded into the file, and
// batches of at most 128, so that one half of the callers is decided for while the other half waits for its mark. What did
// not: leaving out `secure_delete` or the reader connection changes nothing that can be measured; waiting 2 ms for batches
// to fill costs a third. The writer's thread costs two messages a batch and gives a server its other callers back; here
// it changes nothing. What is left: deciding waits while the batch before it is being committed, because it is done under the lock.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedStore, openOurs, openRaw } from './appending.ts';
import { moreIsBetter, type BenchLine } from './bench-line.ts';

const inFlight = 256;
const sliceEntries = 16 * inFlight;
const warmUpSlices = 2;
const slices = 14;

export const run = async (): Promise<readonly BenchLine[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    const store = embeddedStore(folder);
    const ours = await openOurs({ store, mark: join(folder, 'mark.json'), keyed: false });
    const raw = openRaw(folder);
    let [mySeconds, rawSeconds] = [0, 0];
    // In turns, slice by slice, so that whatever else the machine does falls on both.
    for (let slice = -warmUpSlices; slice < slices; slice += 1) {
      const mine = await ours.append(sliceEntries, inFlight);
      const theirs = raw.append(await ours.lastEntries(sliceEntries), inFlight);
      if (slice >= 0) [mySeconds, rawSeconds] = [mySeconds + mine, rawSeconds + theirs];
    }
    await ours.close();
    raw.close();
    const total = slices * sliceEntries;
    const against = 'raw batched inserts of the same bytes, WAL, synchronous=FULL';
    return [moreIsBetter('append', 'entries/s', total / mySeconds, against, total / rawSeconds)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
