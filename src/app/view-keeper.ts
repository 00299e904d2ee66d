// SPDX-License-Identifier: Apache-2.0
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import type { LedgerStore } from '../ledger/store.ts';
import type { Follower, FollowHandler, FollowOptions } from './sequencer-follower.ts';
import { changeRows, readPointer, readRows, rowsUnder, writePointer, type View, type ViewPointer } from './view.ts';

export type ViewKeeperOptions<Command extends JsonObject, Event extends JsonObject> = {
  readonly tenant: string;
  readonly store: LedgerStore;
  readonly views: readonly View<Command, Event>[];
  readonly follow: (options: FollowOptions, handler: FollowHandler<Command, Event>) => Promise<Follower>;
  readonly onError: (follower: string, error: unknown) => void;
};

/** How far a view has been built. */
export type ViewProgress = { readonly view: string; readonly next: number };

type Running = {
  readonly pointer: ViewPointer;
  readonly follower: Follower;
  readonly rows: Map<string, JsonValue>;
};

/**
 * Keeps views behind the ledger (SPEC L25). One whose version changed, or that an operator wants again, is built from
 * the first entry on in rows of its own, while the old rows are read; then they change places. Views send nothing, so
 * that building them again has no effect outside.
 */
export class ViewKeeper<Command extends JsonObject, Event extends JsonObject> {
  readonly #options: ViewKeeperOptions<Command, Event>;
  readonly #current = new Map<string, Running>();
  readonly #building = new Map<string, Running>();
  #rebuilding: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ViewKeeperOptions<Command, Event>) {
    this.#options = options;
  }

  /** Goes on with what is there, and begins to build what is not; does not wait for that. */
  async start(): Promise<void> {
    const { store, tenant, views, onError } = this.#options;
    const missing: View<Command, Event>[] = [];
    for (const view of views) {
      const pointer = await readPointer(store, tenant, view.name);
      if (pointer?.version !== view.version) missing.push(view);
      else this.#current.set(view.name, await this.#run(view, pointer));
    }
    if (missing.length > 0) void this.#all(missing).catch((error: unknown) => onError('views', error));
  }

  /** Rows of a view as far as its follower has come; empty while it is built for the first time. */
  readonly rows = (name: string): ReadonlyMap<string, JsonValue> => this.#current.get(name)?.rows ?? new Map();

  /** Builds every view from nothing; resolves when the new rows are the ones that are read. */
  readonly rebuild = (): Promise<void> => this.#all(this.#options.views);

  readonly progress = (): readonly ViewProgress[] =>
    [...this.#building].map(([view, { follower }]) => ({ view, next: follower.next() }));

  readonly caughtUp = async (): Promise<void> => {
    await this.#rebuilding;
    for (const { follower } of this.#current.values()) await follower.caughtUp();
  };

  readonly stop = async (): Promise<void> => {
    this.#stopped = true;
    for (const { follower } of [...this.#current.values(), ...this.#building.values()]) await follower.stop();
    await this.#rebuilding;
  };

  // One after the other, and only once at a time: whoever asks meanwhile waits for the one under way.
  #all(views: readonly View<Command, Event>[]): Promise<void> {
    this.#rebuilding ??= (async () => {
      try {
        for (const view of views) await this.#build(view);
      } finally {
        this.#rebuilding = undefined;
      }
    })();
    return this.#rebuilding;
  }

  async #build(view: View<Command, Event>): Promise<void> {
    const { store, tenant } = this.#options;
    const before = await readPointer(store, tenant, view.name);
    const pointer = { version: view.version, generation: (before?.generation ?? 0) + 1 };
    // What an earlier attempt left there.
    const under = rowsUnder(view.name, pointer.generation);
    await store.writeViews(tenant, [], { follower: under, next: 0 });
    await store.clearView(tenant, under);
    if (this.#stopped) return;
    const running = await this.#run(view, pointer);
    this.#building.set(view.name, running);
    await running.follower.caughtUp();
    this.#building.delete(view.name);
    // Half of it is no view; the next start begins anew.
    if (this.#stopped) return running.follower.stop();
    await writePointer(store, tenant, view.name, pointer);
    const old = this.#current.get(view.name);
    this.#current.set(view.name, running);
    await old?.follower.stop();
    if (before !== undefined) await store.clearView(tenant, rowsUnder(view.name, before.generation));
  }

  async #run(view: View<Command, Event>, pointer: ViewPointer): Promise<Running> {
    const { store, tenant, follow, onError } = this.#options;
    const under = rowsUnder(view.name, pointer.generation);
    // Rows whose cursor is lost would be added to a second time.
    if ((await store.cursor(tenant, under)) === undefined) await store.clearView(tenant, under);
    const rows = await readRows(store, tenant, under);
    let seen = (await store.cursor(tenant, under)) ?? 0;
    const handler: FollowHandler<Command, Event> = async (entries) => {
      // The rows in memory change only with those that are stored, which a page that fails leaves as they were.
      const changed = new Map<string, JsonValue>();
      const row = (key: string): JsonValue | undefined => {
        const value = changed.has(key) ? changed.get(key) : rows.get(key);
        return value === null ? undefined : value;
      };
      // A page may come again although its rows were written.
      for (const entry of entries)
        if (entry.index >= seen) for (const { key, value } of view.apply(entry, row)) changed.set(key, value);
      const changes = [...changed].map(([key, value]) => ({ key, value }));
      const next = (entries.at(-1)?.index ?? -1) + 1;
      await store.writeViews(
        tenant,
        changes.map((change) => ({ view: under, ...change })),
        { follower: under, next },
      );
      changeRows(rows, changes);
      seen = next;
    };
    return { pointer, follower: await follow({ name: under, from: 0, onError }, handler), rows };
  }
}
