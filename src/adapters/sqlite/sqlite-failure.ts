// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refusal } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';

// Primary result codes, https://www.sqlite.org/rescode.html. The upper bytes only say more about the same thing.
const primary = { busy: 5, locked: 6, readOnly: 8, ioError: 10, corrupt: 11, full: 13, notADatabase: 26 } as const;

const isReadOnly = (error: unknown): boolean =>
  codeOf(error) === primary.readOnly || (error as { code?: unknown } | null)?.code === 'EROFS';

const codeOf = (error: unknown): number | undefined => {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
};

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');

const nameFailure = (error: unknown, folder: string): Refusal => {
  const detail = messageOf(error);
  const facts = { folder, detail };
  if (isReadOnly(error))
    return refuse(
      'store-io',
      'L8',
      `the disk of \`${folder}\` cannot be written: ${detail}`,
      facts,
      'mount it for writing, or give this user the right to; to look only, copy the data folder to another disk',
    ).refusal;
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
      return refuse('store-corrupt', 'L8', `the database in \`${folder}\` is damaged: ${detail}`, facts, restoreHelp)
        .refusal;
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

const restoreHelp =
  '`countersign ledger fsck` names the first entry that is wrong; put the folder back from a copy that reaches as far as its mark';

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
      restoreHelp,
    ).refusal,
    'nothing-written',
  );

/** A whole file that SQLite does not open: the ledger itself, or the views beside it, which can be built again. */
export const unopened = (error: unknown, folder: string, file: string, isLedger: boolean): StoreFailure => {
  const failure = failureOf(error, folder, 'nothing-written');
  if (failure.refusal.code !== 'store-corrupt') return failure;
  const detail = String(failure.refusal.facts['detail']);
  return new StoreFailure(
    refuse(
      'store-corrupt',
      'L8',
      `the ${isLedger ? 'database' : 'views'} \`${file}\` cannot be opened: ${detail}`,
      { folder, file, detail, holds: isLedger ? 'ledger' : 'views' },
      isLedger
        ? 'keep the file, and put it back from a copy or a mirror; the mark, receipts and checkpoints that others hold say how far it must reach'
        : 'it holds nothing that can be lost: move that file away and start again; views are built anew, and notices may be sent twice',
    ).refusal,
    'nothing-written',
    error,
  );
};
