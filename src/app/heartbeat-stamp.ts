// SPDX-License-Identifier: Apache-2.0
import { parseNote, type NoteVerifier } from '../crypto/signed-note.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { Instant } from '../kernel/instant.ts';
import type { LedgerStore } from '../ledger/store.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import { takeApart, type HeadInParts } from './head-in-parts.ts';
import type { NoteKeeper } from './note-keeper.ts';
import { refuseQuarantined, type Quarantine } from './quarantine.ts';
import { EntryClock } from './sequencer-clock.ts';
import type { SignedHead } from './sequencer-start.ts';

/** What of a sequencer a heartbeat goes by. */
export type HeadSource = {
  /** The newest head that is published. */
  readonly signedHead: () => SignedHead | undefined;
  readonly head: () => { readonly time: Instant | null };
  readonly quarantine: () => Quarantine | undefined;
  /** Resolves when all that the store holds now is published. */
  readonly published: () => Promise<void>;
  readonly subscribe: (listener: (head: SignedHead) => void) => () => void;
  readonly tree: {
    readonly rootAt: (size: number) => string | undefined;
    readonly consistency: (from: number, to: number) => Result<readonly string[]>;
  };
};

export type StampOptions = {
  readonly tenant: string;
  readonly store: LedgerStore;
  readonly source: HeadSource;
  readonly log: NoteVerifier;
  /** The log's own cosignature over the text of a checkpoint, as a line; its key may lie elsewhere. */
  readonly sign: (text: string, time: number) => Promise<Result<string>>;
  readonly policy?: WitnessPolicy | undefined;
  readonly keeper: NoteKeeper;
  readonly now: () => number;
  /** Believe the clock although it is more than 24 hours after the last entry. */
  readonly acceptTimeJump?: boolean;
};

// The clock that entries go by: of servers that share a store it is the store's (SPEC L17).
const clockOf = async ({ store, now }: Pick<StampOptions, 'store' | 'now'>): Promise<number> =>
  store.now === undefined ? now() : store.now();

const withheld = (why: string, help: string, facts = {}): Refused =>
  refuse('heartbeat-withheld', 'L21', why, facts, help);

/**
 * Says that a head is the newest, or why it does not (SPEC L21, ADR 0011). What it says is durable before anybody gets
 * it, and never goes back: neither in time nor in size, over restarts too.
 */
export class HeartbeatStamp {
  readonly #options: StampOptions;
  readonly #clock: EntryClock;
  /** What it said last; undefined before the first time. */
  #last: HeadInParts | undefined;
  /** What was said before cannot be read, so that it is unknown what would contradict it. */
  readonly #unknown: Refused | undefined;

  private constructor(options: StampOptions, nowMs: number) {
    const { source, acceptTimeJump = false } = options;
    this.#options = options;
    this.#clock = new EntryClock(source.head().time, nowMs, acceptTimeJump);
    const kept = this.#kept();
    if (kept.ok) this.#last = kept.value;
    else this.#unknown = kept;
  }

  static async open(options: StampOptions): Promise<HeartbeatStamp> {
    return new HeartbeatStamp(options, await clockOf(options));
  }

  last(): HeadInParts | undefined {
    return this.#last;
  }

  /** Says it once more, for the newest head. Never rejects. */
  async renew(): Promise<Result<HeadInParts>> {
    try {
      return await this.#renew();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return withheld(`the server cannot write: ${why}`, 'look at the disks of the ledger and of its mark');
    }
  }

  /**
   * Says it of a head that this process has just published, at the moment it did: entries and mark were written for
   * it, so that nothing has to be written once more before a permit can go out with it. Only where nobody else appends:
   * another may have been faster, and then nothing of this was the newest.
   */
  async published(head: SignedHead, time: number): Promise<Result<HeadInParts>> {
    if (this.#last?.head.size === head.size) return ok(this.#last);
    const against = this.#refuseNow(time, this.#options.now()) ?? this.#refuseOther(head);
    if (against !== undefined) return against;
    const signed = await this.#signed(head, time);
    return signed.ok ? this.#take(signed.value) : signed;
  }

  async #renew(): Promise<Result<HeadInParts>> {
    const { tenant, store, source, keeper } = this.#options;
    // Before all else: whatever holds this process up from here on leaves an old time behind.
    const nowMs = await clockOf(this.#options);
    const time = Math.floor(nowMs / 1000);
    const against = this.#refuseNow(time, nowMs);
    if (against !== undefined) return against;
    const shown = source.signedHead();
    // A head that is new was written a moment ago, where nobody else writes; else only writing shows that one still can.
    const quiet = store.shared === true || shown?.size === this.#last?.head.size;
    if (shown !== undefined && quiet) await store.putCheckpoint(tenant, shown.note);
    const durable = await store.head(tenant);
    await source.published();
    const head = source.signedHead();
    if (head === undefined) return withheld('no checkpoint is signed yet', 'wait until the ledger has started');
    if (head.size < durable.size)
      return withheld(
        `the store holds ${durable.size} entries, and this process has published ${head.size}`,
        'it stopped, or another process goes on without it: look at the log',
        { size: head.size, stored: durable.size },
      );
    const quarantine = source.quarantine();
    if (quarantine !== undefined) return refuseQuarantined(quarantine);
    const other = this.#refuseOther(head);
    if (other !== undefined) return other;
    const signed = await this.#signed(head, time);
    if (!signed.ok) return signed;
    await keeper.write(noteOf(this.#withLines(signed.value)));
    return this.#take(signed.value);
  }

  async #signed(head: SignedHead, time: number): Promise<Result<HeadInParts>> {
    const note = parseNote(head.note);
    if (!note.ok) throw new BrokenInvariant(note.refusal.message);
    const { text } = note.value;
    const line = await this.#options.sign(text, time);
    return line.ok ? ok({ head, text, own: { line: line.value, time }, lines: new Map() }) : line;
  }

  // What witnesses said of this very head stays beside it, with their older times.
  #withLines(parts: HeadInParts): HeadInParts {
    return this.#last?.text === parts.text ? { ...parts, lines: this.#last.lines } : parts;
  }

  // In the meantime a larger head may have been said, or this one later.
  #take(parts: HeadInParts): Result<HeadInParts> {
    const last = this.#last;
    const newer = last !== undefined && (last.head.size > parts.head.size || last.own.time > parts.own.time);
    this.#last = newer ? last : this.#withLines(parts);
    return ok(this.#last);
  }

  /** Keeps what witnesses added to what was said last. */
  async keep(parts: HeadInParts): Promise<void> {
    if (this.#last?.text !== parts.text) return;
    const next = { ...parts, own: this.#last.own };
    this.#last = next;
    await this.#options.keeper.write(noteOf(next));
  }

  /** What was said of heads that were published in between is kept too before the process ends. */
  async close(): Promise<void> {
    if (this.#last !== undefined && this.#unknown === undefined) await this.#options.keeper.write(noteOf(this.#last));
  }

  #refuseNow(time: number, nowMs: number): Refused | undefined {
    const { source } = this.#options;
    if (this.#unknown !== undefined) return this.#unknown;
    const quarantine = source.quarantine();
    if (quarantine !== undefined) return refuseQuarantined(quarantine);
    const believed = this.#clock.next(source.head().time, nowMs);
    if (!believed.ok) return believed;
    const { time: before = 0 } = this.#last?.own ?? {};
    return time >= before
      ? undefined
      : withheld(`the clock is ${before - time} s before what was said last`, 'set the clock of the server right', {
          said: before,
          now: time,
        });
  }

  /** A head that does not go on from what was said last. */
  #refuseOther({ size: shown }: SignedHead): Refused | undefined {
    const { head } = this.#last ?? {};
    if (head === undefined || (head.size <= shown && this.#options.source.tree.rootAt(head.size) === head.root))
      return undefined;
    return withheld(
      `this ledger does not hold the ${head.size} entries that it was signed for before`,
      'an old copy was restored, or its key signs elsewhere: run `countersign ledger fsck`, compare checkpoints with other people',
      { size: head.size, root: head.root },
    );
  }

  #kept(): Result<HeadInParts | undefined> {
    const { keeper, log, policy } = this.#options;
    const note = keeper.read();
    if (!note.ok || note.value === undefined) return note.ok ? ok(undefined) : note;
    const parts = takeApart(note.value, log, policy);
    return parts.ok
      ? parts
      : withheld(
          `the cosigned note beside the mark does not hold: ${parts.refusal.message}`,
          'find out who changed it; once it is removed, the server forgets what it said before',
        );
  }
}

const noteOf = ({ head, own, lines }: HeadInParts): string =>
  `${head.note}${own.line}${[...lines.values()].map(({ line }) => line).join('')}`;
