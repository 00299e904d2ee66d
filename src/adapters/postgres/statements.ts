// SPDX-License-Identifier: Apache-2.0
// Every statement there is. The tables are found by the session's `search_path`.
import type { Statement } from './connection.ts';

const statement = (name: string, text: string): Statement => ({ name: `countersign-${name}`, text });

export const begin = statement('begin', 'begin isolation level read committed read write');
export const commit = statement('commit', 'commit');
export const rollback = statement('rollback', 'rollback');
// A timeout would cancel the wait for the standby, and the server would answer as if it had been there.
export const noTimeout = statement('no-timeout', 'set local statement_timeout = 0');

const headColumns = 'size, root, edge, time';
export const head = statement('head', `select ${headColumns} from heads where tenant = $1`);
export const lockHead = statement(
  'lock-head',
  `select ${headColumns}, current_setting('synchronous_standby_names') as standbys from heads where tenant = $1 for update`,
);
export const now = statement('now', 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now');
export const addHead = statement(
  'add-head',
  'insert into heads (tenant, size, root, edge, time) values ($1, 0, $2, $3, null) on conflict do nothing',
);
// Dividing by the number of rows fails when the head is another, and so does the whole transaction (SPEC L6).
export const moveHead = statement(
  'move-head',
  `with moved as (
    update heads set size = $4, root = $5, edge = $6, time = $7 where tenant = $1 and size = $2 and root = $3 returning 1)
  select 1 / count(*) as moved from moved`,
);

export const entries = statement(
  'entries',
  'select idx, bytes, leaf from entries where tenant = $1 and idx >= $2 and idx < $3 order by idx',
);
export const leafHashes = statement(
  'leaf-hashes',
  'select idx, leaf from entries where tenant = $1 and idx >= $2 and idx < $3 order by idx',
);
// The bytes of all entries come as one value, and are cut apart here: an array of them would travel as hexadecimal text.
export const addEntries = statement(
  'add-entries',
  `insert into entries (tenant, idx, bytes, leaf)
  select $1, $2::bigint + place - 1, substring($3::bytea from start for length),
    substring($4::bytea from (32 * (place - 1) + 1)::int for 32)
  from unnest($5::int[], $6::int[]) with ordinality as cut (start, length, place)`,
);

export const blob = statement('blob', 'select bytes from blobs where tenant = $1 and digest = $2');
export const blobs = statement(
  'blobs',
  'select digest, bytes from blobs where tenant = $1 and digest > $2 order by digest limit $3',
);
export const addBlob = statement(
  'add-blob',
  'insert into blobs (tenant, digest, bytes) values ($1, $2, $3) on conflict do nothing',
);

// Key by key out of the index, whatever the planner thinks of how many there are: a join would read all that are kept.
export const answers = statement(
  'answers',
  `select asked.place, kept.body, kept.answer, kept.at
  from unnest($2::text[], $3::text[], $4::text[]) with ordinality as asked (principal, route, key, place)
  cross join lateral (
    select body, answer, at from answers
    where tenant = $1 and principal = asked.principal and route = asked.route and key = asked.key limit 1) as kept`,
);
export const addAnswers = statement(
  'add-answers',
  `insert into answers (tenant, principal, route, key, body, answer, at)
  select $1, given.* from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as given`,
);
export const pruneAnswers = statement('prune-answers', 'delete from answers where tenant = $1 and at < $2');

export const checkpoint = statement('checkpoint', 'select note from checkpoints where tenant = $1');
export const setCheckpoint = statement(
  'set-checkpoint',
  `insert into checkpoints (tenant, note) values ($1, $2) on conflict (tenant) do update set note = excluded.note`,
);

export const opening = statement('opening', 'select salt, words from openings where tenant = $1 and commitment = $2');
// One that was erased stays erased: the tenant's lock is held, so that nobody erases it at this moment.
export const setOpening = statement(
  'set-opening',
  `insert into openings (tenant, commitment, salt, words)
  select $1::text, $2::text, $3::text, $4::text
  where not exists (select 1 from erasures where tenant = $1 and commitment = $2)
  on conflict (tenant, commitment) do update set salt = excluded.salt, words = excluded.words`,
);
export const openings = statement(
  'openings',
  'select commitment, salt, words from openings where tenant = $1 and commitment > $2 order by commitment limit $3',
);
export const eraseOpening = statement(
  'erase-opening',
  'delete from openings where tenant = $1 and commitment = $2 returning 1 as erased',
);
export const addErasure = statement(
  'add-erasure',
  `insert into erasures (tenant, commitment, at, why) values ($1, $2, $3, $4)
  on conflict (tenant, commitment) do update set at = excluded.at, why = excluded.why`,
);
export const erasure = statement(
  'erasure',
  'select commitment, at, why from erasures where tenant = $1 and commitment = $2',
);
export const erasures = statement(
  'erasures',
  'select commitment, at, why from erasures where tenant = $1 and commitment > $2 order by commitment limit $3',
);
const holdColumns = 'name, at, why, lifted_at, lifted_why';
export const holds = statement('holds', `select ${holdColumns} from holds where tenant = $1 order by id`);
export const standingHold = statement(
  'standing-hold',
  `select ${holdColumns} from holds where tenant = $1 and name = any($2::text[]) and lifted_at is null order by id limit 1`,
);
export const addHold = statement(
  'add-hold',
  `insert into holds (tenant, name, at, why)
  select $1::text, $2::text, $3::text, $4::text
  where not exists (select 1 from holds where tenant = $1 and name = $2 and lifted_at is null) returning 1 as put`,
);
export const liftHold = statement(
  'lift-hold',
  `update holds set lifted_at = $3, lifted_why = $4
  where tenant = $1 and name = $2 and lifted_at is null returning 1 as lifted`,
);

export const viewRow = statement(
  'view-row',
  'select value from view_rows where tenant = $1 and view = $2 and key = $3',
);
export const viewRows = statement(
  'view-rows',
  'select key, value from view_rows where tenant = $1 and view = $2 and key > $3 order by key limit $4',
);
// One statement, so that rows and cursor are there together or not at all. Without the step nothing is written, and its
// row is locked first: whoever is second waits there, and finds the cursor moved (SPEC L18).
export const writeViews = statement(
  'write-views',
  `with moved as (
    update cursors set next = $9 where tenant = $1 and follower = $7 and next = $8 returning 1),
  begun as (
    insert into cursors (tenant, follower, next)
    select $1, $7::text, $9::bigint where $7::text is not null and $8::bigint is null
    on conflict do nothing returning 1),
  stepped as materialized (
    select 1 where $7::text is null union all select * from moved union all select * from begun),
  gone as (
    delete from view_rows where (select count(*) from stepped) = 1
    and tenant = $1 and (view, key) in (select * from unnest($2::text[], $3::bytea[]))),
  put as (
    insert into view_rows (tenant, view, key, value)
    select $1, given.* from unnest($4::text[], $5::bytea[], $6::text[]) as given
    where (select count(*) from stepped) = 1
    on conflict (tenant, view, key) do update set value = excluded.value)
  select count(*) as steps from stepped`,
);
// Locked first, so that a row which is removed or claimed meanwhile is seen as it is then.
export const claimRow = statement(
  'claim-row',
  `with found as materialized (
    select 1 from view_rows where tenant = $1 and view = $2 and key = $3 for update),
  claimed as (
    update view_rows set held_by = $4, held_until = clock_timestamp() + $5 * interval '1 millisecond'
    where (select count(*) from found) = 1 and tenant = $1 and view = $2 and key = $3
    and (held_by is null or held_by = $4 or held_until <= clock_timestamp()) returning 1)
  select (select count(*) from found) as found, (select count(*) from claimed) as claimed`,
);
export const clearView = statement('clear-view', 'delete from view_rows where tenant = $1 and view = $2');
export const cursor = statement('cursor', 'select next from cursors where tenant = $1 and follower = $2');

/** Each writer keeps the number of its last batch, in the transaction of that batch. */
export const seeWriter = statement(
  'see-writer',
  `insert into writers (writer, batch, seen) values ($1, 0, now())
  on conflict (writer) do update set seen = excluded.seen returning batch`,
);
export const countBatch = statement(
  'count-batch',
  `insert into writers (writer, batch, seen) values ($1, $2, now())
  on conflict (writer) do update set batch = excluded.batch, seen = excluded.seen`,
);
export const forgetWriters = statement('forget-writers', "delete from writers where seen < now() - interval '30 days'");
