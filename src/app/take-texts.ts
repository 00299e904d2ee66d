// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { openingBytes } from './text-files.ts';
import type { TextSupply } from './texts.ts';

/** How many texts came along; `erasedThere` are kept here although the copy says that they were erased. */
export type TakenTexts = { readonly taken: number; readonly erasedThere: number };

const atOnce = 256;

/**
 * Takes the texts of a copy into a store (SPEC L31): those it lacks, under the name that proves them, and which were
 * erased. A copy is believed in no erasure of what is kept here, and brings back nothing that was erased here.
 */
export const takeTexts = async (store: LedgerStore, tenant: string, supply: TextSupply): Promise<TakenTexts> => {
  const erasedThere = await takeErasures(store, tenant, supply);
  let taken = 0;
  for (let after = ''; ; ) {
    const page = await supply.openings(after, atOnce);
    for (const { commitment, opening } of page) {
      after = commitment;
      if (digestOf(openingBytes(opening)) !== commitment) continue;
      if ((await store.opening(tenant, commitment)) !== undefined) continue;
      if ((await store.erasure(tenant, commitment)) !== undefined) continue;
      await store.putOpening(tenant, commitment, opening);
      taken += 1;
    }
    if (page.length < atOnce) return { taken, erasedThere };
  }
};

// Before the texts, so that none comes along that is known to be erased.
const takeErasures = async (store: LedgerStore, tenant: string, { erasures }: TextSupply): Promise<number> => {
  // Whose text it was is not asked: while anything is held, no copy is believed that a text is gone for good.
  const held = (await store.holds(tenant)).some(({ lifted }) => lifted === null);
  let kept = 0;
  for (let after = ''; ; ) {
    const page = await erasures(after, atOnce);
    for (const erasure of page) {
      const { commitment } = erasure;
      after = commitment;
      if ((await store.opening(tenant, commitment)) !== undefined) kept += 1;
      else if (!held && (await store.erasure(tenant, commitment)) === undefined)
        await store.putErasure(tenant, erasure);
    }
    if (page.length < atOnce) return kept;
  }
};
