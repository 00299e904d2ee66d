// SPDX-License-Identifier: Apache-2.0
import type { StoredEntry } from '../../ledger/store.ts';

/** Entries as they go to another thread: their bytes in one piece, which is handed over and not copied again. */
export type PackedEntries = {
  readonly indexes: readonly number[];
  readonly lengths: readonly number[];
  readonly leafHashes: readonly string[];
  readonly bytes: Uint8Array<ArrayBuffer>;
};

export const packEntries = (entries: readonly StoredEntry[]): PackedEntries => {
  const lengths = entries.map(({ bytes }) => bytes.length);
  const packed = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let start = 0;
  for (const { bytes } of entries) {
    packed.set(bytes, start);
    start += bytes.length;
  }
  return {
    indexes: entries.map(({ index }) => index),
    lengths,
    leafHashes: entries.map(({ leafHash }) => leafHash),
    bytes: packed,
  };
};
