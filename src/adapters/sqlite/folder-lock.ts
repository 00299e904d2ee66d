// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ok, refuse, type Result } from '../../kernel/refusal.ts';
import { failureOf, isBusy } from './sqlite-failure.ts';

export type FolderLock = { readonly release: () => void };

const readHolder = (file: string): string => {
  try {
    return /^\d{1,10}$/.exec(readFileSync(file, 'utf8').trim())?.[0] ?? 'unknown';
  } catch {
    return 'unknown';
  }
};

/**
 * One process at a time (SPEC L9). The lock is a file lock that SQLite holds on a file of its own: the kernel lets go
 * of it when the process ends, however it ends, so no stale lock can be left behind. The pid beside it is for people.
 */
export const lockFolder = (folder: string): Result<FolderLock> => {
  const pidFile = join(folder, 'store.pid');
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(folder, 'store.lock'));
    lock.exec('BEGIN EXCLUSIVE');
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
    const held = lock;
    return ok({ release: () => held.close() });
  } catch (error) {
    lock?.close();
    if (!isBusy(error)) return { ok: false, refusal: failureOf(error, folder, 'nothing-written').refusal };
    const pid = readHolder(pidFile);
    return refuse(
      'store-locked',
      'L9',
      `the folder \`${folder}\` is in use by process ${pid}`,
      { folder, pid },
      'stop that process, or use another folder',
    );
  }
};
