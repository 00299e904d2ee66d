// SPDX-License-Identifier: Apache-2.0
import { checkpointPath, type TileSource } from '../app/tile-place.ts';
import { readTiles } from '../app/tile-store.ts';
import type { Client } from '../client/connect.ts';
import { StoreFailure } from '../ledger/store.ts';
import { copyInto, tellCopied } from './ledger-export.ts';
import { openClient } from './open-client.ts';
import type { ClientOptions } from './options.ts';
import { orFail } from './output.ts';

// What a server says when it has no such thing, and when it does not answer, are two answers.
const absent = new Set(['tile-unknown', 'entry-unknown', 'route-unknown']);

/** The tiles, bundles and documents of a running server as one place to read from, under the checkpoint it showed. */
const servedTiles = ({ server, getBytes, seen }: Client): TileSource => {
  const { note } = seen();
  return {
    name: server,
    get: async (path) => {
      if (path === checkpointPath) return Buffer.from(note);
      const at = path.startsWith('blob/') ? `/v1/ledger/blobs/sha256:${path.slice('blob/'.length)}` : `/ledger/${path}`;
      const answer = await getBytes(at);
      if (answer.ok) return answer.value;
      if (absent.has(answer.refusal.code)) return undefined;
      throw new StoreFailure(answer.refusal, 'nothing-written');
    },
    list: () => Promise.resolve([]),
  };
};

/**
 * `ledger export --server`: a reader's own copy of a running ledger. The server is met as by every other verb, so the
 * pin and what this machine has seen are held against it; then every tile, entry and document against its checkpoint.
 */
export const exportFromServer = async (out: string, options: ClientOptions): Promise<void> => {
  const client = await openClient(options);
  const { pin, trial, logKey } = client.anchor;
  const tiles = readTiles(servedTiles(client));
  const copied = orFail(
    await copyInto(out, {
      identity: { ledger: pin, trial, logKey },
      note: client.seen().note,
      supply: {
        entries: (from, to) => tiles.entries('', from, to),
        blob: (digest) => tiles.blob('', digest),
      },
      leafHashes: (from, to) => tiles.leafHashes('', from, to),
    }),
  );
  tellCopied(out, copied, trial, options.json);
};
