// SPDX-License-Identifier: Apache-2.0
import { cosign, type Cosigner } from '../crypto/cosignature.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { parseNote } from '../crypto/signed-note.ts';
import { BrokenInvariant, ok, refuse, type Refusal, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote, type Checkpoint } from '../ledger/checkpoint.ts';
import { judgeCheckpoint, parseAddCheckpoint, type AddCheckpoint, type WitnessedLog } from '../ledger/witness.ts';
import type { RequestLog } from './request-log.ts';
import type { WitnessState } from './witness-state.ts';

/** What HTTP says: lines of signatures, a size, or a refusal. */
export type DeskAnswer =
  | { readonly status: 200; readonly lines: string }
  | { readonly status: 409; readonly size: number; readonly refusal: Refusal }
  | { readonly status: 400 | 403 | 404 | 422 | 503; readonly refusal: Refusal };

export type DeskOptions = {
  readonly key: Cosigner;
  readonly logs: readonly WitnessedLog[];
  readonly state: WitnessState;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: RequestLog;
  /** Called once, when something may or may not have been written: the process has to end and read again. */
  readonly fatal: (error: unknown) => void;
};

/** As much as a clock may step back, in seconds, before the witness stops (as the ledger does, SPEC L4). */
const clampSeconds = 2;
const mostWaiting = 256;

/**
 * Looks, cosigns and keeps, in one step for each log (c2sp.org/tlog-witness): requests for one log are taken one after
 * another, and nothing is answered before it is on the disk.
 */
export class WitnessDesk {
  readonly #options: DeskOptions;
  readonly #known: ReadonlySet<string>;
  readonly #turns = new Map<string, Promise<unknown>>();
  #waiting = 0;
  #stopped = false;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#known = new Set(options.logs.map(({ origin }) => origin));
  }

  async add(body: string): Promise<DeskAnswer> {
    const request = parseAddCheckpoint(body);
    if (!request.ok) return { status: 400, refusal: request.refusal };
    const { note } = request.value;
    const origin = note.slice(0, note.indexOf('\n'));
    // Strangers' logs wait for nobody.
    if (!this.#known.has(origin)) return this.#judged(request.value);
    if (this.#waiting >= mostWaiting) return busy(this.#waiting);
    this.#waiting += 1;
    const turn = (this.#turns.get(origin) ?? Promise.resolve()).then(() => this.#judged(request.value));
    const done = turn.catch(() => undefined);
    this.#turns.set(origin, done);
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
      if (this.#turns.get(origin) === done) this.#turns.delete(origin);
    }
  }

  /** When all that waits is answered. */
  async idle(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }

  async #judged(request: AddCheckpoint): Promise<DeskAnswer> {
    if (this.#stopped) return stopped;
    const { logs, state, log } = this.#options;
    const judged = judgeCheckpoint(request, logs, (origin) => state.last(origin));
    if (judged.status !== 200) {
      if (judged.status === 422) this.#tellFork(request.note);
      return judged;
    }
    const { checkpoint, text } = judged;
    const time = this.#time();
    if (!time.ok) return { status: 503, refusal: time.refusal };
    state.spend(time.value);
    const line = cosign(text, this.#options.key, time.value);
    const note = `${this.#signedByLog(request.note, checkpoint)}${line}`;
    // The very same within one second is the very same signature; it is on the disk already.
    if (state.last(checkpoint.origin)?.note === note) return { status: 200, lines: line };
    try {
      await state.keep({ ...checkpoint, time: time.value, note });
    } catch (error) {
      this.#stopped = true;
      log.event('error', 'state-not-kept');
      this.#options.fatal(error);
      return stopped;
    }
    log.event('info', 'cosigned', { origin: checkpoint.origin, size: checkpoint.size });
    return { status: 200, lines: line };
  }

  #time(): Result<number> {
    const seconds = Math.floor(this.#options.now() / 1000);
    const { lastTime } = this.#options.state;
    if (seconds > 0 && lastTime - seconds <= clampSeconds) return ok(Math.max(seconds, lastTime));
    return refuse(
      'clock-behind',
      'L20',
      `the clock of the witness is ${lastTime - seconds} seconds behind a time that it has given`,
      { behind_seconds: lastTime - seconds },
      'its operator has to set the clock; nothing is cosigned before its last time',
    );
  }

  // The text and the signatures that were verified, one for each key, and nobody else's.
  #signedByLog(note: string, { origin }: Checkpoint): string {
    const parsed = parseNote(note);
    if (!parsed.ok) throw new BrokenInvariant('a note that was verified is not read');
    const keys = this.#options.logs.find((one) => one.origin === origin)?.keys ?? [];
    const lines = new Map<string, string>();
    for (const { name, id, signature } of parsed.value.signatures)
      if (keys.some((key) => key.name === name && key.id === id)) {
        const bytes = Buffer.concat([Buffer.from(id, 'hex'), signature]);
        lines.set(`${name}+${id}`, `— ${name} ${encodeBase64(bytes)}\n`);
      }
    return `${parsed.value.text}\n${[...lines.values()].join('')}`;
  }

  // Two roots of one size, both signed by the log: the notes prove it, and belong where the operator looks.
  #tellFork(note: string): void {
    const read = readCheckpointNote(note);
    if (!read.ok) return;
    const { log, state } = this.#options;
    const { origin, size, root } = read.value;
    const last = state.last(origin);
    if (last?.size === size && last.root !== root)
      log.event('error', 'two-histories', {
        origin,
        size,
        note: this.#signedByLog(note, read.value),
        cosigned: last.note,
      });
    else log.event('warn', 'not-consistent', { origin, size });
  }
}

const busy = (waiting: number): DeskAnswer => ({
  status: 503,
  refusal: refuse('overloaded', 'H10', `${waiting} requests wait already`, { waiting }, 'try again in a few seconds')
    .refusal,
});

const stopped: DeskAnswer = {
  status: 503,
  refusal: refuse(
    'store-io',
    'L20',
    'the witness cannot keep what it cosigns',
    {},
    'its operator has to look at the disk; ask again when it runs',
  ).refusal,
};
