// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { readHomeFile, writeHomeFile } from '../client/home-file.ts';
import { canonicalize, parseJson } from '../kernel/canonical-json.ts';
import { isObject, literal, integer, matching, nullable, shape, text, type Checked } from '../kernel/shape.ts';
import { digest, fingerprint, permitId, principal, requestId } from '../kernel/statements.ts';

/**
 * What this machine is about to run, runs, or ran, written down durably before each step: whoever starts next knows
 * which permits were used up without anybody knowing the outcome. Nothing in it starts anything again (SPEC W5).
 */
const runRecord = shape({
  server: text(300),
  pin: digest,
  request: requestId,
  permit: permitId,
  principal,
  key: fingerprint,
  /** Before the permit is used; after that; after the command ended. */
  phase: literal('consuming', 'running', 'ended'),
  outcome: nullable(literal('succeeded', 'failed', 'unknown')),
  exit_code: nullable(integer(0, 255)),
  output: nullable(digest),
  /** The process that writes this, and when it began, so that another one under its number is not taken for it. */
  pid: integer(1),
  began: matching(/^[0-9a-z:.-]{1,40}$/, 'when the process began'),
});
export type RunRecord = Checked<typeof runRecord>;

// Linux says when a process began; elsewhere the number alone must do.
const beganOf = (pid: number): string => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    return fields[19] ?? 'unknown';
  } catch {
    return 'unknown';
  }
};

type Owner = Pick<RunRecord, 'pid' | 'began'>;

const isAlive = ({ pid, began }: Owner): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' && beganOf(pid) === began;
  }
  return beganOf(pid) === began;
};

export type RunJournal = {
  /** Private folder of this run. */
  readonly folder: string;
  readonly write: (record: Omit<RunRecord, 'pid' | 'began'>) => void;
  /** Forgets the run: its result stands in the ledger, or its permit was never used. */
  readonly close: () => void;
  /** The same, as long as no permit was about to be used. */
  readonly closeIfUnused: () => void;
};

/** Who waits with this folder, until there is a record of a run. */
const ownerFile = 'waiting.json';
const owner = shape({ pid: integer(1), began: matching(/^[0-9a-z:.-]{1,40}$/, 'when the process began') });
const leftAfterMs = 86_400_000;

// A process that was killed while it waited leaves its private copies behind. Nothing of it was used; after a day they
// go, unless somebody still waits with them.
const isLeft = (folder: string): boolean => {
  if (Date.now() - statSync(folder).mtimeMs < leftAfterMs) return false;
  const parsed = parseJson(readHomeFile(join(folder, ownerFile)) ?? '');
  const known = parsed.ok ? owner(parsed.value, '') : undefined;
  return known?.ok !== true || !isAlive(known.value);
};

const runsOf = (home: string): string => join(home, 'runs');

export const openRunJournal = (home: string): RunJournal => {
  const folder = join(runsOf(home), randomBytes(8).toString('hex'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeHomeFile(join(folder, ownerFile), canonicalize({ pid: process.pid, began: beganOf(process.pid) }));
  let written = false;
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  return {
    folder,
    write: (record) => {
      written = true;
      const began = beganOf(process.pid);
      writeHomeFile(join(folder, 'run.json'), canonicalize({ ...record, pid: process.pid, began }));
    },
    close,
    closeIfUnused: () => {
      if (!written) close();
    },
  };
};

export type Unfinished = { readonly record: RunRecord; readonly close: () => void };

/** Runs whose process is gone and whose result is not in the ledger. One that cannot be read is told of, never dropped. */
export const unfinishedRuns = (
  home: string,
): { readonly runs: readonly Unfinished[]; readonly unreadable: readonly string[] } => {
  const runs: Unfinished[] = [];
  const unreadable: string[] = [];
  for (const name of namesIn(runsOf(home))) {
    const folder = join(runsOf(home), name);
    const bytes = readHomeFile(join(folder, 'run.json'));
    // Without a record no permit was about to be used.
    if (bytes === undefined) {
      if (isLeft(folder)) rmSync(folder, { recursive: true, force: true });
      continue;
    }
    const parsed = parseJson(bytes);
    const record = parsed.ok && isObject(parsed.value) ? runRecord(parsed.value, '') : undefined;
    if (record?.ok !== true) unreadable.push(folder);
    else if (!isAlive(record.value))
      runs.push({ record: record.value, close: () => rmSync(folder, { recursive: true, force: true }) });
  }
  return { runs, unreadable };
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};
