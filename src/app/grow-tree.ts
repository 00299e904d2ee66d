// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { Checkpoint } from '../ledger/checkpoint.ts';
import { rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import { SignedTree } from './signed-tree.ts';

export type LeafHashes = (from: number, to: number) => Promise<readonly string[]>;

const hashesAtOnce = 4096;

const append = async (slab: MerkleSlab, leafHashes: LeafHashes, to: number): Promise<boolean> => {
  while (slab.size < to) {
    const page = await leafHashes(slab.size, Math.min(to, slab.size + hashesAtOnce));
    if (page.length === 0 || !page.every((hash) => /^[0-9a-f]{64}$/.test(hash))) return false;
    for (const hash of page) slab.append(hash);
  }
  return true;
};

/**
 * The tree up to a signed checkpoint, 64 bytes an entry: from what a copy holds already, then from where it is copied
 * from. Where the two do not fit together, the tree is that of the source alone, if that one leads to the checkpoint;
 * `copyTiles` then finds that the copy is of another history.
 */
export const growTree = async (
  copy: { readonly leafHashes: LeafHashes; readonly size: number; readonly root: string; readonly name: string },
  source: LeafHashes,
  { size, root }: Checkpoint,
): Promise<Result<SignedTree>> => {
  const treeOf = (slab: MerkleSlab): Result<SignedTree> =>
    ok(new SignedTree(slab, () => ({ size: slab.size, root: rootOf(slab.edge()), note: '' })));
  const slab = new MerkleSlab();
  if (copy.size <= size) {
    if (!(await append(slab, copy.leafHashes, copy.size)) || rootOf(slab.edge()) !== copy.root)
      return refuse(
        'ledger-damaged',
        'L27',
        `the tiles in \`${copy.name}\` do not lead to the checkpoint that lies beside them`,
        { folder: copy.name },
        'look with `countersign ledger verify`, and copy into a new folder',
      );
    if ((await append(slab, source, size)) && rootOf(slab.edge()) === root) return treeOf(slab);
  }
  const alone = new MerkleSlab();
  if ((await append(alone, source, size)) && rootOf(alone.edge()) === root) return treeOf(alone);
  return refuse(
    'ledger-damaged',
    'L27',
    `the hashes of the entries do not lead to the checkpoint of size ${size}`,
    { size },
    'nothing of it is kept; look with `countersign ledger fsck`, or ask whoever runs the server to',
  );
};
