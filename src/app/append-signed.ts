// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { appendLeaf, leafHash, rootOf } from '../ledger/merkle.ts';
import type { LedgerHead, LedgerStore, StoredBlob, StoredEntry } from '../ledger/store.ts';
import { tileWidth } from '../ledger/tiles.ts';
import type { TileSupply } from './copy-tiles.ts';
import { attachmentsNamed } from './sequencer-replay.ts';
import type { SignedTree } from './signed-tree.ts';

export type AppendOptions = {
  readonly store: LedgerStore;
  readonly tenant: string;
  readonly supply: TileSupply;
  /** The tree of a signed checkpoint, and its size: what is appended is held against it. */
  readonly tree: SignedTree;
  readonly size: number;
};

const damaged = (index: number, what: string): Refused =>
  refuse(
    'ledger-damaged',
    'L28',
    `entry ${index}: ${what}`,
    { index },
    'what was put back before it is right; fetch the copy again and go on',
  );

/**
 * Puts entries of a signed tree into a store that ends before it, as they are and with their documents (SPEC L28).
 * Nothing is decided again here: whoever calls has replayed them. A page is durable or it is not, so that a store
 * whose filling was interrupted is a shorter ledger, and can be filled on.
 */
export const appendSigned = async (options: AppendOptions): Promise<Result<null>> => {
  const { store, tenant, tree, size } = options;
  let head = await store.head(tenant);
  if (tree.rootAt(head.size) !== head.root)
    return refuse(
      'history-forked',
      'L28',
      `the ledger of ${head.size} entries is no beginning of the one of ${size}`,
      { size, had: head.size },
      'nothing was put back; compare both with checkpoints that other people hold',
    );
  while (head.size < size) {
    const page = await readPage(options, head.size);
    if (!page.ok) return page;
    const { entries, blobs } = page.value;
    const after = afterPage(head, entries);
    await store.batch(tenant, async (tx) => {
      for (const blob of blobs) await tx.putBlob(blob);
      await tx.insert(entries, await tx.head(), after);
    });
    head = after;
  }
  return ok(null);
};

const afterPage = (head: LedgerHead, entries: readonly StoredEntry[]): LedgerHead => {
  let { edge } = head;
  for (const { leafHash: hash } of entries) edge = appendLeaf(edge, hash);
  const last = parseEntry(entries.at(-1)?.bytes ?? '');
  return { size: edge.size, root: rootOf(edge), edge, time: last.ok ? last.value.time : null };
};

type Page = { readonly entries: readonly StoredEntry[]; readonly blobs: readonly StoredBlob[] };

const readPage = async ({ supply, tree, size }: AppendOptions, from: number): Promise<Result<Page>> => {
  const tile = Math.floor(from / tileWidth);
  const to = Math.min(size, (tile + 1) * tileWidth);
  const leaves = tree.tile({ level: 0, index: tile, width: to - tile * tileWidth });
  const stored = await supply.entries(from, to);
  const [entries, blobs]: [StoredEntry[], StoredBlob[]] = [[], []];
  for (let index = from; index < to; index += 1) {
    const at = (index - tile * tileWidth) * 32;
    const signed = Buffer.from(leaves?.subarray(at, at + 32) ?? '').toString('hex');
    const bytes = stored[index - from]?.bytes;
    if (bytes === undefined || leafHash(bytes) !== signed)
      return damaged(index, 'it is missing, or not what the signed tree says');
    const entry = parseEntry(bytes);
    if (!entry.ok) return damaged(index, entry.refusal.message);
    for (const digest of attachmentsNamed(entry.value.command)) {
      const blob = await supply.blob(digest);
      if (blob === undefined || digestOf(blob) !== digest)
        return damaged(index, `its attachment \`${digest}\` is missing or was changed`);
      blobs.push({ digest, bytes: blob });
    }
    entries.push({ index, bytes, leafHash: signed });
  }
  return ok({ entries, blobs });
};
