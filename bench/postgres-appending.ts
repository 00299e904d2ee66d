// SPDX-License-Identifier: Apache-2.0
// Durable appends to PostgreSQL by one server and by three, beside multi-row inserts of the same bytes into the same one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { openPostgresStore } from '../src/adapters/postgres/postgres-store.ts';
import type { LedgerStore, StoredEntry } from '../src/ledger/store.ts';
import { addressOf, newSchema, postgresUrl } from '../test/support/postgres.ts';
import { openOurs } from './appending.ts';
import { moreIsBetter, type BenchLine } from './bench-line.ts';

const inFlight = 256;
const slice = 4096;
const slices = 8;

const openStore = async (url: string, schema: string): Promise<LedgerStore> => {
  // One machine: what waiting for a standby costs is the network's.
  const store = await openPostgresStore({ address: addressOf(url), schema, single: true });
  if (!store.ok) throw new Error(store.refusal.message);
  return store.value;
};

type Raw = {
  readonly append: (entries: readonly StoredEntry[]) => Promise<number>;
  readonly close: () => Promise<void>;
};

const openRaw = async (url: string, schema: string): Promise<Raw> => {
  const { servers, user, database, password } = addressOf(url);
  const [server] = servers;
  const client = new Client({ ...server, user, database, password: password ?? '' });
  await client.connect();
  await client.query(
    `create table "${schema}".raw (idx bigint primary key, bytes bytea not null, leaf bytea not null)`,
  );
  const places = Array.from({ length: inFlight }, (_, at) => `($${3 * at + 1},$${3 * at + 2},$${3 * at + 3})`);
  const text = `insert into "${schema}".raw values ${places.join(',')}`;
  return {
    append: async (entries) => {
      const rows = entries.map(({ index, bytes, leafHash }) => [index, bytes, Buffer.from(leafHash, 'hex')]);
      const began = performance.now();
      for (let at = 0; at < rows.length; at += inFlight)
        await client.query({ name: 'raw', text, values: rows.slice(at, at + inFlight).flat() });
      return (performance.now() - began) / 1000;
    },
    close: () => client.end(),
  };
};

const against = 'raw multi-row inserts of the same bytes, 256 rows each';

const line = async (url: string, folder: string, servers: number): Promise<BenchLine> => {
  const schema = newSchema();
  const all = [];
  for (let at = 0; at < servers; at += 1)
    all.push(
      await openOurs({
        store: await openStore(url, schema),
        mark: join(folder, `${schema}-${at}.json`),
        keyed: true,
        name: `bench-${at}`,
      }),
    );
  const raw = await openRaw(url, schema);
  const each = slice / servers;
  const reader = await openStore(url, schema);
  let [mySeconds, rawSeconds] = [0, 0];
  for (let at = -1; at < slices; at += 1) {
    const from = (await reader.head('main')).size;
    const began = performance.now();
    await Promise.all(all.map((ours) => ours.append(Math.ceil(each), inFlight)));
    const mine = (performance.now() - began) / 1000;
    const theirs = await raw.append(await reader.entries('main', from, from + slice));
    if (at >= 0) [mySeconds, rawSeconds] = [mySeconds + mine, rawSeconds + theirs];
  }
  for (const ours of all) await ours.close();
  await raw.close();
  await reader.close();
  const total = slice * slices;
  const name = servers === 1 ? 'ledger.append.postgres.256' : `ledger.append.postgres.256x${servers}`;
  return moreIsBetter(name, 'entries/s', total / mySeconds, against, total / rawSeconds);
};

export const postgresLines = async (): Promise<readonly BenchLine[]> => {
  const url = await postgresUrl();
  if (url === undefined) {
    process.stderr.write('no PostgreSQL: ledger.append.postgres is left out\n');
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    return [await line(url, folder, 1), await line(url, folder, 3)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
