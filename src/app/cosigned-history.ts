// SPDX-License-Identifier: Apache-2.0
import { isObject } from '../kernel/shape.ts';
import type { LedgerStore, ViewWrite } from '../ledger/store.ts';

const view = 'cosigned';
const mostKept = 4096;
const pageSize = 256;
const keyOf = (size: number): string => String(size).padStart(16, '0');

/**
 * Of each size the first note that was cosigned as the policy asks: from these a time lock is proved later. They follow
 * from nothing else, so that a store whose views were deleted has lost them; the oldest go first.
 */
export class CosignedHistory {
  readonly #store: LedgerStore;
  readonly #tenant: string;
  #keys: string[] = [];

  private constructor(store: LedgerStore, tenant: string) {
    this.#store = store;
    this.#tenant = tenant;
  }

  static async open(store: LedgerStore, tenant: string): Promise<CosignedHistory> {
    const history = new CosignedHistory(store, tenant);
    for (let last = '', more = true; more; last = history.#keys.at(-1) ?? '') {
      const rows = await store.viewRows(tenant, view, last, pageSize);
      history.#keys.push(...rows.map(({ key }) => key));
      more = rows.length === pageSize;
    }
    return history;
  }

  /** Keeps a note unless one of this size, or of a larger one, is kept already. */
  async keep(size: number, note: string): Promise<void> {
    const key = keyOf(size);
    if (key <= (this.#keys.at(-1) ?? '')) return;
    this.#keys.push(key);
    // Another server may have been first.
    if (this.#store.shared === true && (await this.coveringAtLeast(size)) !== undefined) return;
    const gone = this.#keys.splice(0, Math.max(0, this.#keys.length - mostKept));
    const rows: ViewWrite[] = [{ view, key, value: { note } }, ...gone.map((old) => ({ view, key: old, value: null }))];
    await this.#store.writeViews(this.#tenant, rows);
  }

  /** The note of the smallest kept size that is at least this one. */
  async coveringAtLeast(size: number): Promise<string | undefined> {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    const [row] = await this.#store.viewRows(this.#tenant, view, size === 0 ? '' : keyOf(size - 1), 1);
    const note = isObject(row?.value) ? row.value['note'] : undefined;
    return typeof note === 'string' ? note : undefined;
  }
}
