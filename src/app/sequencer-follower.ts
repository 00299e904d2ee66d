// SPDX-License-Identifier: Apache-2.0
import type { FoldedEntry } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { LedgerStore, ViewWrite } from '../ledger/store.ts';
import { readStored } from './sequencer-replay.ts';

/** What a follower made of a page. `written` is called once its rows are durable, by the one process that wrote them. */
export type Followed = { readonly rows: readonly ViewWrite[]; readonly written?: () => void };

/**
 * What a follower does with new entries, in order. It may see the last page again after a crash (at least once), and
 * several processes may see the same page, so its effects are keyed by index. View rows it gives back are written
 * together with its cursor, by one of them (SPEC L18).
 */
export type FollowHandler<Command, Event> = (
  entries: readonly FoldedEntry<Command, Event>[],
) => Promise<readonly ViewWrite[] | Followed | void>;

export type Follower = {
  /** The next index it will handle. */
  readonly next: () => number;
  /** Resolves when everything that is committed now has been handled. */
  readonly caughtUp: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type FollowOptions = {
  readonly name: string;
  /** Where to begin when the follower has no cursor yet. */
  readonly from: number;
  /** Told of every failure; the page is tried again after a wait that grows to 30 s. */
  readonly onError: (follower: string, error: unknown) => void;
};

const pageSize = 256;
const retryMinMs = 100;
const retryMaxMs = 30_000;

/** Runs one handler behind the ledger. `committed` is how far it may read; `wake` is called when that grows. */
export class FollowerLoop<Command extends JsonObject, Event extends JsonObject> implements Follower {
  readonly #tenant: string;
  readonly #store: LedgerStore;
  readonly #options: FollowOptions;
  readonly #handler: FollowHandler<Command, Event>;
  readonly #committed: () => number;
  readonly #leafAt: (index: number) => string;
  /** The cursor as it was last seen in the store; null while there is none. */
  #cursor: number | null;
  #next: number;
  #stopped = false;
  #wake: (() => void) | undefined;
  #waiting: { readonly size: number; readonly done: () => void }[] = [];
  readonly #running: Promise<void>;

  constructor(
    tenant: string,
    store: LedgerStore,
    options: FollowOptions,
    cursor: number | null,
    handler: FollowHandler<Command, Event>,
    committed: () => number,
    leafAt: (index: number) => string,
  ) {
    this.#tenant = tenant;
    this.#store = store;
    this.#options = options;
    this.#handler = handler;
    this.#committed = committed;
    this.#leafAt = leafAt;
    this.#cursor = cursor;
    this.#next = cursor ?? options.from;
    this.#running = this.#run();
  }

  readonly next = (): number => this.#next;

  readonly wake = (): void => {
    this.#wake?.();
  };

  readonly caughtUp = (): Promise<void> => {
    const size = this.#committed();
    if (this.#next >= size || this.#stopped) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ size, done }));
  };

  readonly stop = async (): Promise<void> => {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
    for (const { done } of this.#waiting.splice(0)) done();
  };

  async #run(): Promise<void> {
    let waitMs = retryMinMs;
    while (!this.#stopped) {
      if (this.#next >= this.#committed()) {
        await this.#sleep();
        continue;
      }
      try {
        await this.#page();
        waitMs = retryMinMs;
      } catch (error) {
        this.#options.onError(this.#options.name, error);
        if (!this.#stopped) await this.#sleep(waitMs);
        waitMs = Math.min(waitMs * 2, retryMaxMs);
      }
    }
  }

  async #page(): Promise<void> {
    // Others may have done it already.
    if (this.#store.shared === true && (await this.#moved())) return;
    const to = Math.min(this.#committed(), this.#next + pageSize);
    const stored = await this.#store.entries(this.#tenant, this.#next, to);
    const entries: FoldedEntry<Command, Event>[] = [];
    for (let index = this.#next; index < to; index += 1) {
      const entry = readStored<Command, Event>(this.#tenant, index, null, stored[index - this.#next]);
      if ('what' in entry) throw new Error(`entry ${index}: ${entry.what}`);
      // Read again from the store: what others are told must be what was decided.
      if (entry.leafHash !== this.#leafAt(index)) throw new Error(`entry ${index}: it is not the one of the tree`);
      entries.push(entry);
    }
    const made = (await this.#handler(entries)) ?? [];
    const { rows, written }: Followed = 'rows' in made ? made : { rows: made };
    const step = { follower: this.#options.name, from: this.#cursor, next: to };
    if (!(await this.#store.writeViews(this.#tenant, rows, step))) {
      // Another process was faster, and wrote its own rows: the cursor says where to go on. Without one it would be asked
      // for the same step for ever.
      if (!(await this.#moved())) throw new Error(`the cursor of \`${this.#options.name}\` cannot be moved`);
      return;
    }
    written?.();
    this.#stand(to);
  }

  async #moved(): Promise<boolean> {
    const cursor = (await this.#store.cursor(this.#tenant, this.#options.name)) ?? null;
    if (cursor === this.#cursor) return false;
    this.#stand(cursor);
    return true;
  }

  #stand(cursor: number | null): void {
    this.#cursor = cursor;
    this.#next = cursor ?? this.#options.from;
    this.#waiting = this.#waiting.filter(({ size, done }) => {
      if (size > this.#next) return true;
      done();
      return false;
    });
  }

  async #sleep(ms?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      // A follower that waits to try again must not be woken early by every commit.
      if (ms !== undefined) {
        this.#wake = () => this.#stopped && resolve();
        timer = setTimeout(resolve, ms);
      }
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
