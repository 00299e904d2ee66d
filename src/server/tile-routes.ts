// SPDX-License-Identifier: Apache-2.0
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { bundleBytes, holdsTile, parseTilePath, tileUnknown, tileWidth, type Tile } from '../ledger/tiles.ts';
import { tenant } from './ledger-folder.ts';
import { problemReply } from './reply.ts';
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
  const bytes = wanted === undefined ? undefined : sequencer.tile(wanted);
  if (bytes === undefined) return problemReply(tileUnknown(path).refusal);
  return { status: 200, type: octets, body: bytes, headers: { 'cache-control': `public, ${forEver}` } };
};

/** `GET /ledger/tile/entries/{tile}`: what the entries say is for readers. */
export const bundle: Handler = async ({ sequencer, ledger }, call) => {
  const { path, tile: wanted } = named(call, 'entries');
  if (wanted === undefined || !holdsTile(wanted, sequencer.signedHead()?.size ?? 0))
    return problemReply(tileUnknown(path).refusal);
  const from = wanted.index * tileWidth;
  const stored = await ledger.store.entries(tenant, from, from + wanted.width);
  const bytes = bundleBytes(stored.map((entry) => entry.bytes));
  const headers = { 'cache-control': `private, ${forEver}`, vary: 'accept-encoding' };
  return call.takesGzip
    ? { status: 200, type: octets, body: await compress(bytes), headers: { ...headers, 'content-encoding': 'gzip' } }
    : { status: 200, type: octets, body: bytes, headers };
};
