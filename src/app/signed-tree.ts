// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { leafHash, rootOf } from '../ledger/merkle.ts';
import { consistencyProof, inclusionProof } from '../ledger/proof.ts';
import type { MerkleSlab } from '../ledger/slab.ts';
import { holdsTile, tileBytes, type Tile } from '../ledger/tiles.ts';
import { formatTlogProof, type TlogProof } from '../ledger/tlog-proof.ts';
import type { SignedHead } from './sequencer-start.ts';

const entryUnknown = (message: string): Refused =>
  refuse('entry-unknown', 'L3', message, {}, 'ask for an index below the size of the latest checkpoint');

/** The tree as others may see it: the slab may have grown beyond the newest checkpoint, and nothing of that is shown. */
export class SignedTree {
  readonly #slab: MerkleSlab;
  readonly #signed: () => SignedHead | undefined;

  constructor(slab: MerkleSlab, signed: () => SignedHead | undefined) {
    this.#slab = slab;
    this.#signed = signed;
  }

  /** Proof that the entry stands under the newest signed checkpoint, in parts. */
  prove(index: number): Result<TlogProof> {
    const signed = this.#signed();
    if (signed === undefined || !Number.isSafeInteger(index) || index < 0 || index >= signed.size)
      return entryUnknown(`there is no signed entry ${index}`);
    return ok({ index, proof: inclusionProof(signed.size, index, this.#slab.hashAt), checkpoint: signed.note });
  }

  /** The same under an earlier head that this tree holds. */
  proveUnder(index: number, { size, root, note }: SignedHead): Result<TlogProof> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size || this.rootAt(size) !== root)
      return entryUnknown(`there is no entry ${index} under that checkpoint of size ${size}`);
    return ok({ index, proof: inclusionProof(size, index, this.#slab.hashAt), checkpoint: note });
  }

  /** The same as one text (c2sp.org/tlog-proof). */
  receipt(index: number): Result<string> {
    const proof = this.prove(index);
    return proof.ok ? ok(formatTlogProof(proof.value)) : proof;
  }

  /** Hashes of the tree as c2sp.org/tlog-tiles serves them, as far as the newest checkpoint goes; undefined beyond. */
  tile(tile: Tile): Uint8Array | undefined {
    const size = this.#signed()?.size ?? 0;
    return tile.level !== 'entries' && holdsTile(tile, size) ? tileBytes(tile, this.#slab.hashAt) : undefined;
  }

  /** Proof that the ledger at `to`, by default the newest signed size, holds the one at `from` unchanged. */
  consistency(from: number, to: number = this.#signed()?.size ?? 0): Result<readonly string[]> {
    if (
      !Number.isSafeInteger(from) ||
      !Number.isSafeInteger(to) ||
      from < 0 ||
      from > to ||
      to > (this.#signed()?.size ?? 0)
    )
      return entryUnknown(`there is no way from size ${from} to ${to}`);
    return ok(consistencyProof(from, to, this.#slab.hashAt));
  }

  /** Whether these are the bytes of that entry, signed or about to be. */
  holds(index: number, bytes: Uint8Array): boolean {
    return index >= 0 && index < this.#slab.size && this.#slab.hashAt(0, index) === leafHash(bytes);
  }

  /** Root of an earlier size, or undefined beyond what is signed. */
  rootAt(size: number): string | undefined {
    return Number.isSafeInteger(size) && size >= 0 && size <= (this.#signed()?.size ?? -1)
      ? rootOf(this.#slab.edge(size))
      : undefined;
  }
}
