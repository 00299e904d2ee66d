// SPDX-License-Identifier: Apache-2.0
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import type { LedgerStore } from '../ledger/store.ts';
import type { Follower, FollowHandler, FollowOptions } from './sequencer-follower.ts';
import {
  changeRows,
  drawGeneration,
  placedGeneration,
  placeRows,
  readPointer,
  readRows,
  rowsUnder,
  type View,
  type ViewPointer,
} from './view.ts';

const clearedAtOnce = 64;

export type ViewKeeperOptions<Command extends JsonObject, Event extends JsonObject> = {
  readonly tenant: string;
  readonly store: LedgerStore;
  readonly views: readonly View<Command, Event>[];
  readonly follow: (options: FollowOptions, handler: FollowHandler<Command, Event>) => Promise<Follower>;
  readonly onError: (follower: string, error: unknown) => void;
};

/** How far a view has been built. */
export type ViewProgress = { readonly view: string; readonly next: number };

type Running = { readonly pointer: ViewPointer; readonly follower: Follower };

/**
 * Keeps views behind the ledger (SPEC L25). One whose version changed, or that an operator wants again, is built from
 * the first entry on in rows of its own, while the old rows are read; then they change places. Views send nothing, so
 * that building them again has no effect outside. Of several processes, whoever moves a cursor writes the rows, and all
 * go on with those that one of them has put in place (SPEC L18).
 */
export class ViewKeeper<Command extends JsonObject, Event extends JsonObject> {
  readonly #options: ViewKeeperOptions<Command, Event>;
  readonly #current = new Map<string, Running>();
  readonly #building = new Map<string, Running>();
  #rebuilding: Promise<void> | undefined;
  /** Resolves when nothing changes places any more; never rejects. */
  #turns: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ViewKeeperOptions<Command, Event>) {
    this.#options = options;
  }

  /** Goes on with what is there, and begins to build what is not; does not wait for that. */
  async start(): Promise<void> {
    const { views, onError } = this.#options;
    const missing: View<Command, Event>[] = [];
    for (const view of views) {
      const pointer = await this.#placed(view);
      if (pointer === undefined) missing.push(view);
      else this.#current.set(view.name, await this.#run(view, pointer));
    }
    if (missing.length > 0) void this.#all(missing).catch((error: unknown) => onError('views', error));
  }

  /** Rows of a view as far as they are stored; none while it is built for the first time. */
  readonly rows = async (name: string): Promise<ReadonlyMap<string, JsonValue>> => {
    const { store, tenant, views } = this.#options;
    const version = views.find((view) => view.name === name)?.version;
    for (;;) {
      const pointer = await readPointer(store, tenant, name);
      if (pointer === undefined || pointer.version !== version) return new Map();
      const rows = await readRows(store, tenant, rowsUnder(name, pointer.generation));
      // Those whose place others took while they were read are being removed.
      if ((await readPointer(store, tenant, name))?.generation === pointer.generation) return rows;
    }
  };

  /** Builds every view from nothing; resolves when the new rows are the ones that are read. */
  readonly rebuild = (): Promise<void> => this.#all(this.#options.views);

  readonly progress = (): readonly ViewProgress[] =>
    [...this.#building].map(([view, { follower }]) => ({ view, next: follower.next() }));

  readonly caughtUp = async (): Promise<void> => {
    await this.#turns;
    for (const { follower } of this.#current.values()) await follower.caughtUp();
  };

  readonly stop = async (): Promise<void> => {
    this.#stopped = true;
    for (const { follower } of [...this.#current.values(), ...this.#building.values()]) await follower.stop();
    await this.#turns;
  };

  #turn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turns.then(work);
    this.#turns = mine.catch(() => undefined);
    return mine;
  }

  // One after the other, and only once at a time: whoever asks meanwhile waits for the one under way.
  #all(views: readonly View<Command, Event>[]): Promise<void> {
    this.#rebuilding ??= this.#turn(async () => {
      try {
        for (const view of views) await this.#build(view);
      } finally {
        this.#rebuilding = undefined;
      }
    });
    return this.#rebuilding;
  }

  async #build(view: View<Command, Event>): Promise<void> {
    const { store, tenant } = this.#options;
    const { name, version } = view;
    const placed = await placedGeneration(store, tenant, name);
    const before = await readPointer(store, tenant, name);
    const pointer = { version, generation: await drawGeneration(store, tenant, name) };
    const under = rowsUnder(name, pointer.generation);
    // Nobody else builds here; what lies there is of a count that was lost.
    await store.clearView(tenant, under);
    const from = (await store.cursor(tenant, under)) ?? null;
    await store.writeViews(tenant, [], { follower: under, from, next: 0 });
    if (this.#stopped) return;
    const running = await this.#run(view, pointer);
    this.#building.set(name, running);
    await running.follower.caughtUp();
    this.#building.delete(name);
    // Half of it is no view; the next start begins anew.
    if (this.#stopped) return running.follower.stop();
    if (!(await placeRows(store, tenant, name, pointer, placed))) {
      await running.follower.stop();
      await store.clearView(tenant, under);
      return this.#adopt(view);
    }
    await this.#replace(view, running);
    // Also of those who drew a number in between and will find the place taken.
    const first = Math.max(before?.generation ?? pointer.generation, pointer.generation - clearedAtOnce);
    for (let old = first; old < pointer.generation; old += 1) await store.clearView(tenant, rowsUnder(name, old));
  }

  /** The rows in place, where they are of this version and say how far they go. */
  async #placed({ name, version }: View<Command, Event>): Promise<ViewPointer | undefined> {
    const { store, tenant } = this.#options;
    const pointer = await readPointer(store, tenant, name);
    if (pointer?.version !== version) return undefined;
    return (await store.cursor(tenant, rowsUnder(name, pointer.generation))) === undefined ? undefined : pointer;
  }

  // Another process has put rows in place.
  async #adopt(view: View<Command, Event>): Promise<void> {
    const pointer = await this.#placed(view);
    if (pointer === undefined) throw new Error(`another process keeps another version of view \`${view.name}\``);
    if (this.#stopped || this.#current.get(view.name)?.pointer.generation === pointer.generation) return;
    await this.#replace(view, await this.#run(view, pointer));
  }

  async #replace({ name }: View<Command, Event>, running: Running): Promise<void> {
    const { store, tenant } = this.#options;
    const old = this.#current.get(name);
    this.#current.set(name, running);
    if (this.#stopped) await running.follower.stop();
    if (old === undefined) return;
    await old.follower.stop();
    // Whoever took the place has removed the old rows; the last page from here may have come after that.
    await store.clearView(tenant, rowsUnder(name, old.pointer.generation));
  }

  /** Whether a follower of rows in place has to leave them, since another process put its own there. */
  async #left(view: View<Command, Event>, { generation }: ViewPointer): Promise<boolean> {
    const { store, tenant, onError } = this.#options;
    if (store.shared !== true || this.#current.get(view.name)?.pointer.generation !== generation) return false;
    const placed = await readPointer(store, tenant, view.name);
    if (placed === undefined || placed.generation === generation) return false;
    if (placed.version === view.version)
      void this.#turn(() => this.#adopt(view)).catch((error: unknown) => onError(view.name, error));
    return true;
  }

  async #run(view: View<Command, Event>, pointer: ViewPointer): Promise<Running> {
    const { store, tenant, follow, onError } = this.#options;
    const under = rowsUnder(view.name, pointer.generation);
    let rows = new Map<string, JsonValue>();
    /** Up to where the rows in memory are those that are stored; unknown while a page is under way. */
    let known: number | undefined;
    const handler: FollowHandler<Command, Event> = async (entries) => {
      const from = entries[0]?.index;
      if (await this.#left(view, pointer)) return [];
      // If others write while the rows are read, the cursor has moved, and nothing of this page is written.
      if (known === undefined || known !== from) rows = await readRows(store, tenant, under);
      known = undefined;
      const changed = new Map<string, JsonValue>();
      const row = (key: string): JsonValue | undefined => {
        const value = changed.has(key) ? changed.get(key) : rows.get(key);
        return value === null ? undefined : value;
      };
      for (const entry of entries) for (const { key, value } of view.apply(entry, row)) changed.set(key, value);
      const changes = [...changed].map(([key, value]) => ({ key, value }));
      return {
        rows: changes.map((change) => ({ view: under, ...change })),
        written: () => {
          changeRows(rows, changes);
          known = (entries.at(-1)?.index ?? -1) + 1;
        },
      };
    };
    return { pointer, follower: await follow({ name: under, from: 0, onError }, handler) };
  }
}
