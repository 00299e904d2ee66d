// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { ok, refuse, type Result } from '../kernel/refusal.ts';

const maxOpen = 1000;
const maxOpenOfPermit = 8;
export const challengeValidMs = 300_000;

type Open = { readonly permit: string; readonly untilMs: number };

/**
 * Numbers that uses of permits are signed over (SPEC Y8): drawn for one permit, good once, for five minutes, and only in
 * this process. A use that was signed for another copy of this instance, or before a restart, is worth nothing here.
 */
export class Challenges {
  readonly #open = new Map<string, Open>();

  draw(permit: string, nowMs: number): Result<string> {
    for (const [challenge, { untilMs }] of this.#open) if (untilMs <= nowMs) this.#open.delete(challenge);
    const own = [...this.#open].filter(([, open]) => open.permit === permit);
    // Who asks again and again for one permit loses the first answers, and takes nothing from others.
    if (own.length >= maxOpenOfPermit) this.#open.delete(own[0]?.[0] ?? '');
    if (this.#open.size >= maxOpen)
      return refuse(
        'challenges-exhausted',
        'Y8',
        `${maxOpen} challenges are drawn and not used`,
        { limit: maxOpen },
        'try again in five minutes',
      );
    const challenge = randomBytes(16).toString('hex');
    this.#open.set(challenge, { permit, untilMs: nowMs + challengeValidMs });
    return ok(challenge);
  }

  /** Uses a challenge up. */
  take(challenge: string, permit: string, nowMs: number): Result<null> {
    const open = this.#open.get(challenge);
    if (open === undefined || open.permit !== permit || open.untilMs <= nowMs)
      return refuse(
        'challenge-unknown',
        'Y8',
        'the use was signed over a number that this enforcement point did not draw for this permit, or no longer takes',
        { permit },
        'ask for a challenge and sign over that one, within five minutes',
      );
    this.#open.delete(challenge);
    return ok(null);
  }
}
