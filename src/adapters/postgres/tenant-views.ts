// SPDX-License-Identifier: Apache-2.0
import type { JsonValue } from '../../kernel/refusal.ts';
import type { FollowerCursor, RowClaim, ViewRow, ViewWrite } from '../../ledger/store.ts';
import type { Session } from './session.ts';
import * as sql from './statements.ts';
import { storedJson } from './stored-json.ts';

const keyOf = (key: string): Uint8Array => Buffer.from(key, 'utf8');
const textOf = (key: unknown): string => Buffer.from(key as Uint8Array).toString('utf8');

/** Views and follower cursors of the tenants. */
export class TenantViews {
  readonly #session: Session;
  readonly #place: string;

  constructor(session: Session, place: string) {
    this.#session = session;
    this.#place = place;
  }

  async row(tenant: string, view: string, key: string): Promise<JsonValue | undefined> {
    const { rows } = await this.#session.read(sql.viewRow, [tenant, view, keyOf(key)]);
    return rows[0] && storedJson(this.#place, rows[0]['value']);
  }

  async rows(tenant: string, view: string, after: string, limit: number): Promise<readonly ViewRow[]> {
    const { rows } = await this.#session.read(sql.viewRows, [tenant, view, keyOf(after), limit]);
    return rows.map(({ key, value }) => ({ key: textOf(key), value: storedJson(this.#place, value) }));
  }

  async cursor(tenant: string, follower: string): Promise<number | undefined> {
    const { rows } = await this.#session.read(sql.cursor, [tenant, follower]);
    return rows[0]?.['next'] as number | undefined;
  }

  async write(tenant: string, given: readonly ViewWrite[], cursor: FollowerCursor | undefined): Promise<boolean> {
    // Of several values for one row the last counts. In one order everywhere, so that two writers never wait in a ring.
    const last = new Map(given.map((row) => [`${row.view}\u0000${row.key}`, row]));
    const rows = [...last].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    const [gone, put] = [rows.filter(({ value }) => value === null), rows.filter(({ value }) => value !== null)];
    const answer = await this.#session.write(sql.writeViews, [
      tenant,
      gone.map(({ view }) => view),
      gone.map(({ key }) => keyOf(key)),
      put.map(({ view }) => view),
      put.map(({ key }) => keyOf(key)),
      put.map(({ value }) => JSON.stringify(value)),
      cursor?.follower ?? null,
      cursor?.from ?? null,
      cursor?.next ?? null,
    ]);
    return answer.rows[0]?.['steps'] === 1;
  }

  async claim(
    tenant: string,
    view: string,
    key: string,
    { by, forMs }: RowClaim,
  ): Promise<'claimed' | 'held' | 'missing'> {
    const { rows } = await this.#session.write(sql.claimRow, [tenant, view, keyOf(key), by, forMs]);
    if (rows[0]?.['claimed'] === 1) return 'claimed';
    return rows[0]?.['found'] === 1 ? 'held' : 'missing';
  }

  async clear(tenant: string, view: string): Promise<void> {
    await this.#session.write(sql.clearView, [tenant, view]);
  }
}
