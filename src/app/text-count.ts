// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import type { Damage } from './sequencer-replay.ts';

const pageSize = 256;

/** How many commitments the entries name, and what became of the texts behind them. */
export type TextCount = {
  readonly named: number;
  readonly kept: number;
  readonly erased: number;
  /** Never given, or taken away past the server: nothing tells the two apart. */
  readonly none: number;
};

type Counted = { readonly texts: TextCount | null; readonly damage?: Damage };

/**
 * Counts the texts behind the commitments that were named, by the index of the entry that named each; tells of the first
 * that is not what was signed for, or that is there although it was erased.
 */
const count = async (store: LedgerStore, tenant: string, named: ReadonlyMap<string, number>): Promise<Counted> => {
  const erased = new Set<string>();
  for (let after = ''; ; ) {
    const page = await store.erasures(tenant, after, pageSize);
    for (const { commitment } of page) erased.add((after = commitment));
    if (page.length < pageSize) break;
  }
  let [kept, damage] = [0, undefined as Damage | undefined];
  for (let after = ''; ; ) {
    const page = await store.openings(tenant, after, pageSize);
    for (const { commitment, opening } of page) {
      after = commitment;
      const index = named.get(commitment);
      if (index === undefined) continue;
      kept += 1;
      const what =
        digestOf(canonicalize({ ...opening })) !== commitment
          ? `the text kept for \`${commitment}\` is not the one that was signed for`
          : erased.has(commitment)
            ? `the text of \`${commitment}\` is there again although it was erased`
            : undefined;
      if (what !== undefined && index < (damage?.index ?? Number.POSITIVE_INFINITY)) damage = { index, what };
    }
    if (page.length < pageSize) break;
  }
  const gone = [...erased].filter((commitment) => named.has(commitment)).length;
  const texts = { named: named.size, kept, erased: gone, none: Math.max(0, named.size - kept - gone) };
  return damage === undefined ? { texts } : { texts, damage };
};

/** The same; texts that can't be read are damage of what comes after the entries, and hide none that was found before. */
export const countTexts: typeof count = async (store, tenant, named) => {
  try {
    return await count(store, tenant, named);
  } catch (error) {
    if (!(error instanceof StoreFailure) || error.refusal.code !== 'store-corrupt') throw error;
    const index = [...named.values()].reduce((last, one) => Math.max(last, one), -1) + 1;
    return { texts: null, damage: { index, what: `the texts beside the ledger cannot be read: ${error.message}` } };
  }
};
