// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { ok, refuse, type Result } from '../../kernel/refusal.ts';
import { StoreFailure, tenantForm, type LedgerStore } from '../../ledger/store.ts';
import type { Connection, Login } from './connection.ts';
import { LedgerBatches } from './ledger-batches.ts';
import { LedgerReads } from './ledger-reads.ts';
import { formatPostgresAddress, type PostgresAddress } from './postgres-address.ts';
import { failureOf, notSynchronous } from './postgres-failure.ts';
import { checkSynchronous, PrimaryFinder } from './primary.ts';
import { prepareSchema } from './schema.ts';
import { closed, Session } from './session.ts';
import * as sql from './statements.ts';
import { TenantTexts } from './tenant-texts.ts';
import { TenantViews } from './tenant-views.ts';

export type PostgresOptions = {
  readonly address: PostgresAddress;
  /** Asked at every connection; by default the address holds the password, or none is needed. */
  readonly password?: () => string | Promise<string>;
  /** Certificates to trust, in PEM; by default those of the system. */
  readonly ca?: string;
  /** Where the tables lie in the database. */
  readonly schema?: string;
  /** Acknowledge what lies on one machine only. */
  readonly single?: boolean;
  /** Wait until the standby shows what was written, not only until it has it. */
  readonly remoteApply?: boolean;
  /** How long to wait for a primary, for the answer to a commit, and for what came of one that was not answered. */
  readonly patienceMs?: number;
  readonly commitMs?: number;
  readonly settleMs?: number;
  /** How long to wait for a head that another process has locked. */
  readonly lockMs?: number;
};

/** A plain name, so that it needs no quotes anywhere. */
export const schemaForm = /^[a-z_][a-z0-9_]{0,62}$/;

const limits = { connectMs: 3000, answerMs: 45_000 } as const;
const [defaultLockMs, idleMs, statementMs] = [10_000, 10_000, 30_000];

/** What every session is told first, whatever server, user or environment say otherwise. */
const settingsOf = (schema: string, remoteApply: boolean, lockMs: number): readonly (readonly [string, string])[] => [
  ['application_name', `countersign ${schema}`.slice(0, 63)],
  ['search_path', `"${schema}", pg_temp`],
  ['default_transaction_isolation', 'read committed'],
  ['default_transaction_read_only', 'off'],
  // Where they are turned off nobody hears that a commit is on one machine only.
  ['client_min_messages', 'warning'],
  // What answers are read as.
  ['bytea_output', 'hex'],
  // Rows that a policy hides, such as holds, are an error and not absent.
  ['row_security', 'off'],
  ['synchronous_commit', remoteApply ? 'remote_apply' : 'on'],
  ['lock_timeout', String(lockMs)],
  ['idle_in_transaction_session_timeout', String(idleMs)],
  ['statement_timeout', String(statementMs)],
  // A process that is gone, machine and all, must not hold the head for hours.
  ['tcp_keepalives_idle', '10'],
  ['tcp_keepalives_interval', '5'],
  ['tcp_keepalives_count', '3'],
];

/**
 * Ledgers in PostgreSQL (15 or newer), for several processes on several machines. Every session is with the primary
 * and none with a standby (SPEC L15). Refuses with `store-unreachable`, `store-unfit` or `store-not-synchronous`.
 */
export const openPostgresStore = async (options: PostgresOptions): Promise<Result<LedgerStore>> => {
  const place = formatPostgresAddress(options.address);
  try {
    return ok(await open(options, place));
  } catch (error) {
    return { ok: false, refusal: failureOf(error, place, 'nothing-written').refusal };
  }
};

const open = async (options: PostgresOptions, place: string): Promise<LedgerStore> => {
  const { address, single = false, schema = 'countersign', remoteApply = false } = options;
  if (!schemaForm.test(schema))
    throw new StoreFailure(
      refuse(
        'config-malformed',
        'H9',
        `\`${schema.slice(0, 80)}\` is not a name for a schema`,
        {},
        'lowercase letters, digits and _',
      ).refusal,
      'nothing-written',
    );
  const login: Login = {
    user: address.user,
    database: address.database,
    password: options.password ?? (() => address.password ?? ''),
    tls: address.tls && (options.ca === undefined ? {} : { ca: options.ca }),
  };
  const { patienceMs = 5000, commitMs = 30_000, settleMs = 30_000 } = options;
  const finder = new PrimaryFinder(address.servers, login, limits, place);
  const settings = settingsOf(schema, remoteApply, options.lockMs ?? defaultLockMs);
  const connect = async (writer: string): Promise<Connection> => {
    const connection = await finder.find();
    try {
      const names = settings.map(([name]) => name);
      const values = settings.map(([, value]) => value);
      const text = 'select set_config(name, value, false) from unnest($1::text[], $2::text[]) as given (name, value)';
      await connection.ask({ name: '', text }, [names, values]);
      if (!single) await checkSynchronous(connection, place);
      await prepareSchema(connection, schema, place);
      // Whatever is read from here on has reached the standby: a primary that crashed may show what has not.
      const { warned } = await connection.ask(sql.seeWriter, [writer], commitMs);
      if (warned) throw notSynchronous(place, 'did not wait for its synchronous standby');
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  };
  const session = (writer: string): Session => new Session(() => connect(writer), place, patienceMs);
  const batches = new LedgerBatches(session, { place, single, commitMs, settleMs });
  // A writer of its own: a batch that waits for its commit holds the row of the other.
  const reader = randomUUID();
  const others = session(reader);
  await others.write(sql.forgetWriters, []);
  return storeOf(batches, others, reader, place);
};

const storeOf = (batches: LedgerBatches, session: Session, writer: string, place: string): LedgerStore => {
  const reads = new LedgerReads((statement, values) => session.read(statement, values), place);
  const views = new TenantViews(session, place);
  const texts = new TenantTexts(batches, session, place);
  let ended = false;
  // Every method begins here.
  const checked = <T>(tenant: string, work: () => Promise<T>): Promise<T> => {
    if (ended) return Promise.reject(closed(place));
    if (tenantForm.test(tenant)) return work();
    const { refusal } = refuse('shape-mismatch', 'K5', `\`${tenant.slice(0, 80)}\` is not a tenant name`);
    return Promise.reject(new StoreFailure(refusal, 'nothing-written'));
  };
  return {
    shared: true,
    now: () => (ended ? Promise.reject(closed(place)) : reads.now()),
    // A commit whose wait for the standby was cancelled is shown by the primary all the same. This one comes after it, and
    // its own wait covers it (SPEC L17).
    confirm: (name) => checked(name, () => session.vouch(sql.seeWriter, [writer])),
    batch: (name, work) => checked(name, () => batches.run(name, work)),
    head: (name) => checked(name, () => reads.head(name)),
    entries: (name, from, to) => checked(name, () => reads.entries(name, from, to)),
    leafHashes: (name, from, to) => checked(name, () => reads.leafHashes(name, from, to)),
    blob: (name, digest) => checked(name, () => reads.blob(name, digest)),
    blobs: (name, after, limit) => checked(name, () => reads.blobs(name, after, limit)),
    checkpoint: (name) => checked(name, () => reads.checkpoint(name)),
    putCheckpoint: (name, note) =>
      checked(name, async () => void (await session.write(sql.setCheckpoint, [name, note]))),
    opening: (name, commitment) => checked(name, () => reads.opening(name, commitment)),
    // Under the lock, as in a batch: one that is being erased at this moment stays erased.
    putOpening: (name, commitment, opening) =>
      checked(name, () => batches.run(name, (tx) => tx.putOpening(commitment, opening))),
    openings: (name, after, limit) => checked(name, () => texts.openings(name, after, limit)),
    eraseOpening: (name, erasure, names) => checked(name, () => texts.erase(name, erasure, names)),
    putErasure: (name, erasure) => checked(name, () => texts.putErasure(name, erasure)),
    erasure: (name, commitment) => checked(name, () => texts.erasure(name, commitment)),
    erasures: (name, after, limit) => checked(name, () => texts.erasures(name, after, limit)),
    holds: (name) => checked(name, () => texts.holds(name)),
    putHold: (name, held, occasion) => checked(name, () => texts.putHold(name, held, occasion)),
    liftHold: (name, held, occasion) => checked(name, () => texts.liftHold(name, held, occasion)),
    viewRow: (name, view, key) => checked(name, () => views.row(name, view, key)),
    viewRows: (name, view, after, limit) => checked(name, () => views.rows(name, view, after, limit)),
    writeViews: (name, rows, cursor) => checked(name, () => views.write(name, rows, cursor)),
    claimRow: (name, view, key, claim) => checked(name, () => views.claim(name, view, key, claim)),
    clearView: (name, view) => checked(name, () => views.clear(name, view)),
    cursor: (name, follower) => checked(name, () => views.cursor(name, follower)),
    close: async () => {
      if (ended) return;
      ended = true;
      await batches.close();
      await session.close();
    },
  };
};
