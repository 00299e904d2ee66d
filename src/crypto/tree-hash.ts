// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from 'node:crypto';

/** The hash of the empty tree: SHA-256 of nothing (RFC 6962 section 2.1). */
export const emptyTreeHash = hash('sha256', '', 'hex');

/** Leaf hash, SHA-256(0x00 || leaf), in lowercase hex (RFC 6962 section 2.1). */
export const leafHash = (leaf: string | Uint8Array): string =>
  createHash('sha256').update(leafPrefix).update(leaf).digest('hex');
const leafPrefix = Buffer.from([0]);

const node = Buffer.alloc(65);
node[0] = 1;

/** Node hash, SHA-256(0x01 || left || right), of two hashes in hex. */
export const nodeHash = (left: string, right: string): string => {
  node.write(left, 1, 32, 'hex');
  node.write(right, 33, 32, 'hex');
  return hash('sha256', node, 'hex');
};
