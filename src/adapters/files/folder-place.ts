// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { TilePlace } from '../../app/tile-place.ts';
import { refuse } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';

/** More than any resource may have: a bundle holds at most 256 entries of 64 KiB, an attachment at most 16 MiB. */
const maxBytes = 32 * 1024 * 1024;
const unfinished = '.new';

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? error);
const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error));

const failure = (folder: string, path: string, why: string, code: 'store-io' | 'store-full' | 'store-corrupt') =>
  new StoreFailure(
    refuse(
      code,
      'L8',
      `\`${join(folder, path)}\`: ${why}`,
      { folder, path },
      'look at the folder, its disk and its permissions',
    ).refusal,
    'nothing-written',
  );

const failed = (folder: string, path: string, error: unknown): StoreFailure =>
  error instanceof StoreFailure
    ? error
    : failure(folder, path, codeOf(error), ['ENOSPC', 'EDQUOT'].includes(codeOf(error)) ? 'store-full' : 'store-io');

// Paths are made by us, but also read from other people's ledgers: none may lead out of the folder.
const pathForm = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/**
 * A ledger folder on this machine, for its owner alone: entries are for readers. Files are written beside their place
 * and moved there, so that whoever serves the folder never shows half a file.
 */
export const folderPlace = (given: string): TilePlace => {
  const folder = resolve(given);
  const fileOf = (path: string): string => {
    if (!pathForm.test(path)) throw failure(folder, path, 'it is no path of a ledger folder', 'store-corrupt');
    return join(folder, path);
  };
  const guarded = async <T>(path: string, work: (file: string) => Promise<T>): Promise<T> => {
    try {
      return await work(fileOf(path));
    } catch (error) {
      throw failed(folder, path, error);
    }
  };
  return {
    name: given,
    get: (path) =>
      guarded(path, async (file) => {
        try {
          return await readRegular(file, (why) => failure(folder, path, why, 'store-corrupt'));
        } catch (error) {
          if (isGone(error)) return undefined;
          throw error;
        }
      }),
    put: (path, bytes) =>
      guarded(path, async (file) => {
        const beside = join(folder, unfinished, crypto.randomUUID());
        for (const one of [path, `${unfinished}/`])
          if (await leadsElsewhere(folder, one)) throw failure(folder, path, 'a folder above it is a link', 'store-io');
        await mkdir(dirname(beside), { recursive: true, mode: 0o700 });
        await makeFolder(folder, dirname(file));
        try {
          await writeDurably(beside, bytes);
          await rename(beside, file);
          await syncFolder(dirname(file));
        } finally {
          await rm(beside, { force: true });
        }
      }),
    remove: (path) =>
      guarded(path, async (file) => {
        await rm(file, { force: true });
        // The last partial tile takes its folder along.
        await rmdir(dirname(file)).catch(() => undefined);
      }),
    list: async (prefix) => {
      try {
        const found: string[] = [];
        await walk(folder, '', prefix, found);
        return found.sort();
      } catch (error) {
        throw failed(folder, prefix, error);
      }
    },
  };
};

// Whoever filled the folder chose what lies there: of a pipe or a device no size is true and no end comes.
const readRegular = async (file: string, wrong: (why: string) => StoreFailure): Promise<Uint8Array> => {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw wrong('it is no regular file');
    if (found.size > maxBytes) throw wrong(`it has ${found.size} bytes`);
    const bytes = Buffer.alloc(found.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = (await handle.read(bytes, length, bytes.length - length, length)).bytesRead;
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
};

// A link among the folders of a path would have us write, and make folders, wherever it leads.
const leadsElsewhere = async (folder: string, path: string): Promise<boolean> => {
  let at = folder;
  for (const part of path.split('/').slice(0, -1)) {
    at = join(at, part);
    const found = await lstat(at).catch((error: unknown) => (isGone(error) ? undefined : Promise.reject(error)));
    if (found === undefined) return false;
    if (found.isSymbolicLink()) return true;
  }
  return false;
};

/** Takes away what a process that was killed left half written. Only for whoever knows that nobody else is writing. */
export const clearUnfinished = (folder: string): Promise<void> =>
  rm(join(folder, unfinished), { recursive: true, force: true });

const walk = async (folder: string, at: string, prefix: string, found: string[]): Promise<void> => {
  let names: readonly { readonly name: string; isDirectory(): boolean }[];
  try {
    names = await readdir(join(folder, at), { withFileTypes: true });
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  for (const entry of names) {
    const path = at === '' ? entry.name : `${at}/${entry.name}`;
    if (path === unfinished) continue;
    if (entry.isDirectory()) {
      if (`${path}/`.startsWith(prefix) || prefix.startsWith(`${path}/`)) await walk(folder, path, prefix, found);
    } else if (path.startsWith(prefix)) found.push(path);
  }
};

const writeDurably = async (file: string, bytes: Uint8Array): Promise<void> => {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

// A new folder is only there for good once the one above it is synced.
const makeFolder = async (top: string, folder: string): Promise<void> => {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = folder; at.length >= top.length; at = dirname(at)) await syncFolder(dirname(at));
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
