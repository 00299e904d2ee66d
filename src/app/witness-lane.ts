// SPDX-License-Identifier: Apache-2.0
import { verifyCosignatures, type Cosignature } from '../crypto/cosignature.ts';
import { parseNote } from '../crypto/signed-note.ts';
import { ok, refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import type { CosignRequest, Witness } from '../ledger/witness-port.ts';

/** One signature line of a witness that holds for the note it was asked about. */
export type CosignedLine = { readonly line: string; readonly cosignature: Cosignature };

/** How one witness stands: when it cosigned last, by its own clock and in seconds, and why it did not since. */
export type WitnessStanding = {
  readonly name: string;
  readonly cosignedAt: number | null;
  readonly refusal: Refusal | null;
};

/** As much as a witness's clock may be ahead of ours: one that gives times to come would count for good. */
const aheadToleratedSeconds = 300;

/** One witness, asked about one checkpoint at a time and given up after a while (SPEC L22). */
export class WitnessLane {
  readonly #witness: Witness;
  readonly #withinMs: number;
  readonly #now: () => number;
  #under: AbortController | undefined;
  #cosignedAt: number | null = null;
  #refusal: Refusal | null = null;

  constructor(witness: Witness, withinMs: number, now: () => number) {
    this.#witness = witness;
    this.#withinMs = withinMs;
    this.#now = now;
  }

  get busy(): boolean {
    return this.#under !== undefined;
  }

  standing(): WitnessStanding {
    return { name: this.#witness.key.name, cosignedAt: this.#cosignedAt, refusal: this.#refusal };
  }

  /** Never rejects, and never takes longer than it may, whatever the witness does. */
  async ask(request: Omit<CosignRequest, 'signal'>): Promise<Result<CosignedLine>> {
    const under = new AbortController();
    this.#under = under;
    const late = Promise.withResolvers<Refused>();
    const timer = setTimeout(() => under.abort(), this.#withinMs);
    under.signal.addEventListener('abort', () => late.resolve(this.#late()));
    try {
      const answer = await Promise.race([late.promise, this.#answer({ ...request, signal: under.signal })]);
      const line = answer.ok ? this.#take(request.note, answer.value) : answer;
      this.#refusal = line.ok ? null : line.refusal;
      if (line.ok) this.#cosignedAt = line.value.cosignature.time;
      return line;
    } finally {
      clearTimeout(timer);
      this.#under = undefined;
    }
  }

  stop(): void {
    this.#under?.abort();
  }

  async #answer(request: CosignRequest): Promise<Result<string>> {
    try {
      return await this.#witness.cosign(request);
    } catch (error) {
      return this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  // One line too many, or one that names another key, could make the whole note refused by those who read it.
  #take(note: string, lines: string): Result<CosignedLine> {
    const { key } = this.#witness;
    const base = parseNote(note);
    if (!base.ok) return base;
    const answered = parseNote(`${base.value.text}\n${lines}`);
    const [signature, ...more] = answered.ok ? answered.value.signatures : [];
    if (signature === undefined || more.length > 0 || signature.name !== key.name || signature.id !== key.id)
      return this.#failed('its answer is not one line of its own key');
    const held = verifyCosignatures(`${base.value.text}\n${lines}`, [key]);
    const [cosignature] = held.ok ? held.value.cosignatures : [];
    if (cosignature === undefined) return this.#failed('its cosignature does not hold');
    const ahead = cosignature.time - Math.floor(this.#now() / 1000);
    return ahead > aheadToleratedSeconds
      ? this.#failed(`its clock is ${ahead} seconds ahead of this server's`)
      : ok({ line: lines, cosignature });
  }

  #late(): Refused {
    return this.#failed(`it did not answer within ${this.#withinMs} ms`);
  }

  #failed(why: string): Refused {
    const { name } = this.#witness.key;
    return refuse(
      'witness-unreachable',
      'L22',
      `witness \`${name}\`: ${why}`,
      { witness: name },
      'look at its address, ask its operator',
    );
  }
}
