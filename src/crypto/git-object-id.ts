// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

/** How a git repository names its objects: SHA-1 (40 hex digits) or SHA-256 (64). */
export type GitObjectFormat = 'sha1' | 'sha256';

/** The format a full, lowercase object id belongs to; undefined for names, short ids and anything else (C16). */
export const gitObjectFormat = (id: string): GitObjectFormat | undefined => {
  if (/^[0-9a-f]{40}$/.test(id)) return 'sha1';
  return /^[0-9a-f]{64}$/.test(id) ? 'sha256' : undefined;
};

/** The id git gives to these bytes: the digest of `<type> <length>\0` and the bytes. */
export const gitObjectId = (format: GitObjectFormat, type: string, bytes: Uint8Array): string =>
  createHash(format).update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
