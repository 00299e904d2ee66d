// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refused } from '../kernel/refusal.ts';
import type { Submission } from './sequencer-intake.ts';

type Keyed = NonNullable<Submission['idempotency']>;

const nameOf = ({ principal, route, key }: Keyed): string => JSON.stringify([principal, route, key]);

/**
 * Idempotency keys whose first command is on its way in this process; between processes the kept answer decides. Another
 * body is not refused for good while the first is on its way: nobody can find yet what the first one did, if it did anything.
 */
export class Flights {
  readonly #names = new Set<string>();

  enter(keyed: Keyed | undefined): Refused | undefined {
    if (keyed === undefined) return undefined;
    const name = nameOf(keyed);
    if (!this.#names.has(name)) {
      this.#names.add(name);
      return undefined;
    }
    return refuse(
      'idempotency-in-flight',
      'L12',
      `the request with key \`${keyed.key.slice(0, 80)}\` is still being answered`,
      {},
      'wait for its answer, then ask again',
    );
  }

  leave(keyed: Keyed | undefined): void {
    if (keyed !== undefined) this.#names.delete(nameOf(keyed));
  }
}
