// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { sha256Hex } from '../crypto/digest.ts';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { integer, shape, text, type Checked } from '../kernel/shape.ts';
import { hash } from '../kernel/statements.ts';
import { StoreFailure } from '../ledger/store.ts';
import { overwriteFile, replaceFile } from './durable-file.ts';

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

/**
 * A mark's file holds two marks, so that one of them is whole whenever the power fails: each in a place of its own, as
 * its text, a line with the text's SHA-256, and spaces up to a full sector. The larger one counts. A file that holds
 * one mark and nothing else is read as well.
 */
const placeBytes = 32 * 1024;
const sectorBytes = 4096;

const placed = (mark: Mark): string => {
  const text = canonicalize(mark);
  const lines = `${text}\n${sha256Hex(text)}\n`;
  return lines.padEnd(lines.length + sectorBytes - (Buffer.byteLength(lines) % sectorBytes));
};

const parseMark = (text: string | Uint8Array): Result<Mark> => {
  const parsed = parseCanonical(text);
  return parsed.ok ? markShape(parsed.value, '') : parsed;
};

const markIn = (place: Buffer): Mark | undefined => {
  const [text = '', sum] = place.toString('utf8').split('\n', 2);
  const mark = sum === sha256Hex(text) ? parseMark(text) : undefined;
  return mark?.ok === true ? mark.value : undefined;
};

const largestIn = (bytes: Buffer): Mark | undefined => {
  const [one, other] = [markIn(bytes.subarray(0, placeBytes)), markIn(bytes.subarray(placeBytes))];
  return one !== undefined && (other === undefined || one.size >= other.size) ? one : other;
};

/** A mark in a file (see above). */
export const markFile = (file: string): MarkKeeper => {
  let newest: 0 | 1 | undefined;
  // Overwriting keeps the name and the length, so that there is nothing to sync but the bytes. It goes to the mark that
  // is older; the first write sets up the file anew, whatever it was.
  const write = async (mark: Mark): Promise<void> => {
    const contents = placed(mark);
    const bytes = Buffer.byteLength(contents);
    if (bytes > placeBytes) throw new Error(`a mark of ${bytes} bytes is too large`);
    if (newest === undefined || !existsSync(file)) {
      await replaceFile(file, contents + ' '.repeat(2 * placeBytes - bytes), true);
      newest = 0;
    } else {
      const older = newest === 0 ? 1 : 0;
      await overwriteFile(file, contents, older * placeBytes);
      newest = older;
    }
  };
  return {
    read: () => {
      let bytes: Buffer;
      try {
        bytes = readFileSync(file);
      } catch (error) {
        return hasCode(error, 'ENOENT') ? ok(undefined) : unreadable(file, String(error));
      }
      const mark = largestIn(bytes);
      if (mark !== undefined) return ok(mark);
      const whole = parseMark(bytes);
      return whole.ok ? whole : unreadable(file, whole.refusal.message);
    },
    write: async (mark) => {
      try {
        await write(mark);
      } catch (error) {
        throw new StoreFailure(unwritable(file, String(error)).refusal, 'unknown', error);
      }
    },
  };
};
