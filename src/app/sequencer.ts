// SPDX-License-Identifier: Apache-2.0
import { noteVerifier } from '../crypto/signed-note.ts';
import type { Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { rootOf } from '../ledger/merkle.ts';
import type { MerkleSlab } from '../ledger/slab.ts';
import { StoreFailure } from '../ledger/store.ts';
import { quarantineFrom, refuseQuarantined, type Quarantine } from './quarantine.ts';
import { DamageFound, refuseConflict, refusedOutcome, runBatch, type Outcome } from './sequencer-batch.ts';
import { EntryClock } from './sequencer-clock.ts';
import { FollowerLoop, type Follower, type FollowHandler, type FollowOptions } from './sequencer-follower.ts';
import { takeIn, type Submission, type Ticket } from './sequencer-intake.ts';
import { Publisher, type PublisherOptions } from './sequencer-publisher.ts';
import type { Damage, Folded } from './sequencer-replay.ts';
import { SignedTree } from './signed-tree.ts';
import { audit, type Audit, type AuditOptions, type SignedHead } from './sequencer-start.ts';

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
  };

/** What a submission is answered. `checkpoint` is a signed note that covers the entry; null when nothing is signed. */
export type Answer<Event> = Outcome<Event> & { readonly checkpoint: string | null };

type Waiting<Command, Event> = { readonly ticket: Ticket<Command>; readonly resolve: (answer: Answer<Event>) => void };

// A larger crowd is served in halves: the mark of one is written while the other is decided.
const maxBatch = 128;
const defaultMaxWaiting = 4096;
const observeEveryMs = 3_600_000;
const pruneEveryMs = 600_000;

// A database that is found damaged while it is in use is no better than one that is found so at the start.
const damageIn = (error: unknown, size: number): Damage | undefined => {
  if (error instanceof DamageFound) return error.damage;
  return error instanceof StoreFailure && error.refusal.code === 'store-corrupt' && error.outcome === 'nothing-written'
    ? { index: size, what: error.message }
    : undefined;
};

/**
 * The only writer of a tenant's ledger (design 5): commands queue, one batch at a time is decided and made durable, and
 * answered when it has been published. Reads answer from what is published.
 */
export class Sequencer<State, Command extends JsonObject, Event extends JsonObject> {
  readonly #options: SequencerOptions<State, Command, Event>;
  readonly #clock: EntryClock;
  readonly #slab: MerkleSlab;
  /** What can be proven under the newest checkpoint. */
  readonly tree: SignedTree;
  readonly #publisher: Publisher<State>;
  /** What is durable; the next batch goes on from here. */
  #folded: Folded<State>;
  #quarantine: Quarantine | undefined;
  #stopped: Refusal | undefined;
  #queue: Waiting<Command, Event>[] = [];
  #busy = false;
  /** Commands that were taken and are not answered yet, wherever they are. */
  #unanswered = 0;
  /** Resolves when every batch that was begun is answered. */
  #newest: Promise<void> = Promise.resolve();
  #ended = false;
  #idle: (() => void)[] = [];
  #prunedAt = Number.NEGATIVE_INFINITY;
  readonly #inFlight = new Map<string, string>();
  readonly #followers = new Set<FollowerLoop<Command, Event>>();
  readonly #listeners = new Set<(head: SignedHead) => void>();
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(options: SequencerOptions<State, Command, Event>, found: Audit<State>) {
    const { folded, slab } = found;
    this.#options = options;
    this.#folded = folded;
    this.#slab = slab;
    this.#clock = new EntryClock(folded.time, options.now(), options.acceptTimeJump ?? false);
    this.#heartbeat = setInterval(() => this.#clock.observe(options.now()), observeEveryMs).unref();
    this.#publisher = new Publisher(options, found, (head) => {
      for (const listener of this.#listeners) listener(head);
      for (const follower of this.#followers) follower.wake();
    });
    this.tree = new SignedTree(slab, () => this.signedHead());
  }

  /** Goes on from what the audit found: publishes it, or isolates the ledger when something in it is wrong. */
  static async open<State, Command extends JsonObject, Event extends JsonObject>(
    options: SequencerOptions<State, Command, Event>,
    found: Audit<State>,
  ): Promise<Sequencer<State, Command, Event>> {
    const sequencer = new Sequencer(options, found);
    if (found.damage === undefined) await sequencer.#publisher.first();
    else sequencer.#isolate(found.damage);
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
    const flight = ticket.value.idempotency;
    const flightKey = flight && JSON.stringify([flight.principal, flight.route, flight.key]);
    if (flight !== undefined && flightKey !== undefined) {
      const body = this.#inFlight.get(flightKey);
      if (body !== undefined)
        return no(
          body === flight.bodyDigest
            ? refuse(
                'idempotency-in-flight',
                'L12',
                `the request with key \`${flight.key.slice(0, 80)}\` is still being answered`,
                {},
                'wait for its answer, then ask again',
              )
            : refuseConflict(flight.key),
        );
      this.#inFlight.set(flightKey, flight.bodyDigest);
    }
    return new Promise((resolve) => {
      const release = (answer: Answer<Event>): void => {
        if (flightKey !== undefined) this.#inFlight.delete(flightKey);
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
    const cursor = (await store.cursor(tenant, options.name)) ?? options.from;
    const follower = new FollowerLoop<Command, Event>(tenant, store, options, cursor, handler, () => this.#readable());
    this.#followers.add(follower);
    return follower;
  }

  /**
   * Resolves when all that the store held at this moment is published, or the ledger has stopped: who reads the store
   * itself waits for it before showing what was read (SPEC L10).
   */
  published(): Promise<void> {
    return this.#newest;
  }

  /** Told of each new signed head, before the answers. Gives back what ends it. */
  subscribe(listener: (head: SignedHead) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An operator has looked at the clock: it is right, although it leapt. */
  acceptTimeJump(): void {
    this.#clock.accept(this.#options.now());
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

  /** Answers what is waiting, stops the followers, keeps the last checkpoint. The store stays open. */
  async close(): Promise<void> {
    const closing = refuse('ledger-unavailable', 'L12', 'the ledger is being closed', {}, 'try again when it runs');
    this.#stopped ??= closing.refusal;
    clearInterval(this.#heartbeat);
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#idle.push(resolve));
    for (const follower of this.#followers) await follower.stop();
    const note = this.#note();
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

  // Not at once: whoever was just answered, and whatever the sockets hold, shall come along in this batch.
  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    const waiting = this.#queue.splice(0, maxBatch);
    const answered = Promise.withResolvers<void>();
    // Also the batches before: one that fails at once is answered before them.
    this.#newest = Promise.all([this.#newest, answered.promise]).then(() => undefined);
    await this.#batch(waiting, answered.resolve);
    this.#busy = false;
    if (this.#queue.length > 0) this.#schedule();
    else this.#tellIdle();
  }

  async #batch(waiting: readonly Waiting<Command, Event>[], answered: () => void): Promise<void> {
    const { tenant, store } = this.#options;
    const sizeBefore = this.#folded.size;
    try {
      const prune = this.#options.now() - this.#prunedAt > pruneEveryMs;
      const tickets = waiting.map(({ ticket }) => ticket);
      const { after, outcomes } = await store.batch(tenant, (tx) =>
        runBatch(
          { ...this.#options, clock: this.#clock, slab: this.#slab, checkpoint: this.signedHead()?.note, prune },
          tx,
          this.#folded,
          tickets,
        ),
      );
      // Durable from here on.
      if (prune) this.#prunedAt = this.#options.now();
      this.#folded = after;
      void this.#answer(waiting, outcomes, after).finally(answered);
    } catch (error) {
      this.#fail(error, waiting, sizeBefore);
      answered();
    }
  }

  async #answer(
    waiting: readonly Waiting<Command, Event>[],
    outcomes: readonly Outcome<Event>[],
    after: Folded<State>,
  ): Promise<void> {
    try {
      await this.#publisher.reach(after);
      const checkpoint = this.#note();
      for (const [at, { resolve }] of waiting.entries()) {
        const outcome = outcomes[at];
        if (outcome !== undefined) resolve({ ...outcome, checkpoint });
      }
    } catch (error) {
      this.#end(error, waiting);
    }
    this.#tellIdle();
  }

  #fail(error: unknown, waiting: readonly Waiting<Command, Event>[], sizeBefore: number): void {
    const damage = damageIn(error, sizeBefore);
    if (damage !== undefined) {
      this.#isolate(damage);
      // Whoever still waits, too: nothing is decided on a damaged ledger (SPEC L11).
      const refused = refuseQuarantined(quarantineFrom(damage.index, damage.what));
      this.#refuseAll(waiting, refused);
      this.#refuseAll(this.#queue.splice(0), refused);
      return;
    }
    if (error instanceof StoreFailure && error.outcome === 'nothing-written') {
      // What others had appended was folded into the tree as well; the next batch folds it again.
      this.#slab.truncate(sizeBefore);
      this.#refuseAll(waiting, { ok: false, refusal: error.refusal });
      return;
    }
    this.#end(error, waiting);
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
