// SPDX-License-Identifier: Apache-2.0
import { openSqliteStore } from '../adapters/sqlite/sqlite-store.ts';
import { replay } from '../app/sequencer-replay.ts';
import { sourceOf } from '../app/sequencer-start.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { addMs, type Instant } from '../kernel/instant.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { noteSigner } from '../crypto/signed-note.ts';
import { signCheckpoint } from '../ledger/checkpoint.ts';
import { encodeEntry, type Entry } from '../ledger/entry.ts';
import { leafHash, rootOf } from '../ledger/merkle.ts';
import { consistencyProof, inclusionProof } from '../ledger/proof.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import { formatTlogProof } from '../ledger/tlog-proof.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { evolve } from '../lifecycle/evolve.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { initialState, type State } from '../lifecycle/state.ts';
import { tenant } from '../server/ledger-folder.ts';
import { readLogSeed } from '../server/log-key.ts';
import { blobsNamed, entriesFor, formatPermitFile } from '../verify/verify.ts';
import { DemoEnded, must } from './steps.ts';

/**
 * Root on the server, with the database and the log key in hand (INV11). Writes any entry with any events, folds them
 * as if they had been decided, and signs checkpoints over them: everything that needs no approver's key.
 */
export class Insider {
  state: State = initialState;
  time: Instant;
  readonly #texts: string[] = [];
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #slab = new MerkleSlab();
  readonly #origin: string;
  readonly #seed: Uint8Array;

  private constructor(origin: string, seed: Uint8Array, time: Instant) {
    this.#origin = origin;
    this.#seed = seed;
    this.time = time;
  }

  /** Reads all that lies on the server's disk. The server is stopped. */
  static async read(dir: string): Promise<Insider> {
    const store = must('store', openSqliteStore(`${dir}/ledger`));
    const head = await store.head(tenant);
    const entries = await store.entries(tenant, 0, head.size);
    const start = { state: lifecycle.initialState, size: 0, time: null };
    const { folded, damage } = await replay(tenant, lifecycle, sourceOf(store, tenant), start, head.size, () => {});
    const { identity } = folded.state;
    if (damage !== undefined || identity === null || head.time === null)
      throw new DemoEnded('the ledger cannot be read');
    const insider = new Insider(identity.origin, must('log key', readLogSeed(`${dir}/log.key`)), head.time);
    insider.state = folded.state;
    for (const { bytes } of entries) insider.#keep(Buffer.from(bytes).toString('utf8'));
    for (const { digest, bytes } of await store.blobs(tenant, '', 1000)) insider.#blobs.set(digest, bytes);
    await store.close();
    return insider;
  }

  #keep(text: string): string {
    this.#texts.push(text);
    const leaf = leafHash(text);
    this.#slab.append(leaf);
    return leaf;
  }

  attach(digest: string, bytes: Uint8Array): void {
    this.#blobs.set(digest, bytes);
  }

  /** Writes an entry that nobody decided. */
  forge(command: Command, events: readonly LifecycleEvent[]): void {
    const index = this.#texts.length;
    const entry = { tenant, index, time: this.time, semantics: 0, command, events } as unknown as Entry;
    const leaf = this.#keep(must('entry', encodeEntry(entry)));
    this.state = evolve(this.state, { index, time: this.time, command, events, leafHash: leaf }, this.#blobs);
    // The next entry is a little later.
    this.time = addMs(this.time, 10);
  }

  #checkpoint(): string {
    const { size } = this.#slab;
    const signer = noteSigner(this.#origin, this.#seed);
    return signCheckpoint({ origin: this.#origin, size, root: rootOf(this.#slab.edge()) }, signer);
  }

  /** A permit file whose every proof holds under a checkpoint that the real log key signed. */
  permitFile(request: string): string {
    const size = this.#slab.size;
    const entries = new Map(entriesFor(this.state, request).map((index) => [index, this.#texts[index] ?? '']));
    const blobs = new Map(
      blobsNamed(entries.values()).map((digest) => [digest, this.#blobs.get(digest) ?? new Uint8Array()]),
    );
    return must(
      'forged file',
      formatPermitFile({
        request,
        entries,
        blobs,
        checkpoint: this.#checkpoint(),
        inclusion: (index) => inclusionProof(size, index, this.#slab.hashAt),
        consistency: (from) => consistencyProof(from, size, this.#slab.hashAt),
      }),
    );
  }

  /** The newest entry with its proof: what a server answers to a consumption. */
  newest(from: number): { readonly entry: string; readonly proof: string; readonly consistency: readonly string[] } {
    const index = this.#texts.length - 1;
    const proof = inclusionProof(this.#slab.size, index, this.#slab.hashAt);
    const consistency = consistencyProof(from, this.#slab.size, this.#slab.hashAt);
    return {
      entry: this.#texts[index] ?? '',
      proof: formatTlogProof({ index, proof, checkpoint: this.#checkpoint() }),
      consistency,
    };
  }
}

export const bytesOf = (document: JsonObject): Uint8Array => Buffer.from(canonicalize(document));
