// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { integer, shape, text, type Checked } from '../kernel/shape.ts';
import { hash } from '../kernel/statements.ts';
import { StoreFailure } from '../ledger/store.ts';
import { replaceFile } from './durable-file.ts';

/**
 * How far the ledger had come, kept outside the database (SPEC L10):
 *
 *     {"checkpoint":"countersign/…\n7\n…","root":"9f86d0…","size":7}
 *
 * A database that is older than its mark was cut or put back (T3, T4). The mark belongs on another disk, or at least
 * in no backup that also holds the database.
 */
const markShape = shape({ checkpoint: text(16384), root: hash, size: integer(0) });
export type Mark = Checked<typeof markShape>;

/**
 * Where the mark is kept. `write` resolves when it is durable, and rejects with a `StoreFailure` when it may not be. The
 * caller waits for one write before the next.
 */
export type MarkKeeper = {
  readonly read: () => Result<Mark | undefined>;
  readonly write: (mark: Mark) => Promise<void>;
};

const unreadable = (file: string, why: string) =>
  refuse(
    'ledger-damaged',
    'L10',
    `the mark \`${file}\` cannot be read: ${why}`,
    { file },
    'find out who changed it, and compare the ledger with checkpoints that others hold',
  );

const unwritable = (file: string, why: string) =>
  refuse(
    'store-io',
    'L10',
    `the mark \`${file}\` cannot be written: ${why}`,
    { file },
    'look at its disk and permissions; nothing is appended without a mark',
  );

const hasCode = (error: unknown, code: string): boolean => (error as { code?: unknown } | null)?.code === code;

/** A mark in a file. It is replaced whole, so that a reader sees the old one or the new one. */
export const markFile = (file: string): MarkKeeper => {
  let written = false;
  return {
    read: () => {
      let bytes: Uint8Array;
      try {
        bytes = readFileSync(file);
      } catch (error) {
        return hasCode(error, 'ENOENT') ? ok(undefined) : unreadable(file, String(error));
      }
      const parsed = parseCanonical(bytes);
      const checked = parsed.ok ? markShape(parsed.value, '') : parsed;
      return checked.ok ? checked : unreadable(file, checked.refusal.message);
    },
    write: async (mark) => {
      try {
        // Later renames need not be synced: after a power cut the mark may be one that is a little older, which says
        // less and nothing wrong. The first must be, or an existing ledger would have no mark at all.
        await replaceFile(file, canonicalize(mark), !written);
        written = true;
      } catch (error) {
        throw new StoreFailure(unwritable(file, String(error)).refusal, 'unknown', error);
      }
    },
  };
};
