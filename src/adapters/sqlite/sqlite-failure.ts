// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refusal } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';

// Primary result codes, https://www.sqlite.org/rescode.html. The upper bytes only say more about the same thing.
const primary = { busy: 5, locked: 6, ioError: 10, corrupt: 11, full: 13, notADatabase: 26 } as const;

const codeOf = (error: unknown): number | undefined => {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
};

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');

const nameFailure = (error: unknown, folder: string): Refusal => {
  const detail = messageOf(error);
  const facts = { folder, detail };
  switch (codeOf(error)) {
    case primary.full:
      return refuse(
        'store-full',
        'L8',
        `the disk of \`${folder}\` is full`,
        facts,
        'free space there; nothing was written',
      ).refusal;
    case primary.corrupt:
    case primary.notADatabase:
      return refuse(
        'store-corrupt',
        'L8',
        `the database in \`${folder}\` is damaged: ${detail}`,
        facts,
        'run `countersign ledger fsck`, then restore the folder from a copy',
      ).refusal;
    case primary.busy:
    case primary.locked:
      return refuse(
        'store-locked',
        'L9',
        `the database in \`${folder}\` is in use by something else`,
        facts,
        'stop whatever else has opened it',
      ).refusal;
    default:
      return refuse(
        'store-io',
        'L8',
        `the store in \`${folder}\` failed: ${detail}`,
        facts,
        'look at the disk and its permissions',
      ).refusal;
  }
};

/** What SQLite said, as the port says it. */
export const failureOf = (error: unknown, folder: string, outcome: StoreFailure['outcome']): StoreFailure =>
  error instanceof StoreFailure ? error : new StoreFailure(nameFailure(error, folder), outcome, error);

export const isBusy = (error: unknown): boolean => codeOf(error) === primary.busy;

/** A row that cannot be what we wrote. */
export const corrupt = (folder: string, what: string): StoreFailure =>
  new StoreFailure(
    refuse(
      'store-corrupt',
      'L8',
      `the database in \`${folder}\` is damaged: ${what}`,
      { folder, detail: what },
      'run `countersign ledger fsck`, then restore the folder from a copy',
    ).refusal,
    'nothing-written',
  );
