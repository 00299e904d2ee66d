// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, instantToMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';

const backwardsToleratedMs = 2_000;
const forwardsToleratedMs = 24 * 3_600_000;

/**
 * Entry time (SPEC L4): never runs back, and never leaps. A clock that is wrong by a day would let every deadline
 * pass at once, and no later entry could take that back; so a leap needs somebody's word. Time that passes while this
 * process looks on is no leap, however quiet the ledger is: `observe` is called now and then for that.
 */
export class EntryClock {
  /** The latest time that was taken for true, in ms; undefined before the first. */
  #trusted: number | undefined;

  constructor(last: Instant | null, now: number, acceptTimeJump: boolean) {
    this.#trusted = acceptTimeJump || last === null ? now : instantToMs(last);
  }

  /** Notes that time passes, unless it leaps. */
  observe(now: number): void {
    const trusted = this.#trusted ?? now;
    if (now > trusted && now - trusted <= forwardsToleratedMs) this.#trusted = now;
  }

  /** An operator says that the clock is right in spite of the leap. */
  accept(now: number): void {
    this.#trusted = now;
  }

  /** The time of the next entry. */
  next(last: Instant | null, now: number): Result<Instant> {
    const lastMs = last === null ? now : instantToMs(last);
    const trusted = Math.max(this.#trusted ?? now, lastMs);
    // Against what was seen, not only against the last entry: on a quiet ledger the two are hours apart, and a clock
    // that was put back would bring expired votes and permits to life.
    if (trusted - now > backwardsToleratedMs)
      return refuse(
        'clock-behind',
        'L4',
        `the clock says \`${instantFromMs(now)}\`, which is ${trusted - now} ms before a time that was seen already`,
        { now: instantFromMs(now), last: instantFromMs(trusted) },
        'set the clock of the server right',
      );
    if (now - trusted > forwardsToleratedMs)
      return refuse(
        'clock-ahead',
        'L4',
        `the clock says \`${instantFromMs(now)}\`, more than 24 hours after \`${instantFromMs(trusted)}\``,
        { now: instantFromMs(now), trusted: instantFromMs(trusted) },
        'look at the clock of the server; if it is right, start again and accept the leap',
      );
    this.observe(now);
    return ok(instantFromMs(Math.max(lastMs, now)));
  }
}
