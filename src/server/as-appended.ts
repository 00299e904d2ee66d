// SPDX-License-Identifier: Apache-2.0
import type { SignedTree } from '../app/signed-tree.ts';
import { digestOf } from '../crypto/digest.ts';
import { refuse } from '../kernel/refusal.ts';
import { StoreFailure, type StoredEntry } from '../ledger/store.ts';

const changed = (what: string, facts: { readonly index: number } | { readonly digest: string }): StoreFailure =>
  new StoreFailure(
    refuse(
      'ledger-damaged',
      'L13',
      `the stored ${what} is not what was appended`,
      facts,
      'whoever runs the server looks with `countersign ledger fsck`',
    ).refusal,
    'nothing-written',
  );

/** Bytes of an entry that the store gave, if they are those of the tree: others act on what they are shown. */
export const entryAsAppended = (tree: SignedTree, index: number, stored: StoredEntry | undefined): Uint8Array => {
  if (stored !== undefined && tree.holds(index, stored.bytes)) return stored.bytes;
  throw changed(`entry ${index}`, { index });
};

/** The same of a document, whose digest an entry names. */
export const blobAsAppended = (digest: string, bytes: Uint8Array | undefined): Uint8Array => {
  if (bytes !== undefined && digestOf(bytes) === digest) return bytes;
  throw changed(`document \`${digest}\``, { digest });
};
