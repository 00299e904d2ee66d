// SPDX-License-Identifier: Apache-2.0
import { basename } from 'node:path';
import { memoryStore } from '../adapters/memory/memory-store.ts';
import type { MarkKeeper } from '../app/mark.ts';
import type { Refusal } from '../kernel/refusal.ts';
import { emptyEdge, emptyRoot } from '../ledger/merkle.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { tenant } from './ledger-folder.ts';

/** Why a ledger's database cannot be opened at all, or undefined when it can, or when something else is in the way. */
export const whyLost = async (store: LedgerStore): Promise<Refusal | undefined> => {
  try {
    await store.head(tenant);
    return undefined;
  } catch (error) {
    // A head that can't be read is damage that the audit looks at, as long as the file opens and shows its entries.
    if (!(error instanceof StoreFailure) || error.refusal.code !== 'store-corrupt') return undefined;
    return error.refusal.facts['holds'] === 'ledger' ? error.refusal : undefined;
  }
};

/**
 * Stands in for a database that SQLite does not open, so that its server starts in quarantine instead of not at all:
 * the alert goes out on every channel, whoever asks is told what is wrong, and the last checkpoint, which the mark has,
 * is there to be compared (INV4). It holds no entry, gives none, and takes nothing.
 */
export const lostDatabase = (real: LedgerStore, refusal: Refusal, mark: MarkKeeper): LedgerStore => {
  // Whoever asks is told which file it is, and not where it lies.
  const { file, detail } = refusal.facts;
  const message = `its database \`${basename(String(file))}\` cannot be opened: ${String(detail)}`;
  const lost = (): Promise<never> => Promise.reject(new StoreFailure({ ...refusal, message }, 'nothing-written'));
  return {
    ...memoryStore(),
    batch: lost,
    // One entry, which cannot be read: the audit then says why.
    head: () => Promise.resolve({ size: 1, root: emptyRoot, edge: emptyEdge, time: null }),
    entries: lost,
    leafHashes: lost,
    blob: lost,
    blobs: lost,
    checkpoint: () => {
      const marked = mark.read();
      return Promise.resolve(marked.ok ? marked.value?.checkpoint : undefined);
    },
    putCheckpoint: lost,
    opening: lost,
    putOpening: lost,
    openings: lost,
    eraseOpening: lost,
    putErasure: lost,
    erasure: lost,
    erasures: lost,
    holds: lost,
    putHold: lost,
    liftHold: lost,
    close: () => real.close(),
  };
};
