// SPDX-License-Identifier: Apache-2.0
import { Connection, type Limits, type Login, type Row } from './connection.ts';
import type { PostgresServer } from './postgres-address.ts';
import { failureOf, isLoss, messageOf, notSynchronous, unfit, unreachable } from './postgres-failure.ts';

const oldestServer = 150_000;
/** How long a server that is slower than the others may take to say that it is the primary of a newer timeline. */
const laggardMs = 500;

const facts = `select pg_is_in_recovery() as standby,
  current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
  current_setting('fsync') as fsync, current_setting('data_sync_retry') as retry,
  case when pg_is_in_recovery() then 0
    else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline`;

type Found = { readonly connection: Connection; readonly facts: Row; readonly timeline: number };

/**
 * Finds the primary among the servers, as each of them says itself (SPEC L15). Of two that say so the one of the newer
 * timeline counts: the other was the primary once, and does not know yet that it is none.
 */
export class PrimaryFinder {
  readonly #servers: readonly PostgresServer[];
  readonly #login: Login;
  readonly #limits: Limits;
  readonly #place: string;
  /** The newest timeline that was ever seen: nothing older is gone back to. */
  #timeline = 0;

  constructor(servers: readonly PostgresServer[], login: Login, limits: Limits, place: string) {
    this.#servers = servers;
    this.#login = login;
    this.#limits = limits;
    this.#place = place;
  }

  async find(): Promise<Connection> {
    const notes: string[] = [];
    let firstFound: () => void = () => {};
    const someone = new Promise<void>((resolve) => (firstFound = resolve));
    const found: Found[] = [];
    let chosen = false;
    const asked = this.#servers.map(async (server) => {
      const at = `${server.host}:${server.port}`;
      try {
        const one = await this.#look(server);
        if (typeof one === 'string') notes.push(`${at} ${one}`);
        else if (chosen) one.connection.destroy();
        else found.push(one);
        if (found.length > 0) firstFound();
      } catch (error) {
        if (!isLoss(error)) throw failureOf(error, this.#place, 'nothing-written');
        notes.push(`${at}: ${messageOf(error)}`);
      }
    });
    const all = Promise.all(asked);
    // What comes too late to count must not go unheard of as a rejection either.
    all.catch(() => {});
    const laggards = someone.then(() => new Promise<void>((resolve) => setTimeout(resolve, laggardMs)));
    try {
      await Promise.race([all, laggards]);
    } catch (error) {
      if (found.length === 0) throw error;
    }
    chosen = true;
    const newest = found.reduce<Found | undefined>(
      (a, b) => (a === undefined || b.timeline > a.timeline ? b : a),
      undefined,
    );
    for (const one of found) if (one !== newest) one.connection.destroy();
    if (newest === undefined) throw unreachable(this.#place, notes.join('; ') || 'no server answered');
    return this.#checked(newest);
  }

  async #look(server: PostgresServer): Promise<Found | string> {
    const connection = await Connection.open(server, this.#login, this.#limits);
    try {
      const [row] = (await connection.ask({ name: '', text: facts })).rows;
      if (row !== undefined && row['standby'] === false)
        return { connection, facts: row, timeline: row['timeline'] as number };
    } catch (error) {
      connection.destroy();
      throw error;
    }
    connection.destroy();
    return 'is a standby';
  }

  #checked({ connection, facts, timeline }: Found): Connection {
    const refuse = (error: Error): never => {
      connection.destroy();
      throw error;
    };
    if (timeline < this.#timeline)
      return refuse(
        unreachable(this.#place, `\`${connection.server.host}\` was the primary before a newer one was promoted`),
      );
    this.#timeline = timeline;
    if ((facts['version'] as number) < oldestServer)
      return refuse(unfit(this.#place, `runs PostgreSQL ${String(facts['version'])}`, 'use PostgreSQL 15 or newer'));
    if (facts['encoding'] !== 'UTF8')
      return refuse(
        unfit(this.#place, `has the encoding ${String(facts['encoding'])}`, 'make a database with the encoding UTF8'),
      );
    // Either would acknowledge what a power cut takes back.
    if (facts['fsync'] !== 'on')
      return refuse(unfit(this.#place, 'does not wait for its disk', 'set `fsync = on` and start it again'));
    if (facts['retry'] !== 'off')
      return refuse(unfit(this.#place, 'goes on after a failed fsync', 'set `data_sync_retry = off`'));
    return connection;
  }
}

const standbys = `select current_setting('synchronous_standby_names') as names,
  count(*) filter (where sync_state is null) as hidden,
  count(*) filter (where sync_state in ('sync', 'quorum') and state = 'streaming') as attached
  from pg_stat_replication`;

/**
 * Refuses a primary whose commits do not wait for another machine. Without `pg_read_all_stats` it is not seen whether
 * one is attached; then the commit itself waits for it.
 */
export const checkSynchronous = async (connection: Connection, place: string): Promise<void> => {
  const [row] = (await connection.ask({ name: '', text: standbys })).rows;
  if (row?.['names'] === '')
    throw notSynchronous(place, 'has no synchronous standby (`synchronous_standby_names` is empty)');
  if (row?.['attached'] === 0 && row['hidden'] === 0)
    throw notSynchronous(place, 'has lost its synchronous standby: none is attached');
};
