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
type Seen = { readonly kept: number; readonly erased: readonly string[]; readonly damage: Damage | undefined };

/** Hashes the texts that are kept. `indexOf` gives the entry that names a commitment; what it does not know is left out. */
const look = async (
  store: LedgerStore,
  tenant: string,
  indexOf: (commitment: string) => number | undefined,
): Promise<Seen> => {
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
      const index = indexOf(commitment);
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
  return { kept, erased: [...erased], damage };
};

// Texts that cannot be read are damage of what comes after the entries, and hide none that was found before.
const unlessLost = async <T>(index: number, work: () => Promise<T>): Promise<T | Damage> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreFailure) || error.refusal.code !== 'store-corrupt') throw error;
    return { index, what: `the texts beside the ledger cannot be read: ${error.message}` };
  }
};

/**
 * Counts the texts behind the commitments that were named, by the index of the entry that named each; tells of the first
 * that is not what was signed for, or that is there although it was erased.
 */
export const countTexts = async (
  store: LedgerStore,
  tenant: string,
  named: ReadonlyMap<string, number>,
): Promise<Counted> => {
  const last = [...named.values()].reduce((one, other) => Math.max(one, other), -1);
  const seen = await unlessLost(last + 1, () => look(store, tenant, (commitment) => named.get(commitment)));
  if ('what' in seen) return { texts: null, damage: seen };
  const { kept, damage } = seen;
  const erased = seen.erased.filter((commitment) => named.has(commitment)).length;
  const texts = { named: named.size, kept, erased, none: Math.max(0, named.size - kept - erased) };
  return damage === undefined ? { texts } : { texts, damage };
};

/** Hashes all texts that are kept, whoever names them, for a look that reads no entries: the first that is wrong. */
export const hashTexts = async (
  store: LedgerStore,
  tenant: string,
  size: number,
): Promise<{ readonly count: number; readonly damage?: Damage }> => {
  const seen = await unlessLost(size, () => look(store, tenant, () => size));
  if ('what' in seen) return { count: 0, damage: seen };
  const { kept: count, damage } = seen;
  return damage === undefined ? { count } : { count, damage };
};
