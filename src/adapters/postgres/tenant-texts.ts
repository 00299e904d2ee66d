// SPDX-License-Identifier: Apache-2.0
import { heldFailure, type Erasure, type Hold, type Occasion, type StoredOpening } from '../../ledger/store.ts';
import type { Row } from './connection.ts';
import type { LedgerBatches } from './ledger-batches.ts';
import { readOpening } from './ledger-reads.ts';
import type { Session } from './session.ts';
import * as sql from './statements.ts';
import { storedText } from './stored-json.ts';

const erasureOf = (place: string, row: Row): Erasure => ({
  commitment: row['commitment'] as string,
  at: row['at'] as Erasure['at'],
  why: storedText(place, row['why']),
});
const holdOf = (place: string, row: Row): Hold => ({
  name: row['name'] as string,
  at: row['at'] as Hold['at'],
  why: storedText(place, row['why']),
  lifted:
    row['lifted_at'] === null
      ? null
      : { at: row['lifted_at'] as Occasion['at'], why: storedText(place, row['lifted_why']) },
});

/**
 * Texts beside the ledger, what was erased of them, and what must not be (SPEC L31). Whoever changes them does so under
 * the tenant's lock, as a batch does: a text that is put while it is erased stays erased, and a hold that is put meanwhile
 * comes before or after.
 */
export class TenantTexts {
  readonly #batches: LedgerBatches;
  readonly #session: Session;
  readonly #place: string;

  constructor(batches: LedgerBatches, session: Session, place: string) {
    this.#batches = batches;
    this.#session = session;
    this.#place = place;
  }

  async openings(tenant: string, after: string, limit: number): Promise<readonly StoredOpening[]> {
    const { rows } = await this.#session.read(sql.openings, [tenant, after, limit]);
    return rows.map((row) => ({ commitment: row['commitment'] as string, opening: readOpening(this.#place, row) }));
  }

  async erasure(tenant: string, commitment: string): Promise<Erasure | undefined> {
    const { rows } = await this.#session.read(sql.erasure, [tenant, commitment]);
    return rows[0] && erasureOf(this.#place, rows[0]);
  }

  async erasures(tenant: string, after: string, limit: number): Promise<readonly Erasure[]> {
    return (await this.#session.read(sql.erasures, [tenant, after, limit])).rows.map((row) =>
      erasureOf(this.#place, row),
    );
  }

  async holds(tenant: string): Promise<readonly Hold[]> {
    return (await this.#session.read(sql.holds, [tenant])).rows.map((row) => holdOf(this.#place, row));
  }

  erase(tenant: string, { commitment, at, why }: Erasure, names: readonly string[]): Promise<boolean> {
    return this.#batches.run(tenant, async (tx) => {
      const standing = await tx.ask(sql.standingHold, [tenant, [commitment, '*', ...names]]);
      if (standing.rows[0] !== undefined) throw heldFailure(holdOf(this.#place, standing.rows[0]), commitment);
      const erased = await tx.ask(sql.eraseOpening, [tenant, commitment]);
      if (erased.rows.length === 0) return false;
      await tx.ask(sql.addErasure, [tenant, commitment, at, JSON.stringify(why)]);
      return true;
    });
  }

  putErasure(tenant: string, { commitment, at, why }: Erasure): Promise<boolean> {
    return this.#batches.run(tenant, async (tx) => {
      const kept = await tx.ask(sql.opening, [tenant, commitment]);
      if (kept.rows.length > 0) return false;
      await tx.ask(sql.addErasure, [tenant, commitment, at, JSON.stringify(why)]);
      return true;
    });
  }

  putHold(tenant: string, name: string, { at, why }: Occasion): Promise<boolean> {
    return this.#batches.run(tenant, async (tx) => {
      const { rows } = await tx.ask(sql.addHold, [tenant, name, at, JSON.stringify(why)]);
      return rows.length > 0;
    });
  }

  liftHold(tenant: string, name: string, { at, why }: Occasion): Promise<boolean> {
    return this.#batches.run(tenant, async (tx) => {
      const { rows } = await tx.ask(sql.liftHold, [tenant, name, at, JSON.stringify(why)]);
      return rows.length > 0;
    });
  }
}
