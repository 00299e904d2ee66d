// SPDX-License-Identifier: Apache-2.0
import { styleText } from 'node:util';
import type { RefusalCode } from '../kernel/refusal-codes.ts';
import type { Result } from '../kernel/refusal.ts';

/** One thing the demo shows: a name that stays, whether it held, and what was seen. */
export type StepLine = { readonly step: string; readonly ok: boolean; readonly detail: string };

/** Prints one line a step, as it happens, and knows in the end whether all held. */
export class Steps {
  readonly #json: boolean;
  readonly #lines: StepLine[] = [];

  constructor(json: boolean) {
    this.#json = json;
  }

  get allHeld(): boolean {
    return this.#lines.every((line) => line.ok);
  }

  get count(): number {
    return this.#lines.length;
  }

  /** The last line for people: how much of it held. Who reads JSON counts for themselves. */
  sum(): void {
    const held = this.#lines.filter((line) => line.ok).length;
    if (!this.#json) process.stdout.write(`\n${held} of ${this.#lines.length} hold\n`);
  }

  note(step: string, ok: boolean, detail: string): void {
    const line: StepLine = { step, ok, detail };
    this.#lines.push(line);
    const mark = ok ? styleText('green', 'ok  ') : styleText('red', 'FAIL');
    process.stdout.write(this.#json ? `${JSON.stringify(line)}\n` : `${mark} ${step.padEnd(28)} ${detail}\n`);
  }

  /** Something that must work; gives what it made, and ends the demo when it does not: nothing after it would mean anything. */
  works<T>(step: string, result: Result<T>, detail: (value: T) => string): T {
    if (!result.ok) {
      this.note(step, false, `refused: ${result.refusal.code}: ${result.refusal.message}`);
      throw new DemoEnded(step);
    }
    this.note(step, true, detail(result.value));
    return result.value;
  }

  /** Something that must be refused, with exactly this code: refused for another reason shows nothing. */
  refused(step: string, result: Result<unknown>, code: RefusalCode, detail: string): void {
    if (result.ok) this.note(step, false, `${detail}: it went through`);
    else if (result.refusal.code !== code)
      this.note(
        step,
        false,
        `${detail}: refused with ${result.refusal.code}, expected ${code}: ${result.refusal.message}`,
      );
    else this.note(step, true, `${detail}: ${result.refusal.message} [${code}]`);
  }
}

/** A step that everything after it needs did not work. */
export class DemoEnded extends Error {
  override readonly name = 'DemoEnded';
}

/** Takes the value of something the demo only prepares; what goes wrong there is no step, but an end. */
export const must = <T>(what: string, result: Result<T>): T => {
  if (result.ok) return result.value;
  throw new DemoEnded(`${what}: ${result.refusal.code}: ${result.refusal.message}`);
};
