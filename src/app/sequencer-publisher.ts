// SPDX-License-Identifier: Apache-2.0
import type { NoteSigner } from '../crypto/signed-note.ts';
import type { FoldedEntry } from '../kernel/decider.ts';
import { signCheckpoint } from '../ledger/checkpoint.ts';
import { rootOf } from '../ledger/merkle.ts';
import type { MerkleSlab } from '../ledger/slab.ts';
import type { MarkKeeper } from './mark.ts';
import type { FoldedOn } from './sequencer-batch.ts';
import type { Folded } from './sequencer-replay.ts';
import type { SignedHead } from './sequencer-start.ts';

export type PublisherOptions = {
  /** First line of checkpoints. */
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly mark: MarkKeeper;
};

/** Told of each new signed head, with the entries since the one before; null when they are too many to hand on. */
export type PublishedListener<Command, Event> = (
  head: SignedHead,
  entries: readonly FoldedEntry<Command, Event>[] | null,
) => void;

/**
 * What readers may see of a ledger: what is durable, signed, and marked outside the database, in this order (design 5).
 * The next batch may be decided while the mark of the one before is being written; nobody sees or is answered for
 * anything before its own mark stands (SPEC L10).
 */
export class Publisher<State, Command, Event> {
  readonly #options: PublisherOptions;
  readonly #slab: MerkleSlab;
  readonly #onPublished: PublishedListener<Command, Event>;
  #folded: Folded<State>;
  #signed: SignedHead | undefined;
  /** The newest that is durable. */
  #durable: Folded<State>;
  /** Durable entries that nobody was told of yet, and up to which size some of them were not kept. */
  #untold: FoldedEntry<Command, Event>[] = [];
  #leftOut = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(
    options: PublisherOptions,
    { folded, slab, signed }: { folded: Folded<State>; slab: MerkleSlab; signed: SignedHead | undefined },
    onPublished: PublishedListener<Command, Event>,
  ) {
    this.#options = options;
    this.#slab = slab;
    this.#onPublished = onPublished;
    this.#folded = folded;
    this.#durable = folded;
    this.#signed = signed;
  }

  folded(): Folded<State> {
    return this.#folded;
  }

  signed(): SignedHead | undefined {
    return this.#signed;
  }

  /** Publishes what the ledger holds at its start, whether or not a mark says so already. */
  async first(): Promise<void> {
    await this.#publish();
  }

  /**
   * Resolves when what is durable now has been published; several that wait share one mark. Rejects when that may never
   * be, and from then on always: entries are durable and their mark may not be, so there is no way on.
   */
  async reach({ after: durable, entries }: FoldedOn<State, Command, Event>): Promise<void> {
    if (durable.size > this.#durable.size) this.#durable = durable;
    if (entries === null) this.#leftOut = durable.size;
    else this.#untold.push(...entries);
    if (this.#failure !== undefined) throw this.#failure.error;
    while (this.#folded.size < durable.size) {
      this.#writing ??= this.#publish();
      await this.#writing;
    }
  }

  async #publish(): Promise<void> {
    const { origin, signer, mark } = this.#options;
    const folded = this.#durable;
    const { size } = folded;
    try {
      const root = rootOf(this.#slab.edge(size));
      const note = this.#signed?.size === size ? this.#signed.note : signCheckpoint({ origin, size, root }, signer);
      await mark.write({ checkpoint: note, root, size });
      this.#writing = undefined;
      this.#folded = folded;
      this.#signed = { size, root, note };
      this.#tell(this.#signed);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #tell(head: SignedHead): void {
    const later = this.#untold.findIndex(({ index }) => index >= head.size);
    const told = this.#untold.splice(0, later < 0 ? this.#untold.length : later);
    const whole = this.#leftOut === 0;
    if (head.size >= this.#leftOut) this.#leftOut = 0;
    this.#onPublished(head, whole ? told : null);
  }
}
