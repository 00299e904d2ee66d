// SPDX-License-Identifier: Apache-2.0
import type { Connection } from './connection.ts';
import { isRace, unfit } from './postgres-failure.ts';

/** Raised with every change of the tables; newer ones than this program knows are refused. */
const schemaVersion = 1;

// Text is compared byte by byte, as everywhere else. Keys of views and free text may hold what `text` cannot (U+0000).
const tables = `
  create table entries (
    tenant text collate "C" not null, idx bigint not null, bytes bytea not null,
    leaf bytea not null check (octet_length(leaf) = 32), primary key (tenant, idx));
  create table heads (
    tenant text collate "C" primary key, size bigint not null, root text not null, edge text not null, time text
  ) with (fillfactor = 50);
  create table checkpoints (tenant text collate "C" primary key, note text not null) with (fillfactor = 50);
  create table blobs (
    tenant text collate "C" not null, digest text collate "C" not null, bytes bytea not null, primary key (tenant, digest));
  create table answers (
    tenant text collate "C" not null, principal text collate "C" not null, route text collate "C" not null,
    key text collate "C" not null, body text not null, answer text not null, at text collate "C" not null,
    primary key (tenant, principal, route, key));
  create index answers_at on answers (tenant, at);
  create table openings (
    tenant text collate "C" not null, commitment text collate "C" not null, salt text not null, words text not null,
    primary key (tenant, commitment));
  create table erasures (
    tenant text collate "C" not null, commitment text collate "C" not null, at text not null, why text not null,
    primary key (tenant, commitment));
  create table holds (
    id bigint generated always as identity primary key, tenant text collate "C" not null, name text collate "C" not null,
    at text not null, why text not null, lifted_at text, lifted_why text);
  create unique index holds_standing on holds (tenant, name) where lifted_at is null;
  create table view_rows (
    tenant text collate "C" not null, view text collate "C" not null, key bytea not null, value text not null,
    held_by text, held_until timestamptz, primary key (tenant, view, key));
  create table cursors (
    tenant text collate "C" not null, follower text collate "C" not null, next bigint not null,
    primary key (tenant, follower)) with (fillfactor = 50);
  create table writers (
    writer uuid primary key, batch bigint not null, seen timestamptz not null) with (fillfactor = 50);
`;

const attempts = 20;
const pauseMs = 50;

const versionIn = async (connection: Connection, schema: string): Promise<number | undefined> => {
  const { rows } = await connection.ask({ name: '', text: `select to_regclass($1) is not null as made` }, [
    `"${schema}".meta`,
  ]);
  if (rows[0]?.['made'] !== true) return undefined;
  const found = await connection.ask({ name: '', text: `select version from "${schema}".meta` });
  return found.rows[0]?.['version'] as number | undefined;
};

const make = async (connection: Connection, schema: string): Promise<void> => {
  await connection.run('begin');
  try {
    await connection.run(`create schema if not exists "${schema}"`);
    await connection.run(
      `create table if not exists "${schema}".meta (id int primary key check (id = 1), version int not null)`,
    );
    // Whoever comes second waits here, and then finds everything made.
    await connection.run(`lock table "${schema}".meta in exclusive mode`);
    if ((await versionIn(connection, schema)) === undefined) {
      await connection.run(`set local search_path = "${schema}", pg_temp; ${tables}`);
      await connection.run(`insert into "${schema}".meta values (1, ${schemaVersion})`);
    }
    await connection.run('commit');
  } catch (error) {
    if (!connection.lost) await connection.run('rollback');
    throw error;
  }
};

/**
 * Makes the tables where there are none; several processes may do so at once. Where they stand nothing is changed, so
 * that a user who may only read and write rows is enough from then on.
 */
export const prepareSchema = async (connection: Connection, schema: string, place: string): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      if ((await versionIn(connection, schema)) === undefined) await make(connection, schema);
      break;
    } catch (error) {
      if (attempt === attempts || !isRace(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  const version = await versionIn(connection, schema);
  if (version !== schemaVersion)
    throw unfit(
      place,
      `has tables of version ${version}, and this program knows version ${schemaVersion}`,
      'use the program that made them, or a newer one',
    );
};
