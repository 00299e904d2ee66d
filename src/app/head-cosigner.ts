// SPDX-License-Identifier: Apache-2.0
import type { Refusal, Result } from '../kernel/refusal.ts';
import type { Witness } from '../ledger/witness-port.ts';
import { CosignedHistory } from './cosigned-history.ts';
import { HeartbeatStamp, type StampOptions } from './heartbeat-stamp.ts';
import { joined, withLine, type CosignedHead, type HeadInParts } from './head-in-parts.ts';
import { WitnessLane, type CosignedLine, type WitnessStanding } from './witness-lane.ts';

export type HeadCosignerOptions = StampOptions & {
  readonly witnesses: readonly Witness[];
  /** The longest that a head goes without a new heartbeat. */
  readonly everyMs?: number;
  /** The shortest time between two rounds of witnesses. */
  readonly leastMs?: number;
  /** How long one witness may take. */
  readonly answerWithinMs?: number;
  readonly onEvent: (
    level: 'info' | 'warn' | 'error',
    event: string,
    values: Readonly<Record<string, unknown>>,
  ) => void;
};

/** How heartbeats and witnesses stand; times are in seconds since 1970. */
export type CosigningStanding = {
  /** The log's own clock at the last heartbeat. */
  readonly heartbeatAt: number | null;
  /** Why there is none now. */
  readonly withheld: Refusal | null;
  /** Until when the quorum vouches; null when it never did, or nobody asks for one. */
  readonly quorumAt: number | null;
  readonly asksForQuorum: boolean;
  readonly witnesses: readonly WitnessStanding[];
};

export const defaultEveryMs = 60_000;
const defaultAnswerWithinMs = 5000;

/**
 * Has the newest head cosigned: by the log itself whenever it changed and at least once an interval, then by all
 * witnesses at once (SPEC L21, L22). What readers are offered waits for the quorum, though not longer than a witness may
 * take; whoever comes later is added.
 */
export class HeadCosigner {
  readonly #options: HeadCosignerOptions;
  readonly #stamp: HeartbeatStamp;
  readonly #history: CosignedHistory;
  readonly #lanes: readonly WitnessLane[];
  readonly #told = new Map<string, string>();
  #offered: HeadInParts | undefined;
  /** The head that witnesses are being asked about. */
  #asked: HeadInParts | undefined;
  #renewing: Promise<Result<HeadInParts>> | undefined;
  #withheld: Refusal | null = null;
  /** The head that was published last, and when. */
  #published = { size: -1, at: 0 };
  #stamping: { readonly size: number; readonly done: Promise<Result<HeadInParts>> } | undefined;
  #quorumAt: number | null = null;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #round = false;
  readonly #waiting = new Set<() => void>();
  #stopped = false;
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  private constructor(options: HeadCosignerOptions, history: CosignedHistory, stamp: HeartbeatStamp) {
    const { witnesses, answerWithinMs = defaultAnswerWithinMs, leastMs = 1000, everyMs = defaultEveryMs } = options;
    this.#options = options;
    this.#history = history;
    this.#stamp = stamp;
    this.#lanes = witnesses.map((witness) => new WitnessLane(witness, answerWithinMs, options.now));
    this.#offered = this.#stamp.last();
    this.#quorumAt =
      this.#offered === undefined ? null : (joined(this.#offered, options.policy).quorum?.notBefore ?? null);
    this.#timer = setInterval(() => this.#wake(), Math.min(leastMs, everyMs)).unref();
    this.#unsubscribe = options.source.subscribe(({ size }) => {
      this.#published = { size, at: Math.floor(options.now() / 1000) };
      // On a quiet ledger at once; on a busy one the timer sees to it.
      if (performance.now() - this.#renewedAt >= leastMs) this.#wake();
    });
  }

  get everyMs(): number {
    return this.#options.everyMs ?? defaultEveryMs;
  }

  /** Begins, and has the first heartbeat said, or withheld, before anybody is served. */
  static async start(options: HeadCosignerOptions): Promise<HeadCosigner> {
    const history = await CosignedHistory.open(options.store, options.tenant);
    const cosigner = new HeadCosigner(options, history, await HeartbeatStamp.open(options));
    await cosigner.#renew();
    cosigner.#wake();
    return cosigner;
  }

  /** What readers are offered. Of a damaged ledger it is the last that was kept: it is what others can compare. */
  newest(): CosignedHead | undefined {
    const offered = this.#lanes.length === 0 ? this.#stamp.last() : this.#offered;
    return offered && joined(offered, this.#options.policy);
  }

  /** The same; without witnesses it never lags behind what was answered. */
  async current(): Promise<CosignedHead | undefined> {
    if (this.#lanes.length === 0) await this.stamped();
    return this.newest();
  }

  /**
   * The newest head with the log's own time, whether or not witnesses have come to it: what permits are proven under.
   * Undefined while heartbeats are withheld.
   */
  async stamped(): Promise<CosignedHead | undefined> {
    const head = this.#options.source.signedHead();
    if (head === undefined || this.#withheld !== null) return undefined;
    const { size, at } = this.#published;
    const behind = (): boolean => (this.#stamp.last()?.head.size ?? 0) < head.size;
    if (this.#options.store.shared === true) {
      // Others append as well: that it was published here says nothing of whether it was the newest then. A renewal
      // that is under way may have begun before.
      for (let tries = 0; tries < 2 && behind(); tries += 1) await this.#renew();
    } else if (size === head.size && behind()) {
      // Everybody who asks at the same time gets the same one.
      if (this.#stamping?.size !== size) this.#stamping = { size, done: this.#stamp.published(head, at) };
      await this.#stamping.done;
    }
    const last = this.#stamp.last();
    return last !== undefined && last.head.size >= head.size ? joined(last, this.#options.policy) : undefined;
  }

  /**
   * A head with the quorum that covers this size, when there is one soon. Undefined where nobody asks for a quorum, and
   * at once while it is missing: a witness that is down must not slow down every permit.
   */
  async witnessed(size: number): Promise<CosignedHead | undefined> {
    const covering = (): CosignedHead | undefined => {
      const newest = this.newest();
      return newest !== undefined && newest.quorum !== null && newest.size >= size ? newest : undefined;
    };
    const known = covering();
    if (known !== undefined || !this.#asksForQuorum() || this.#told.get('quorum') === 'missing') return known;
    const { answerWithinMs = defaultAnswerWithinMs } = this.#options;
    const waited = Promise.withResolvers<void>();
    const waiter = (): void => void (covering() !== undefined && waited.resolve());
    const timer = setTimeout(() => waited.resolve(), answerWithinMs);
    this.#waiting.add(waiter);
    await waited.promise;
    clearTimeout(timer);
    this.#waiting.delete(waiter);
    return covering();
  }

  /** The first note that was cosigned as the policy asks and covers this size; for proofs of what was when. */
  coveringAtLeast(size: number): Promise<string | undefined> {
    return this.#history.coveringAtLeast(size);
  }

  standing(): CosigningStanding {
    return {
      heartbeatAt: this.#stamp.last()?.own.time ?? null,
      withheld: this.#withheld,
      quorumAt: this.#quorumAt,
      asksForQuorum: this.#asksForQuorum(),
      witnesses: this.#lanes.map((lane) => lane.standing()),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const lane of this.#lanes) lane.stop();
    await this.#renewing;
    await this.#stamp.close().catch((error: unknown) => this.#failed(error));
  }

  #asksForQuorum(): boolean {
    const { policy } = this.#options;
    return policy !== undefined && policy.quorum.kind !== 'none';
  }

  #wake(): void {
    const { source, everyMs = defaultEveryMs } = this.#options;
    if (this.#stopped || this.#round || this.#renewing !== undefined) return;
    const last = this.#stamp.last();
    const changed = source.signedHead()?.size !== last?.head.size;
    // Asked for by a permit in between, a head has its heartbeat already and no witness yet.
    const unasked = this.#lanes.length > 0 && last !== undefined && this.#asked?.text !== last.text;
    if (!changed && !unasked && performance.now() - this.#renewedAt < everyMs && this.#withheld === null) return;
    this.#round = true;
    void this.#go().finally(() => {
      this.#round = false;
    });
  }

  // Everybody who asks at the same time gets the same one.
  #renew(): Promise<Result<HeadInParts>> {
    this.#renewing ??= this.#stamp.renew().then((renewed) => {
      this.#renewing = undefined;
      this.#renewedAt = performance.now();
      this.#tellWithheld(renewed.ok ? null : renewed.refusal);
      if (!renewed.ok) return renewed;
      const alone = this.#lanes.length === 0;
      if (alone || this.#offered === undefined || this.#offered.text === renewed.value.text) this.#offer(renewed.value);
      if (!this.#asksForQuorum()) this.#keepFirst(renewed.value);
      return renewed;
    });
    return this.#renewing;
  }

  async #go(): Promise<void> {
    const renewed = await this.#renew();
    if (!renewed.ok || this.#lanes.length === 0 || this.#stopped) return;
    const { head, text } = renewed.value;
    this.#asked = renewed.value;
    const met = Promise.withResolvers<void>();
    const free = this.#lanes.filter((lane) => !lane.busy);
    const asking = free.map(async (lane) => {
      const answer = await lane.ask({
        note: head.note,
        size: head.size,
        consistencyFrom: (size) => this.#options.source.tree.consistency(size, head.size),
      });
      if (answer.ok || !(await this.#overtaken(answer.refusal))) this.#tellWitness(lane.standing());
      if (answer.ok && (await this.#add(text, answer.value))) met.resolve();
    });
    const all = Promise.all(asking).then(() => undefined);
    await Promise.race([met.promise, all]);
    // Whoever is late is added when it comes; nobody waits for it once there are enough.
    if (this.#asked?.text === text) this.#offer(this.#asked);
    this.#tellQuorum();
  }

  /** Another server of this ledger showed the witness more in the meantime, and this one holds it as well by now. */
  async #overtaken({ code, facts }: Refusal): Promise<boolean> {
    const { store, source } = this.#options;
    if (store.shared !== true || code !== 'witness-ahead') return false;
    await source.published();
    return Number(facts['size']) <= (source.signedHead()?.size ?? 0);
  }

  /** Adds a line to whatever head it is for; tells whether there are enough now. */
  async #add(text: string, line: CosignedLine): Promise<boolean> {
    if (this.#asked?.text === text) this.#asked = withLine(this.#asked, line);
    if (this.#offered?.text === text) this.#offered = withLine(this.#offered, line);
    const parts = [this.#asked, this.#offered].find((one) => one?.text === text);
    if (parts === undefined) return false;
    const last = this.#stamp.last();
    if (last?.text === text)
      await this.#stamp.keep(withLine(last, line)).catch((error: unknown) => this.#failed(error));
    const { quorum } = joined(parts, this.#options.policy);
    if (quorum !== null) {
      this.#quorumAt = Math.max(this.#quorumAt ?? 0, quorum.notBefore);
      this.#keepFirst(parts);
    }
    return quorum !== null;
  }

  // A round may end after a newer head was offered.
  #offer(parts: HeadInParts): void {
    if (parts.head.size >= (this.#offered?.head.size ?? 0)) this.#offered = parts;
    for (const waiter of this.#waiting) waiter();
  }

  #keepFirst(parts: HeadInParts): void {
    const { size, note } = joined(parts, this.#options.policy);
    void this.#history.keep(size, note).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#options.onEvent('warn', 'cosigned-note-not-kept', { why });
  }

  // Each state is told once, when it begins.
  #tell(about: string, state: string, tell: () => void): void {
    if ((this.#told.get(about) ?? '') === state) return;
    this.#told.set(about, state);
    tell();
  }

  #tellWithheld(refusal: Refusal | null): void {
    const { onEvent } = this.#options;
    this.#withheld = refusal;
    this.#tell('heartbeat', refusal?.code ?? '', () => {
      if (refusal === null) onEvent('info', 'heartbeat-back', {});
      else onEvent('error', 'heartbeat-withheld', { code: refusal.code, why: refusal.message, help: refusal.help });
    });
  }

  #tellWitness({ name, refusal }: WitnessStanding): void {
    const { onEvent } = this.#options;
    if (this.#stopped) return;
    this.#tell(name, refusal?.code ?? '', () => {
      if (refusal === null) onEvent('info', 'witness-back', { witness: name });
      // It has seen more of this ledger than there is: either it lies, or this ledger was cut.
      else
        onEvent(refusal.code === 'witness-ahead' ? 'error' : 'warn', 'witness-failed', {
          witness: name,
          code: refusal.code,
          why: refusal.message,
        });
    });
  }

  #tellQuorum(): void {
    const { onEvent, everyMs = defaultEveryMs } = this.#options;
    if (this.#stopped || !this.#asksForQuorum() || this.#asked === undefined) return;
    // Lines of an earlier round stay beside a head that did not change: how old they are is what counts.
    const met = this.#asked.own.time - (this.#quorumAt ?? Number.NEGATIVE_INFINITY) <= (2 * everyMs) / 1000;
    this.#tell('quorum', met ? '' : 'missing', () => {
      if (met) onEvent('info', 'witness-quorum-back', {});
      else
        onEvent('error', 'witness-quorum-missing', {
          last: this.#quorumAt,
          failed: this.#lanes.flatMap((lane) => (lane.standing().refusal === null ? [] : [lane.standing().name])),
        });
    });
  }
}
