// SPDX-License-Identifier: Apache-2.0
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { countersign, startCountersign } from './run-program.ts';
import { deployment, type Stage, type Version } from './stage.ts';

/** One byte changed in the database is found, named, and stops votes and permits; put right, everything carries on. */
export const damageChapter = async (
  { steps, organisation, actors, server }: Stage,
  version: Version,
): Promise<void> => {
  const { data, pin } = organisation;
  // The same address again, so that everybody's machine knows it.
  const serve = ['serve', '--dir', data, '--listen', new URL(server.url).host];
  const ask = () => actors.ask('ada', deployment(version, 'once more'));
  const file = join(data, 'ledger', 'ledger-main.sqlite');
  const copy = `${file}.copy`;
  checkpointFile(file);
  copyFileSync(file, copy);
  const index = damageEntry(file);
  const looked = countersign(['ledger', 'verify', data, '--pin', pin]);
  steps.note(
    'damage-named',
    looked.status === 7 && new RegExp(`entry ${index}\\b`).test(`${looked.stdout}${looked.stderr}`),
    `one byte of entry ${index} changed: ${`${looked.stdout}${looked.stderr}`.trim().split('\n')[0] ?? ''}`,
  );
  await whileServing(serve, async () => {
    const ready = await fetch(`${server.url}/readyz`);
    steps.note('quarantine', ready.status === 503, `the server starts in quarantine: /readyz answers ${ready.status}`);
    steps.refused('quarantine-stops', await ask(), 'ledger-quarantined', 'a request to it');
  });
  copyFileSync(copy, file);
  await whileServing(serve, async () => {
    steps.works(
      'restored',
      await ask(),
      ({ request, receipt }) => `the right file put back, it carries on: ${request} is entry ${receipt.entry.index}`,
    );
  });
};

const whileServing = async (serve: readonly string[], work: () => Promise<void>): Promise<void> => {
  const running = await startCountersign(serve, /Listening on/);
  try {
    await work();
  } finally {
    await running.stop();
  }
};

// What SQLite still holds in its log goes into the file first, so that a copy of the file is a copy of the ledger.
const checkpointFile = (file: string): void => {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
};

const damageEntry = (file: string): number => {
  const db = new DatabaseSync(file);
  const { idx, bytes } = db.prepare('SELECT idx, bytes FROM entries ORDER BY idx LIMIT 1 OFFSET 3').get() as {
    readonly idx: number;
    readonly bytes: Uint8Array;
  };
  const changed = Buffer.from(bytes);
  const at = Math.floor(changed.length / 2);
  changed[at] = (changed[at] ?? 0) ^ 1;
  db.prepare('UPDATE entries SET bytes = ? WHERE idx = ?').run(changed, idx);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  return idx;
};
