// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
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

/**
 * Runs `work` while no other process of this home does, so that two command lines at once cannot write an older
 * checkpoint over a newer one. A lock that its owner left behind is taken over after 20 s.
 */
export const withHomeLock = async <T>(path: string, work: () => T | Promise<T>): Promise<T> => {
  const lock = `${path}.lock`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let tries = 0; ; tries += 1) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isStale(lock) || tries > 1500) removeLock(lock);
      else await sleep(10 + (tries % 7));
    }
  }
  try {
    return await work();
  } finally {
    removeLock(lock);
  }
};

const isStale = (lock: string): boolean => {
  try {
    return Date.now() - statSync(lock).mtimeMs > staleMs;
  } catch {
    return false;
  }
};
const removeLock = (lock: string): void => {
  try {
    rmdirSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};
