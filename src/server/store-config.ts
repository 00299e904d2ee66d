// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { openSqliteStore } from '../adapters/sqlite/sqlite-store.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { LedgerStore } from '../ledger/store.ts';

const path = z.string().min(1).max(1000);

/**
 * `store` of `DIR/countersign.yaml`; without it the ledger lies in `DIR/ledger`:
 *
 *     store:
 *       postgres: postgres://countersign@db1,db2/countersign
 *       password-file: postgres.password
 *       ca-file: ca.pem
 */
export const storeConfig = z.strictObject({
  postgres: z.string().min(1).max(2000),
  'password-file': path.optional(),
  'ca-file': path.optional(),
  schema: z.string().min(1).max(63).optional(),
  single: z.boolean().optional(),
  'remote-apply': z.boolean().optional(),
});
export type StoreConfig = z.infer<typeof storeConfig>;

const wrongFile = (field: string, file: string, why: string): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `\`countersign.yaml\`, field \`store.${field}\`: \`${file}\` ${why}`,
    { field: `store.${field}`, file },
    'put the file there, for its owner alone where it is a secret; a name that does not begin with `/` is looked for in the data folder, which is only made when a ledger is founded',
  );

const readText = (dir: string, field: 'password-file' | 'ca-file', file: string): Result<string> => {
  const at = isAbsolute(file) ? file : join(dir, file);
  try {
    // A secret that others may read is none; a group may be what a secret is handed to a service by.
    if (field === 'password-file' && process.platform !== 'win32' && (statSync(at).mode & 0o007) !== 0)
      return refuse('file-too-open', 'H8', `others may open \`${at}\``, { file: at }, `run \`chmod 600 ${at}\``);
    return ok(readFileSync(at, 'utf8'));
  } catch {
    return wrongFile(field, file, 'cannot be read');
  }
};

/**
 * Whether a data folder says where its ledger lies: in a folder of its own, or in the PostgreSQL of its settings. A folder
 * of files is its server's alone; PostgreSQL takes what one command changes beside any number of servers.
 */
export const holdsLedger = (dir: string, config: StoreConfig | undefined): boolean =>
  config !== undefined || existsSync(join(dir, 'ledger'));

/**
 * Opens where a data folder keeps its ledger. PostgreSQL is only loaded when it is used. The password comes from a
 * file, read at every connection so that it can be changed, else from `PGPASSWORD`.
 */
export const openStoreOf = async (
  dir: string,
  config: StoreConfig | undefined,
  ownThread = false,
): Promise<Result<LedgerStore>> => {
  if (config === undefined) return openSqliteStore(join(dir, 'ledger'), { ownThread });
  const { parsePostgresAddress } = await import('../adapters/postgres/postgres-address.ts');
  const { openPostgresStore } = await import('../adapters/postgres/postgres-store.ts');
  const address = parsePostgresAddress(config.postgres);
  if (!address.ok) return address;
  if (address.value.password !== null)
    return refuse(
      'config-malformed',
      'H9',
      '`countersign.yaml`, field `store.postgres`: a password stands in the address',
      {},
      'put it into a file of its own (`password-file`), or into the environment (`PGPASSWORD`)',
    );
  const { schema, single = false, 'remote-apply': remoteApply = false } = config;
  const secret = config['password-file'];
  const first = secret === undefined ? ok('') : readText(dir, 'password-file', secret);
  if (!first.ok) return first;
  const ca = config['ca-file'] === undefined ? ok(undefined) : readText(dir, 'ca-file', config['ca-file']);
  if (!ca.ok) return ca;
  return openPostgresStore({
    address: address.value,
    password: () => {
      if (secret === undefined) return process.env['PGPASSWORD'] ?? '';
      const now = readText(dir, 'password-file', secret);
      // The one that was there at the start, while somebody is about to put a new file there.
      return (now.ok ? now : first).value.trimEnd();
    },
    ...(ca.value === undefined ? {} : { ca: ca.value }),
    ...(schema === undefined ? {} : { schema }),
    single,
    remoteApply,
  });
};
