// SPDX-License-Identifier: Apache-2.0
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { refuse } from '../kernel/refusal.ts';
import { leafHash } from '../ledger/merkle.ts';
import { bundleBytes, holdsTile, parseTilePath, tileUnknown, tileWidth, type Tile } from '../ledger/tiles.ts';
import { tenant } from './ledger-folder.ts';
import { problemReply, type Reply } from './reply.ts';
import type { Call, Handler } from './server-context.ts';

const compress = promisify(gzip);
// A tile never changes, a partial one neither: a larger one has another path.
const forEver = 'max-age=31536000, immutable';
const octets = 'application/octet-stream';

const named = (call: Call, level: string): { readonly path: string; readonly tile: Tile | undefined } => {
  const path = `${level}/${call.params['tile'] ?? ''}`;
  const parsed = parseTilePath(path);
  return { path, tile: parsed.ok ? parsed.value : undefined };
};

/** `GET /ledger/tile/{level}/{tile}`: hashes say nothing of what they are of, so that anybody may have them. */
export const tile: Handler = ({ sequencer }, call) => {
  const { path, tile: wanted } = named(call, call.params['level'] ?? '');
  const bytes = wanted === undefined ? undefined : sequencer.tree.tile(wanted);
  if (bytes === undefined) return problemReply(tileUnknown(path).refusal);
  return { status: 200, type: octets, body: bytes, headers: { 'cache-control': `public, ${forEver}` } };
};

// Compressing a bundle takes up to half a second of the pool that also checks signatures.
const mostPacked = 2;
let packed = 0;

/** `GET /ledger/tile/entries/{tile}`: what the entries say is for readers. */
export const bundle: Handler = async ({ sequencer, ledger }, call) => {
  const { path, tile: wanted } = named(call, 'entries');
  if (wanted === undefined || !holdsTile(wanted, sequencer.signedHead()?.size ?? 0))
    return problemReply(tileUnknown(path).refusal);
  const from = wanted.index * tileWidth;
  const stored = await ledger.store.entries(tenant, from, from + wanted.width);
  // Others keep what they get: it has to be what the tree says.
  const leaves = Buffer.from(stored.map(({ bytes }) => leafHash(bytes)).join(''), 'hex');
  if (!leaves.equals(sequencer.tree.tile({ ...wanted, level: 0 }) ?? Buffer.alloc(0))) return damaged(path);
  const bytes = bundleBytes(stored.map((entry) => entry.bytes));
  const headers = { 'cache-control': 'private, max-age=86400', vary: 'accept-encoding, authorization, cookie' };
  if (!call.takesGzip || packed >= mostPacked) return { status: 200, type: octets, body: bytes, headers };
  packed += 1;
  try {
    const body = await compress(bytes);
    return { status: 200, type: octets, body, headers: { ...headers, 'content-encoding': 'gzip' } };
  } finally {
    packed -= 1;
  }
};

const damaged = (path: string): Reply =>
  problemReply(
    refuse(
      'ledger-damaged',
      'L13',
      `the stored entries of bundle \`${path}\` are not those of the tree`,
      { path },
      'whoever runs the server looks with `countersign ledger fsck`',
    ).refusal,
  );
