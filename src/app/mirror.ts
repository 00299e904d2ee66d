// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuse, type Refusal } from '../kernel/refusal.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { copyTiles } from './copy-tiles.ts';
import type { SignedHead } from './sequencer-start.ts';
import type { Damage } from './sequencer-replay.ts';
import type { SignedTree } from './signed-tree.ts';
import type { TilePlace } from './tile-place.ts';

/** What a mirror needs of the ledger that it follows. */
export type Mirrored = {
  readonly tree: SignedTree;
  readonly signedHead: () => SignedHead | undefined;
  readonly quarantine: () => object | undefined;
  readonly subscribe: (listener: (head: SignedHead) => void) => () => void;
  /** Publishes all that the store holds now, where others append to it; false when that could not be found out. */
  readonly look: () => Promise<boolean>;
  /** Stops the ledger from appending: somebody holds a signed checkpoint that contradicts it. */
  readonly isolate: (damage: Damage) => void;
};

export type MirrorOptions = {
  readonly place: TilePlace;
  readonly ledger: Mirrored;
  readonly store: LedgerStore;
  readonly tenant: string;
  readonly logKey: NoteVerifier;
  readonly keepEvidence: (notes: { readonly [name: string]: string }) => string;
  readonly log: (
    level: 'info' | 'warn' | 'error',
    event: string,
    values: { readonly [name: string]: string | number },
  ) => void;
  /** Shortest and longest wait before it is tried again; and how long what comes close together is gathered. */
  readonly retryMs?: { readonly least: number; readonly most: number };
  readonly gatherMs?: number;
};

export type MirrorFigures = {
  /** What it holds, as far as is known; null before the first contact. */
  readonly size: number | null;
  readonly behind: number;
  /** Attempts that failed since the last that did not. */
  readonly failing: number;
};

export type Mirror = {
  readonly figures: () => MirrorFigures;
  /** Resolves when it holds all that is published now; not before, however long it fails. */
  readonly caughtUp: () => Promise<void>;
  /** One last try, if it does not fail anyway; then it is left alone. */
  readonly stop: () => Promise<void>;
};

const follower = 'mirror';
const stopGraceMs = 5000;
const contradictions = new Set(['history-forked', 'history-shortened']);

/**
 * Keeps a ledger folder in a second place up to date, behind the ledger and out of its way: whatever fails there is
 * tried again and holds up nothing. Where it goes on is what the place itself says, so that one that was emptied is
 * filled anew. It is a witness of sorts: a checkpoint that it holds and that the ledger contradicts isolates the ledger.
 */
export const startMirror = (options: MirrorOptions): Mirror => new MirrorLoop(options);

class MirrorLoop implements Mirror {
  readonly #options: MirrorOptions;
  readonly #unsubscribe: () => void;
  readonly #running: Promise<void>;
  #size: number | null = null;
  #note: string | undefined;
  #failing = 0;
  #stopped = false;
  #wake: (() => void) | undefined;
  #waiting: { readonly size: number; readonly done: () => void }[] = [];

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#unsubscribe = options.ledger.subscribe(() => this.#wake?.());
    this.#running = this.#run();
  }

  readonly figures = (): MirrorFigures => ({
    size: this.#size,
    behind: Math.max(0, (this.#options.ledger.signedHead()?.size ?? 0) - (this.#size ?? 0)),
    failing: this.#failing,
  });

  readonly caughtUp = (): Promise<void> => {
    const size = this.#options.ledger.signedHead()?.size ?? 0;
    if ((this.#size ?? -1) >= size || this.#stopped) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ size, done }));
  };

  readonly stop = async (): Promise<void> => {
    this.#stopped = true;
    this.#unsubscribe();
    this.#wake?.();
    let timer: NodeJS.Timeout | undefined;
    // A disk that does not answer must not keep a server from stopping.
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, stopGraceMs);
    });
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
    for (const { done } of this.#waiting.splice(0)) done();
  };

  async #run(): Promise<void> {
    const { ledger, retryMs = { least: 500, most: 30_000 }, gatherMs = 200 } = this.#options;
    await this.#compareCursor();
    let waitMs = retryMs.least;
    for (;;) {
      const head = ledger.signedHead();
      // A damaged ledger is not copied over a good mirror.
      const due = head !== undefined && head.note !== this.#note && ledger.quarantine() === undefined;
      if (this.#stopped && (!due || this.#failing > 0)) return;
      if (!due) {
        await this.#sleep();
        continue;
      }
      const failure = await this.#update(head);
      if (failure === undefined) {
        waitMs = retryMs.least;
        if (!this.#stopped) await this.#sleep(gatherMs);
        continue;
      }
      this.#failed(failure, head);
      if (this.#stopped) return;
      await this.#sleep(waitMs);
      waitMs = Math.min(waitMs * 2, retryMs.most);
    }
  }

  async #update(known: SignedHead): Promise<Refusal | undefined> {
    const { place, ledger, store, tenant, logKey, keepEvidence } = this.#options;
    try {
      if (store.shared === true) await ledger.look();
      const head = ledger.signedHead() ?? known;
      const copied = await copyTiles({
        place,
        supply: {
          entries: (from, to) => store.entries(tenant, from, to),
          blob: (digest) => store.blob(tenant, digest),
        },
        tree: ledger.tree,
        note: head.note,
        logKey,
        keepEvidence,
      });
      if (!copied.ok) return await this.#unlessBehind(copied.refusal);
      // The cursor only tells how far it is; where several servers keep one place up to date, any of them may move it.
      const from = (await store.cursor(tenant, follower)) ?? null;
      const next = copied.value.size;
      if (from === null || from < next) await store.writeViews(tenant, [], { follower, from, next });
      this.#caughtUpTo(copied.value.size, head.note);
      return undefined;
    } catch (error) {
      return refusalOf(error);
    }
  }

  // Another server of this ledger may have brought the mirror further: then this one is behind, and nothing is missing.
  async #unlessBehind(refusal: Refusal): Promise<Refusal | undefined> {
    const { ledger, store } = this.#options;
    if (store.shared !== true || refusal.code !== 'history-shortened') return refusal;
    if (!(await ledger.look()))
      return refuse('ledger-unavailable', 'L17', 'it is not known how far the ledger is', {}, 'look at the store')
        .refusal;
    return Number(refusal.facts['had']) <= (ledger.signedHead()?.size ?? 0) ? undefined : refusal;
  }

  #caughtUpTo(size: number, note: string): void {
    if (this.#failing > 0) this.#options.log('info', 'mirror-caught-up', { size, failed: this.#failing });
    this.#failing = 0;
    [this.#size, this.#note] = [size, note];
    this.#waiting = this.#waiting.filter((one) => {
      if (one.size > size) return true;
      one.done();
      return false;
    });
  }

  #failed({ code, message }: Refusal, { size }: SignedHead): void {
    const { ledger, place, log } = this.#options;
    this.#failing += 1;
    // The first, and then ever more seldom: a mirror may be away for days.
    if (Number.isInteger(Math.log2(this.#failing)))
      log('warn', 'mirror-failed', { code, why: message, failed: this.#failing });
    if (contradictions.has(code))
      ledger.isolate({ index: size, what: `its mirror \`${place.name}\` contradicts it: ${message}` });
  }

  // A mirror that holds less than it held was emptied or put back by somebody: it is filled again, and said.
  async #compareCursor(): Promise<void> {
    const { place, store, tenant, log } = this.#options;
    try {
      const cursor = (await store.cursor(tenant, follower)) ?? 0;
      if (cursor > 0 && (await place.get('checkpoint')) === undefined) log('warn', 'mirror-emptied', { held: cursor });
    } catch (error) {
      log('warn', 'mirror-failed', { code: refusalOf(error).code, why: refusalOf(error).message, failed: 0 });
    }
  }

  async #sleep(ms?: number): Promise<void> {
    if (this.#stopped) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      // What waits to try again, or gathers, is woken by the end alone.
      this.#wake = ms === undefined ? resolve : () => this.#stopped && resolve();
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

const refusalOf = (error: unknown): Refusal =>
  error instanceof StoreFailure
    ? error.refusal
    : { code: 'store-io', rule: 'L27', message: error instanceof Error ? error.message : String(error), facts: {} };
