// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { homedir, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where a person's or a pipeline's own memory lies: pins, checkpoints, sessions, the journal of runs. */
export const homeFolder = (env: Readonly<Record<string, string | undefined>>): string =>
  env['COUNTERSIGN_HOME'] ?? join(homedir(), '.countersign');

/** The file's text, or undefined when there is none. */
export const readHomeFile = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** Writes all of it or nothing, durably, readable by its owner only. */
export const writeHomeFile = (path: string, text: string | Uint8Array): void => {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const handle = openSync(beside, 'wx', 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, path);
  syncFolder(folder);
};

const staleMs = 20_000;
const holder = `${hostname()} ${process.pid}\n`;

/**
 * Runs `work` while no other process of this home does, so that two command lines at once cannot write an older
 * checkpoint over a newer one. A lock whose owner was killed is taken over at once, any other after 20 s.
 */
export const withHomeLock = async <T>(path: string, work: () => T | Promise<T>): Promise<T> => {
  const lock = `${path}.lock`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let tries = 0; ; tries += 1) {
    try {
      writeFileSync(lock, holder, { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const left = leftBehind(lock);
      if (left === undefined) await sleep(10 + (tries % 7));
      else takeAway(lock, left);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
};

/** What stands in a lock that nobody holds any more; undefined while somebody may. */
const leftBehind = (lock: string): string | undefined => {
  try {
    const text = readFileSync(lock, 'utf8');
    const [host, pid] = text.trim().split(' ');
    const gone = host === hostname() && /^\d+$/.test(pid ?? '') && !isAlive(Number(pid));
    return gone || Date.now() - statSync(lock).mtimeMs > staleMs ? text : undefined;
  } catch {
    return undefined;
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

// Moved away first: of several who want to, one can. Whoever moved a lock that was taken anew meanwhile puts it back.
const takeAway = (lock: string, left: string): void => {
  const aside = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    renameSync(lock, aside);
    if (readFileSync(aside, 'utf8') !== left) linkSync(aside, lock);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  rmSync(aside, { force: true });
};
