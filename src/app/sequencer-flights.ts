// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refused } from '../kernel/refusal.ts';
import { refuseConflict } from './sequencer-batch.ts';
import type { Submission } from './sequencer-intake.ts';

type Keyed = NonNullable<Submission['idempotency']>;

const nameOf = ({ principal, route, key }: Keyed): string => JSON.stringify([principal, route, key]);

/** Idempotency keys whose first command is on its way in this process; between processes the kept answer decides. */
export class Flights {
  readonly #bodies = new Map<string, string>();

  enter(keyed: Keyed | undefined): Refused | undefined {
    if (keyed === undefined) return undefined;
    const body = this.#bodies.get(nameOf(keyed));
    if (body === undefined) {
      this.#bodies.set(nameOf(keyed), keyed.bodyDigest);
      return undefined;
    }
    if (body !== keyed.bodyDigest) return refuseConflict(keyed.key);
    return refuse(
      'idempotency-in-flight',
      'L12',
      `the request with key \`${keyed.key.slice(0, 80)}\` is still being answered`,
      {},
      'wait for its answer, then ask again',
    );
  }

  leave(keyed: Keyed | undefined): void {
    if (keyed !== undefined) this.#bodies.delete(nameOf(keyed));
  }
}
