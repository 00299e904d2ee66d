// SPDX-License-Identifier: Apache-2.0
import { encodeBase64 } from '../kernel/base64.ts';
import { BrokenInvariant, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { cosignedNotes } from '../verify/collect-witnessed.ts';
import { blobsNamed, endsOf, entriesFor, type FileParts } from '../verify/collect.ts';
import { blobAsAppended, entryAsAppended } from './as-appended.ts';
import { tenant, type RunningLedger } from './ledger-folder.ts';
import type { ServerContext } from './server-context.ts';

const entriesKept = 4096;
const blobBytesKept = 32 * 1024 * 1024;

/** Texts of entries and documents, those asked for lately kept at hand: neither ever changes. */
export class Papers {
  readonly #ledger: RunningLedger;
  readonly #entries = new Map<number, string>();
  readonly #blobs = new Map<string, string>();
  #blobBytes = 0;

  constructor(ledger: RunningLedger) {
    this.#ledger = ledger;
  }

  /** Keeps an entry that was just answered, for the permit that will soon be made of it. */
  note(index: number, text: string): void {
    if (this.#entries.size >= entriesKept) this.#entries.delete(this.#entries.keys().next().value ?? -1);
    this.#entries.set(index, text);
  }

  async entry(index: number): Promise<string> {
    const known = this.#entries.get(index);
    if (known !== undefined) return known;
    const [stored] = await this.#ledger.store.entries(tenant, index, index + 1);
    const bytes = entryAsAppended(this.#ledger.sequencer.tree, index, stored);
    const text = Buffer.from(bytes).toString('utf8');
    this.note(index, text);
    return text;
  }

  /** Base64 of a document that an entry names. */
  async blob(digest: string): Promise<string> {
    const known = this.#blobs.get(digest);
    if (known !== undefined) return known;
    const bytes = await this.#ledger.store.blob(tenant, digest);
    const base64 = encodeBase64(blobAsAppended(digest, bytes));
    for (const [oldest, text] of this.#blobs) {
      if (this.#blobBytes + base64.length <= blobBytesKept) break;
      this.#blobs.delete(oldest);
      this.#blobBytes -= text.length;
    }
    this.#blobs.set(digest, base64);
    this.#blobBytes += base64.length;
    return base64;
  }
}

/** A checkpoint and where one entry stands under it: what a permit was first sent with. */
export type KeptProof = {
  readonly index: number;
  readonly size: number;
  readonly note: string;
  readonly inclusion: readonly string[];
};

const valueOf = <T>(result: Result<T>): T => {
  if (!result.ok) throw new BrokenInvariant(result.refusal.message);
  return result.value;
};

// With the heartbeat, so that whoever gets the file can ask how fresh it is; plain while the server says none.
const headNow = async ({ sequencer, heads }: ServerContext) => {
  const stamped = await heads.stamped();
  const head = sequencer.signedHead();
  if (head === undefined) throw new BrokenInvariant('no checkpoint is signed');
  return stamped?.size === head.size ? stamped : head;
};

/** Proof of an entry under the newest checkpoint; under one that witnesses have come to, where they are asked for. */
export const proofNow = async (context: ServerContext, index: number): Promise<KeptProof> => {
  const witnessed = await context.heads.witnessed(index + 1);
  if (witnessed !== undefined) {
    const { size, note } = witnessed;
    return { index, size, note, inclusion: valueOf(context.sequencer.tree.proveUnder(index, witnessed)).proof };
  }
  const { size, note } = await headNow(context);
  return { index, size, note, inclusion: valueOf(context.sequencer.tree.prove(index)).proof };
};

/**
 * Notes that witnesses cosigned, from where the lock counts up to now (SPEC Y11). What is kept beside the ledger, or
 * was said before it was cut, may be of another history: that is none of this ledger's.
 */
const cosignedFor = async (
  { sequencer, heads }: ServerContext,
  entries: ReadonlyMap<number, string>,
  request: string,
): Promise<readonly (string | undefined)[]> => {
  const { met, permit } = endsOf(entries, request);
  if (permit === undefined) return [];
  const first = met === undefined ? undefined : await heads.coveringAtLeast(met + 1);
  const notes = [first, await heads.coveringAtLeast(permit + 1), heads.newest()?.note];
  return notes.filter((note) => {
    const checkpoint = readCheckpointNote(note ?? '');
    return checkpoint.ok && sequencer.tree.rootAt(checkpoint.value.size) === checkpoint.value.root;
  });
};

/**
 * Everything that a permit file, an evidence bundle or a case about this request is made of. All its proofs are under
 * one checkpoint: the newest, or the one that was kept.
 */
export const partsFor = async (context: ServerContext, request: string, kept?: KeptProof): Promise<FileParts> => {
  const { sequencer, papers } = context;
  const entries = new Map<number, string>();
  for (const index of entriesFor(sequencer.state(), request)) entries.set(index, await papers.entry(index));
  const blobs = new Map<string, string>();
  for (const digest of blobsNamed(entries.values())) blobs.set(digest, await papers.blob(digest));
  const notes = cosignedNotes(await cosignedFor(context, entries, request));
  const head = kept ?? (await headNow(context));
  const under = { size: head.size, root: sequencer.tree.rootAt(head.size) ?? '', note: head.note };
  // From here on nothing is awaited, so that the head stays the same for all proofs.
  return {
    request,
    entries,
    blobs,
    checkpoint: head.note,
    inclusion: (index) =>
      kept?.index === index ? kept.inclusion : valueOf(sequencer.tree.proveUnder(index, under)).proof,
    consistency: (from) => valueOf(sequencer.tree.consistency(from, head.size)),
    witnessed: { notes, consistency: (from, to) => valueOf(sequencer.tree.consistency(from, to)) },
  };
};
