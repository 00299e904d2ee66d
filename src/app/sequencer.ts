// SPDX-License-Identifier: Apache-2.0
import { noteVerifier } from '../crypto/signed-note.ts';
import type { Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { rootOf } from '../ledger/merkle.ts';
import type { MerkleSlab } from '../ledger/slab.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { quarantineFrom, refuseQuarantined, type Quarantine } from './quarantine.ts';
import { catchUp, damageIn, refusedOutcome, runBatch } from './sequencer-batch.ts';
import type { FoldedOn, Outcome } from './sequencer-batch.ts';
import { EntryClock } from './sequencer-clock.ts';
import { FollowerLoop, type Follower, type FollowHandler, type FollowOptions } from './sequencer-follower.ts';
import { Flights } from './sequencer-flights.ts';
import { takeIn, type Submission, type Ticket } from './sequencer-intake.ts';
import { Publisher, type PublishedListener, type PublisherOptions } from './sequencer-publisher.ts';
import { isCorrupt, type Damage, type Folded } from './sequencer-replay.ts';
import { SignedTree } from './signed-tree.ts';
import { audit, sourceOf, type Audit, type AuditOptions, type SignedHead } from './sequencer-start.ts';

export type SequencerOptions<State, Command extends JsonObject, Event extends JsonObject> = Omit<
  AuditOptions<State, Command, Event>,
  'logKey'
> &
  PublisherOptions & {
    /** Milliseconds since 1970, UTC. */
    readonly now: () => number;
    /** The process can decide nothing any more, and must end: what is durable is unknown, or an invariant broke. */
    readonly fatal: (error: unknown) => void;
    /** The ledger is damaged; called once, at the start or when it shows. */
    readonly onAlert: (quarantine: Quarantine) => void;
    /** Believe the clock although it is more than 24 hours after the last entry. */
    readonly acceptTimeJump?: boolean;
    /** Commands that may be on their way at a time; more are refused with `overloaded`. */
    readonly maxWaiting?: number;
    /** How often to look what others have appended to a store that is shared. */
    readonly lookEveryMs?: number;
  };

/** What a submission is answered. `checkpoint` is a signed note that covers the entry; null when nothing is signed. */
export type Answer<Event> = Outcome<Event> & { readonly checkpoint: string | null };

type Waiting<Command, Event> = { readonly ticket: Ticket<Command>; readonly resolve: (answer: Answer<Event>) => void };

// A larger crowd is served in halves: the mark of one is written while the other is decided.
const maxBatch = 128;
const defaultMaxWaiting = 4096;
const observeEveryMs = 3_600_000;
const pruneEveryMs = 600_000;
const defaultLookEveryMs = 1000;
/** Who has not looked for longer does so before it takes the lock, so that nobody waits for it to catch up. */
const staleAfterMs = 5000;
/** How often a batch is decided anew that others were faster than. */
const maxTries = 5;
/** So many commands that fail one after another, each alone, are the store's fault, and not theirs. */
const failuresInARow = 3;
/** A failure that took so long comes of a store that cannot be reached: nobody waits for it again. */
const slowFailureMs = 1000;

const clockOf = async ({ store, now }: { readonly store: LedgerStore; readonly now: () => number }): Promise<number> =>
  store.now === undefined ? now() : store.now();

/**
 * The only writer of a tenant's ledger in this process (design 5): commands queue, one batch at a time is decided and
 * made durable, and answered when it has been published. Reads answer from what is published. Where others share the
 * store, each does the same, and follows what the others appended (SPEC L17).
 */
export class Sequencer<State, Command extends JsonObject, Event extends JsonObject> {
  readonly #options: SequencerOptions<State, Command, Event>;
  readonly #clock: EntryClock;
  readonly #slab: MerkleSlab;
  /** What can be proven under the newest checkpoint. */
  readonly tree: SignedTree;
  readonly #publisher: Publisher<State, Command, Event>;
  /** What is durable; the next batch goes on from here. */
  #folded: Folded<State>;
  #quarantine: Quarantine | undefined;
  #stopped: Refusal | undefined;
  #queue: Waiting<Command, Event>[] = [];
  #lookers: ((known: boolean) => void)[] = [];
  #lookedAt = performance.now();
  #busy = false;
  /** Commands that were taken and are not answered yet, wherever they are. */
  #unanswered = 0;
  /** Resolves when every batch that was begun is answered. */
  #newest: Promise<void> = Promise.resolve();
  #ended = false;
  #idle: (() => void)[] = [];
  #prunedAt = Number.NEGATIVE_INFINITY;
  readonly #flights = new Flights();
  readonly #followers = new Set<FollowerLoop<Command, Event>>();
  readonly #listeners = new Set<PublishedListener<Command, Event>>();
  readonly #timers: readonly NodeJS.Timeout[];

  private constructor(options: SequencerOptions<State, Command, Event>, found: Audit<State>, now: number) {
    const { folded, slab } = found;
    this.#options = options;
    this.#folded = folded;
    this.#slab = slab;
    this.#clock = new EntryClock(folded.time, now, options.acceptTimeJump ?? false);
    const { lookEveryMs = defaultLookEveryMs } = options;
    this.#timers = [
      setInterval(() => void this.#observe(), observeEveryMs).unref(),
      ...(options.store.shared === true ? [setInterval(() => this.#poll(), lookEveryMs).unref()] : []),
    ];
    this.#publisher = new Publisher(options, found, (head, entries) => {
      for (const listener of this.#listeners) listener(head, entries);
      for (const follower of this.#followers) follower.wake();
    });
    this.tree = new SignedTree(slab, () => this.signedHead());
  }

  /** Goes on from what the audit found: publishes it, or isolates the ledger when something in it is wrong. */
  static async open<State, Command extends JsonObject, Event extends JsonObject>(
    options: SequencerOptions<State, Command, Event>,
    found: Audit<State>,
  ): Promise<Sequencer<State, Command, Event>> {
    const sequencer = new Sequencer(options, found, await clockOf(options));
    if (found.damage === undefined) {
      await options.store.confirm?.(options.tenant);
      await sequencer.#publisher.first();
    } else sequencer.#isolate(found.damage);
    return sequencer;
  }

  /** State folded from every entry that is signed and marked; on a damaged ledger, as far as it is good. */
  state(): State {
    return this.#publisher.folded().state;
  }

  /** Size and root of what `state` is folded from, and the time of its last entry. */
  head(): { readonly size: number; readonly root: string; readonly time: Instant | null } {
    const { size, time } = this.#publisher.folded();
    return { size, root: rootOf(this.#slab.edge(size)), time };
  }

  signedHead(): SignedHead | undefined {
    return this.#publisher.signed();
  }

  quarantine(): Quarantine | undefined {
    return this.#quarantine;
  }

  /** Never rejects: whatever happens is an answer. Answered `accepted` or with an index means durable. */
  submit(command: Command, submission: Submission = {}): Promise<Answer<Event>> {
    const no = (refused: Refused): Promise<Answer<Event>> =>
      Promise.resolve({ ...refusedOutcome(refused), checkpoint: this.#note() });
    const closed = this.#closed();
    if (closed !== undefined) return no(closed);
    const { maxWaiting = defaultMaxWaiting } = this.#options;
    if (this.#unanswered >= maxWaiting)
      return no(
        refuse(
          'overloaded',
          'L12',
          `${this.#unanswered} commands are waiting already`,
          { waiting: this.#unanswered },
          'try again in a second',
        ),
      );
    const ticket = takeIn(command, submission);
    if (!ticket.ok) return no(ticket);
    const { idempotency } = ticket.value;
    const flying = this.#flights.enter(idempotency);
    if (flying !== undefined) return no(flying);
    return new Promise((resolve) => {
      const release = (answer: Answer<Event>): void => {
        this.#flights.leave(idempotency);
        this.#unanswered -= 1;
        resolve(answer);
      };
      this.#unanswered += 1;
      this.#queue.push({ ticket: ticket.value, resolve: release });
      this.#schedule();
    });
  }

  /** Calls the handler with every entry from the follower's cursor on, after it is durable, at least once. */
  async follow(options: FollowOptions, handler: FollowHandler<Command, Event>): Promise<Follower> {
    const { tenant, store } = this.#options;
    const cursor = (await store.cursor(tenant, options.name)) ?? null;
    const follower = new FollowerLoop<Command, Event>(
      tenant,
      store,
      options,
      cursor,
      handler,
      () => this.#readable(),
      (index) => this.#slab.hashAt(0, index),
    );
    this.#followers.add(follower);
    return follower;
  }

  /**
   * Resolves when all that the store held at this moment is published, or the ledger has stopped: who reads the store
   * itself waits for it before showing what was read (SPEC L10).
   */
  async published(): Promise<void> {
    await this.look();
  }

  /**
   * Looks whether others have appended, where they can, and resolves when all that the store held at this moment is
   * published here (SPEC L17). False when that could not be found out. Whoever asks at the same time shares a look.
   */
  async look(): Promise<boolean> {
    if (this.#options.store.shared !== true || this.#closed() !== undefined) {
      await this.#newest;
      return true;
    }
    return new Promise((resolve) => {
      this.#lookers.push(resolve);
      this.#schedule();
    });
  }

  /** How long ago the store last said how far it is; it is asked all the time where others share it. */
  silentForMs(): number {
    return performance.now() - this.#lookedAt;
  }

  /** Told of each new signed head and the entries that led there, before the answers. Gives back what ends it. */
  subscribe(listener: PublishedListener<Command, Event>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An operator has looked at the clock: it is right, although it leapt. */
  async acceptTimeJump(): Promise<void> {
    const { store, now } = this.#options;
    this.#clock.accept(store.now === undefined ? now() : await store.now());
  }

  /**
   * Somebody outside holds proof that this ledger is not what its key signed, such as a mirror that is ahead of it. From
   * here on nothing is appended (SPEC L28); a batch that is being written is still answered.
   */
  isolate(damage: Damage): void {
    if (this.#quarantine !== undefined) return;
    this.#isolate(damage);
    this.#refuseAll(this.#queue.splice(0), refuseQuarantined(quarantineFrom(damage.index, damage.what)));
  }

  /**
   * Answers what is waiting, stops the followers, keeps the last checkpoint. The store stays open. A ledger that turned out
   * to be another's than the key's must keep no checkpoint of it.
   */
  async close({ keepCheckpoint = true }: { readonly keepCheckpoint?: boolean } = {}): Promise<void> {
    const closing = refuse('ledger-unavailable', 'L12', 'the ledger is being closed', {}, 'try again when it runs');
    this.#stopped ??= closing.refusal;
    for (const timer of this.#timers) clearInterval(timer);
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.#newest;
    for (const follower of this.#followers) await follower.stop();
    const note = keepCheckpoint ? this.#note() : null;
    if (this.#stopped === closing.refusal && this.#quarantine === undefined && note !== null)
      await this.#options.store.putCheckpoint(this.#options.tenant, note);
  }

  // Followers act on what is signed and marked. A damaged ledger is still read as far as it is good.
  #readable(): number {
    return this.#quarantine === undefined ? (this.signedHead()?.size ?? 0) : this.#publisher.folded().size;
  }

  #note(): string | null {
    return this.signedHead()?.note ?? null;
  }

  #isIdle(): boolean {
    return !this.#busy && this.#unanswered === 0;
  }

  #tellIdle(): void {
    if (this.#isIdle()) for (const done of this.#idle.splice(0)) done();
  }

  #closed(): Refused | undefined {
    if (this.#quarantine !== undefined) return refuseQuarantined(this.#quarantine);
    return this.#stopped === undefined ? undefined : { ok: false, refusal: this.#stopped };
  }

  // Being closed is no end: what was taken before is still decided.
  #over(): Refused | undefined {
    return this.#quarantine !== undefined || this.#ended ? this.#closed() : undefined;
  }

  // Not at once: whoever was just answered, and whatever the sockets hold, shall come along in this batch.
  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    const waiting = this.#queue.splice(0, maxBatch);
    const lookers = this.#lookers.splice(0);
    const done = Promise.withResolvers<void>();
    // Also the batches before: one that fails at once is answered before them.
    this.#newest = Promise.all([this.#newest, done.promise]).then(() => undefined);
    const published: Promise<void>[] = [];
    const stale = performance.now() - this.#lookedAt > staleAfterMs;
    let known = false;
    if (this.#options.store.shared === true && (waiting.length === 0 || stale)) known = await this.#catchUp(published);
    const ended = this.#over();
    if (ended !== undefined) this.#refuseAll(waiting, ended);
    else if (waiting.length > 0) known = (await this.#batch(waiting, published)) || known;
    void Promise.all(published).then(() => {
      done.resolve();
      for (const looker of lookers) looker(known);
      this.#tellIdle();
    });
    this.#busy = false;
    if (this.#queue.length > 0 || this.#lookers.length > 0) this.#schedule();
    else this.#tellIdle();
  }

  /** Folds what others appended, without the lock: what is committed stays as it is. False when it cannot be known. */
  async #catchUp(published: Promise<void>[]): Promise<boolean> {
    const { tenant, store } = this.#options;
    const sizeBefore = this.#folded.size;
    try {
      const head = await store.head(tenant);
      const found = await catchUp({ ...this.#options, slab: this.#slab }, sourceOf(store, tenant), this.#folded, head);
      this.#lookedAt = performance.now();
      // What another process wrote may be shown before it is safe; nobody but that process would know.
      if (found.after.size > sizeBefore) await store.confirm?.(tenant);
      published.push(this.#publish(found));
      return true;
    } catch (error) {
      // Nothing was to be written, so that a store that cannot be reached leaves nothing unknown.
      if (error instanceof StoreFailure && !isCorrupt(error)) this.#slab.truncate(sizeBefore);
      else this.#fail(error, [], sizeBefore);
      return false;
    }
  }

  /** Decides what waits. False when the store took nothing, so that it is not known how far it is. */
  async #batch(waiting: readonly Waiting<Command, Event>[], published: Promise<void>[]): Promise<boolean> {
    const began = performance.now();
    const failure = await this.#tryBatch(waiting, published);
    if (failure === undefined) return true;
    if (waiting.length === 1 || performance.now() - began > slowFailureMs) {
      this.#refuseAll(waiting, failure);
      return false;
    }
    // Nothing of it was written, that is certain: what cannot be written shall fail alone (SPEC L18).
    let [last, inARow, known] = [failure, 0, false];
    for (const one of waiting) {
      const alone = this.#over() ?? (inARow < failuresInARow ? await this.#tryBatch([one], published) : last);
      inARow = alone === undefined ? 0 : inARow + 1;
      known ||= alone === undefined;
      if (alone === undefined) continue;
      last = alone;
      this.#refuseAll([one], alone);
    }
    return known;
  }

  /** Gives back why nothing was written, when that is certain; others may still be faster than a few tries. */
  async #tryBatch(
    waiting: readonly Waiting<Command, Event>[],
    published: Promise<void>[],
  ): Promise<Refused | undefined> {
    for (let tries = 1; ; tries += 1) {
      const failure = await this.#decideBatch(waiting, published);
      if (failure?.refusal.code !== 'store-conflict' || tries >= maxTries) return failure;
    }
  }

  async #decideBatch(
    waiting: readonly Waiting<Command, Event>[],
    published: Promise<void>[],
  ): Promise<Refused | undefined> {
    const { tenant, store } = this.#options;
    const sizeBefore = this.#folded.size;
    try {
      const prune = this.#options.now() - this.#prunedAt > pruneEveryMs;
      const tickets = waiting.map(({ ticket }) => ticket);
      const decided = await store.batch(tenant, (tx) =>
        runBatch(
          { ...this.#options, clock: this.#clock, slab: this.#slab, checkpoint: this.signedHead()?.note, prune },
          tx,
          this.#folded,
          tickets,
        ),
      );
      // Durable from here on.
      if (prune) this.#prunedAt = this.#options.now();
      this.#lookedAt = performance.now();
      published.push(this.#publish(decided, waiting, decided.outcomes));
      return undefined;
    } catch (error) {
      return this.#fail(error, waiting, sizeBefore);
    }
  }

  /** What was folded is durable: it is published, and whoever waits is answered. */
  async #publish(
    found: FoldedOn<State, Command, Event>,
    waiting: readonly Waiting<Command, Event>[] = [],
    outcomes: readonly Outcome<Event>[] = [],
  ): Promise<void> {
    this.#folded = found.after;
    try {
      await this.#publisher.reach(found);
      const checkpoint = this.#note();
      for (const [at, { resolve }] of waiting.entries()) {
        const outcome = outcomes[at];
        if (outcome !== undefined) resolve({ ...outcome, checkpoint });
      }
    } catch (error) {
      this.#end(error, waiting);
    }
  }

  /** Gives back the refusal when it is certain that nothing was written, and there is a way on. */
  #fail(error: unknown, waiting: readonly Waiting<Command, Event>[], sizeBefore: number): Refused | undefined {
    const damage = damageIn(error, sizeBefore);
    if (damage !== undefined) {
      this.#isolate(damage);
      // Whoever still waits, too: nothing is decided on a damaged ledger (SPEC L11).
      const refused = refuseQuarantined(quarantineFrom(damage.index, damage.what));
      this.#refuseAll(waiting, refused);
      this.#refuseAll(this.#queue.splice(0), refused);
      return undefined;
    }
    if (error instanceof StoreFailure && error.outcome === 'nothing-written') {
      // What others had appended was folded into the tree as well; the next batch folds it again.
      this.#slab.truncate(sizeBefore);
      return { ok: false, refusal: error.refusal };
    }
    this.#end(error, waiting);
    return undefined;
  }

  #end(error: unknown, waiting: readonly Waiting<Command, Event>[]): void {
    const refused = refuse(
      'ledger-unavailable',
      'L6',
      'the ledger stopped, and it is unknown whether the command was recorded',
      {},
      'look whether it was before you try again; an idempotency key does that for you',
    );
    this.#stopped = refused.refusal;
    this.#refuseAll(waiting, refused);
    this.#refuseAll(this.#queue.splice(0), refused);
    if (!this.#ended) this.#options.fatal(error);
    this.#ended = true;
  }

  #refuseAll(waiting: readonly Waiting<Command, Event>[], refused: Refused): void {
    for (const { resolve } of waiting) resolve({ ...refusedOutcome(refused), checkpoint: this.#note() });
  }

  #poll(): void {
    if (this.#lookers.length === 0) void this.look();
  }

  async #observe(): Promise<void> {
    try {
      this.#clock.observe(await clockOf(this.#options));
    } catch (error) {
      // The next hour is soon enough: without a store nothing is decided either.
      if (!(error instanceof StoreFailure)) throw error;
    }
  }

  #isolate({ index, what }: Damage): void {
    this.#quarantine = quarantineFrom(index, what);
    this.#options.onAlert(this.#quarantine);
  }
}

/**
 * Opens a tenant's ledger: looks at everything in it, then starts deciding, or isolates it when something is wrong.
 * Refuses only when the store itself can't be opened or the mark can't be written.
 */
export const startSequencer = async <State, Command extends JsonObject, Event extends JsonObject>(
  options: SequencerOptions<State, Command, Event>,
): Promise<Result<Sequencer<State, Command, Event>>> => {
  const logKey = noteVerifier(options.signer.name, options.signer.publicKey);
  if (!logKey.ok) return logKey;
  try {
    return ok(await Sequencer.open(options, await audit({ ...options, logKey: logKey.value })));
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
};

export type { SignedHead };
