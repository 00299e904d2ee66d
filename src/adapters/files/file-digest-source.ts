// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { FactAnswer, FactSource } from '../../app/fact-source.ts';
import { ok, refuse, type JsonValue, type Refused, type Result } from '../../kernel/refusal.ts';

export type FileDigestOptions = {
  /** Folder below which files may be read. */
  readonly root: string;
  /** Larger files are refused; 1 GiB by default. */
  readonly maxBytes?: number;
};

const chunkBytes = 1024 * 1024;

/** The fact source `file-digest(path)`: SHA-256 of a regular file below a root, reached without a link (SPEC F7). */
export const fileDigestSource = ({ root, maxBytes = 1024 ** 3 }: FileDigestOptions): FactSource => ({
  name: 'file-digest',
  gather: async ({ argument, value }) => {
    const parts = partsOf(value);
    if (parts === undefined) return malformed(argument, value);
    try {
      return await digestBelow(root, parts, maxBytes);
    } catch {
      return unreadable(parts.join('/'), 'it is not there, or this server may not read it');
    }
  },
});

// C24: names with `..`, links, drives or odd separators could lead out of the root, or read two ways.
const partsOf = (value: JsonValue): readonly string[] | undefined => {
  if (typeof value !== 'string' || value.length > 1000 || !value.isWellFormed()) return undefined;
  const parts = value.split('/');
  const plain = parts.every((part) => /^[^\\\p{C}:*?"<>|]{1,255}$/u.test(part) && part !== '.' && part !== '..');
  return plain ? parts : undefined;
};

const malformed = (argument: string, value: JsonValue): Refused =>
  refuse(
    'fact-mistyped',
    'F7',
    `fact \`${argument}\` must be a path below the root of this server's files, got \`${String(value).slice(0, 80)}\``,
    { fact: argument },
    'write it like `builds/shop-1.2.tar`: no `..`, no slash at the start, no link',
  );

const unreadable = (path: string, why: string): Refused =>
  refuse(
    'fact-source-failed',
    'F7',
    `the file \`${path.slice(0, 200)}\` cannot be taken: ${why}`,
    { path: path.slice(0, 200) },
    'put a regular file there, below `files.root` of `countersign.yaml`',
  );

const digestBelow = async (root: string, parts: readonly string[], maxBytes: number): Promise<Result<FactAnswer>> => {
  const top = await realpath(root);
  const path = parts.join('/');
  let folder = top;
  for (const part of parts) {
    folder = join(folder, part);
    if ((await lstat(folder)).isSymbolicLink()) return unreadable(path, 'a part of it is a link');
  }
  const handle = await open(folder, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const seen = await handle.stat();
    if (!seen.isFile()) return unreadable(path, 'it is not a regular file');
    if (seen.size > maxBytes) return unreadable(path, `it has ${seen.size} bytes, more than ${maxBytes}`);
    // Again, now that it is open: a folder could have become a link in between.
    const place = await realpath(folder);
    const there = await lstat(place);
    if (!place.startsWith(top + sep) || there.ino !== seen.ino || there.dev !== seen.dev)
      return unreadable(path, 'it was moved while it was read');
    const digest = await digestFile(handle, maxBytes);
    if (digest === undefined) return unreadable(path, `it grew beyond ${maxBytes} bytes`);
    return ok({ value: digest, evidence: null, detail: {} });
  } finally {
    await handle.close();
  }
};

const digestFile = async (handle: FileHandle, maxBytes: number): Promise<string | undefined> => {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(chunkBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunkBytes, at);
    if (bytesRead === 0) return `sha256:${hash.digest('hex')}`;
    at += bytesRead;
    if (at > maxBytes) return undefined;
    hash.update(chunk.subarray(0, bytesRead));
  }
};
