// SPDX-License-Identifier: Apache-2.0
import type { Delivery } from '../app/delivery.ts';

/** How long and how often something is tried again, milliseconds. */
export type Patience = { readonly firstMs: number; readonly mostMs: number; readonly giveUpMs: number };
export const patience: Patience = { firstMs: 1000, mostMs: 300_000, giveUpMs: 3 * 86_400_000 };

export type Parcel<T> = { readonly key: string; readonly at: number; readonly what: T };
export type LaneOptions<T> = {
  readonly patience: Patience;
  readonly now: () => number;
  /** False when there is no reason any more to send it; it is dropped then. */
  readonly wanted: (what: T) => boolean;
  /**
   * Asks to be the one that sends it, for so long. `held` while another process may be sending it, `missing` when that
   * is done with it. Zero milliseconds give it back.
   */
  readonly claim: (parcel: Parcel<T>, forMs: number) => Promise<'claimed' | 'held' | 'missing'>;
  readonly deliver: (what: T, signal: AbortSignal) => Promise<Delivery>;
  /** It is done with: sent, dropped or given up. `why` is null unless it failed for good. */
  readonly done: (parcel: Parcel<T>, outcome: 'sent' | 'dropped' | 'given-up', why: string | null) => Promise<void>;
  readonly failed: (parcel: Parcel<T>, why: string, tries: number) => void;
};

type Waiting<T> = { readonly parcel: Parcel<T>; tries: number; dueAt: number; flying: boolean; mine: boolean };

const atOnce = 4;
const mostWaiting = 20_000;
/** Longer than any delivery takes: who claimed it and is silent for so long is gone. */
const attemptMs = 30_000;
/** When to ask again for what another process holds. */
const heldMs = 5000;

/**
 * Sends what it is given, a few at a time, each by itself: one that fails waits longer each time and holds up no other.
 * What waits is in memory; whoever fills the lane keeps it durable and learns by `done` when it may be forgotten.
 */
export class NoticeLane<T> {
  readonly #options: LaneOptions<T>;
  readonly #waiting = new Map<string, Waiting<T>>();
  readonly #abort = new AbortController();
  readonly #flights = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes a parcel in; one with the same key is the same parcel. */
  add(parcel: Parcel<T>): void {
    if (this.#waiting.has(parcel.key)) return;
    this.#waiting.set(parcel.key, { parcel, tries: 0, dueAt: 0, flying: false, mine: false });
    if (this.#waiting.size > mostWaiting) this.#shed();
    this.#wake();
  }

  /** Lets what is on its way arrive for up to `graceMs`, then breaks it off; what is left is sent after the next start. */
  async stop(graceMs: number): Promise<void> {
    clearTimeout(this.#timer);
    const cut = setTimeout(() => this.#abort.abort(), graceMs).unref();
    this.#stopping = true;
    while (this.#flights.size > 0) await Promise.all(this.#flights);
    clearTimeout(cut);
    this.#abort.abort();
    for (const { parcel, mine } of this.#waiting.values()) if (mine) await this.#options.claim(parcel, 0);
  }

  #stopping = false;

  #wake(): void {
    clearTimeout(this.#timer);
    if (this.#stopping) return;
    const now = this.#options.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.values()) {
      if (this.#flights.size >= atOnce) return;
      if (waiting.flying) continue;
      if (waiting.dueAt <= now) this.#fly(waiting);
      else next = Math.min(next, waiting.dueAt);
    }
    if (next < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#wake(), Math.min(next - now, 60_000)).unref();
  }

  #fly(waiting: Waiting<T>): void {
    waiting.flying = true;
    const flight = this.#attempt(waiting).finally(() => {
      waiting.flying = false;
      this.#flights.delete(flight);
      this.#wake();
    });
    this.#flights.add(flight);
  }

  async #attempt(waiting: Waiting<T>): Promise<void> {
    const { parcel } = waiting;
    const { wanted, claim, deliver, failed, now } = this.#options;
    const { firstMs, mostMs, giveUpMs } = this.#options.patience;
    if (!wanted(parcel.what)) return this.#finish(parcel, 'dropped', null);
    const claimed = await claim(parcel, attemptMs);
    waiting.mine = claimed === 'claimed';
    if (claimed === 'held') waiting.dueAt = now() + Math.min(heldMs, mostMs);
    if (claimed === 'missing') this.#waiting.delete(parcel.key);
    if (!waiting.mine) return;
    let delivery: Delivery;
    try {
      delivery = await deliver(parcel.what, this.#abort.signal);
    } catch (error) {
      delivery = { sent: false, final: false, why: error instanceof Error ? error.message : 'it failed' };
    }
    if (delivery.sent) return this.#finish(parcel, 'sent', null);
    if (this.#abort.signal.aborted) return;
    waiting.tries += 1;
    failed(parcel, delivery.why, waiting.tries);
    if (delivery.final || now() - parcel.at > giveUpMs) return this.#finish(parcel, 'given-up', delivery.why);
    const restMs = Math.min(firstMs * 2 ** (waiting.tries - 1), mostMs);
    waiting.dueAt = now() + restMs;
    // It stays ours until the next try is over, or others would try it meanwhile.
    await claim(parcel, restMs + attemptMs);
  }

  async #finish(parcel: Parcel<T>, outcome: 'sent' | 'dropped' | 'given-up', why: string | null): Promise<void> {
    await this.#options.done(parcel, outcome, why);
    this.#waiting.delete(parcel.key);
  }

  // A channel that has been dead for long must not fill the memory: the oldest go.
  #shed(): void {
    for (const { parcel, flying } of this.#waiting.values()) {
      if (flying) continue;
      this.#waiting.delete(parcel.key);
      void this.#options.done(parcel, 'given-up', 'too many wait');
      return;
    }
  }
}
