// SPDX-License-Identifier: Apache-2.0
// Where a tally is kept whose process is killed: named by one argument, so that another process finds it.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openPostgresStore, type PostgresOptions } from '../../src/adapters/postgres/postgres-store.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { markFile, type MarkKeeper } from '../../src/app/mark.ts';
import type { Result } from '../../src/kernel/refusal.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';

/** The mark lies in the folder, and the ledger too unless it lies in PostgreSQL. */
export type TallyPlace = { readonly folder: string; readonly postgres?: PostgresOptions };

export const formatPlace = (place: TallyPlace): string => JSON.stringify(place);
export const parsePlace = (given: string): TallyPlace => JSON.parse(given) as TallyPlace;

export const markIn = ({ folder }: TallyPlace): MarkKeeper => markFile(join(folder, 'mark', 'main.json'));

export const openPlace = async ({ folder, postgres }: TallyPlace): Promise<Result<LedgerStore>> =>
  postgres === undefined ? openSqliteStore(join(folder, 'ledger'), { ownThread: true }) : openPostgresStore(postgres);

/** Keys and answers that are kept, past the store. */
export const answersKept = async (
  { folder, postgres }: TallyPlace,
  ask: (text: string) => Promise<readonly Record<string, unknown>[]>,
): Promise<readonly Record<string, unknown>[]> => {
  if (postgres !== undefined) return ask(`select key, answer from "${postgres.schema ?? 'countersign'}".answers`);
  const db = new DatabaseSync(join(folder, 'ledger', 'ledger-main.sqlite'), { readOnly: true });
  const rows = db.prepare('SELECT key, answer FROM answers').all();
  db.close();
  return rows;
};
