// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../app/durable-file.ts';
import { verifyCosignatures, type CosignerVerifier } from '../crypto/cosignature.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';

/** The last checkpoint that was cosigned of a log, as it was handed out. */
export type KeptCheckpoint = {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  /** Of the cosignature, seconds since 1970. */
  readonly time: number;
  /** The checkpoint with the log's signatures and the witness's own. */
  readonly note: string;
};

/**
 * What a witness must never forget (SPEC L20), in a folder of its own:
 *
 *     state/<SHA-256 of the origin, hex>   the last checkpoint cosigned, a note; the witness's own signature seals it
 *     state/origins                        one such name a line: of which logs there has to be one
 *
 * A file that is damaged or gone stops the witness: from the empty tree it would cosign another history. One that was
 * put back from an older copy cannot be told from a new one; nobody may restore a witness from a copy.
 */
export class WitnessState {
  readonly #folder: string;
  readonly #kept: Map<string, KeptCheckpoint>;
  readonly #listed: Set<string>;
  #lastTime: number;

  private constructor(folder: string, kept: Map<string, KeptCheckpoint>, listed: Set<string>) {
    this.#folder = folder;
    this.#kept = kept;
    this.#listed = listed;
    this.#lastTime = Math.max(0, ...[...kept.values()].map(({ time }) => time));
  }

  /** Reads a folder that `init` made. The caller holds the lock of the folder around it. */
  static open(folder: string, key: CosignerVerifier): Result<WitnessState> {
    const read = readAll(folder, key);
    return read.ok ? ok(new WitnessState(folder, read.value.kept, read.value.listed)) : read;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The latest time that any cosignature has. */
  get lastTime(): number {
    return this.#lastTime;
  }

  last(origin: string): KeptCheckpoint | undefined {
    return this.#kept.get(sha256Hex(origin));
  }

  /** By the hash of the origin, as monitors ask for it. */
  named(originHash: string): KeptCheckpoint | undefined {
    return this.#kept.get(originHash);
  }

  /** A time that is given must not be given out by a later cosignature as an earlier one, whichever log it is of. */
  spend(time: number): void {
    this.#lastTime = Math.max(this.#lastTime, time);
  }

  /**
   * Resolves when it is on the disk, the name of its file as well; rejects when it may not be, and then nothing more may
   * be cosigned. One at a time for each origin.
   */
  async keep(checkpoint: KeptCheckpoint): Promise<void> {
    const name = sha256Hex(checkpoint.origin);
    await replaceFile(join(this.#folder, name), checkpoint.note, true);
    // The list comes second: a file that it does not name is good, a name without a file would stop the witness.
    if (!this.#listed.has(name)) {
      this.#listed.add(name);
      await replaceFile(join(this.#folder, originsName), originsText(this.#listed), true);
    }
    this.#kept.set(name, checkpoint);
  }
}

export const originsName = 'origins';
const nameForm = /^[0-9a-f]{64}$/;
const originsText = (names: ReadonlySet<string>): string =>
  [...names]
    .toSorted()
    .map((name) => `${name}\n`)
    .join('');

const damaged = (file: string, why: string): Refused =>
  refuse(
    'witness-state-damaged',
    'L20',
    `what this witness cosigned last is not sure: \`${file}\` ${why}`,
    { file },
    'put the file back as it was, never an older copy; if it is lost, found a new witness with a new key',
  );

const readText = (file: string): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch {
    return undefined;
  }
};

const readAll = (
  folder: string,
  key: CosignerVerifier,
): Result<{ readonly kept: Map<string, KeptCheckpoint>; readonly listed: Set<string> }> => {
  const list = join(folder, originsName);
  const text = readText(list);
  if (text === undefined) return damaged(list, 'is gone or cannot be read');
  const listed = new Set(text.split('\n').filter((name) => name !== ''));
  if (originsText(listed) !== text || [...listed].some((name) => !nameForm.test(name)))
    return damaged(list, 'is not what a witness wrote');
  const kept = new Map<string, KeptCheckpoint>();
  for (const name of new Set([...listed, ...readdirSync(folder).filter((file) => nameForm.test(file))])) {
    const file = join(folder, name);
    const note = readText(file);
    if (note === undefined) return damaged(file, 'is gone or cannot be read');
    const checkpoint = readKept(note, key);
    if (checkpoint === undefined || sha256Hex(checkpoint.origin) !== name)
      return damaged(file, 'does not hold what this key cosigned');
    kept.set(name, checkpoint);
  }
  return ok({ kept, listed });
};

const readKept = (note: string, key: CosignerVerifier): KeptCheckpoint | undefined => {
  const checked = verifyCosignatures(note, [key]);
  if (!checked.ok) return undefined;
  const [own] = checked.value.cosignatures;
  const checkpoint = parseCheckpoint(checked.value.text);
  if (own === undefined || !checkpoint.ok) return undefined;
  const { origin, size, root } = checkpoint.value;
  return { origin, size, root, time: own.time, note };
};
