// SPDX-License-Identifier: Apache-2.0
// A sealed world whose checkpoints three witnesses cosign as it grows, by clocks of their own.
import assert from 'node:assert/strict';
import { cosign, cosigner, formatCosignerKey, type Cosigner } from '../../src/crypto/cosignature.ts';
import { addMs, instantToMs, type Instant } from '../../src/kernel/instant.ts';
import { consistencyProof } from '../../src/ledger/proof.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { formatPermitFile } from '../../src/verify/verify.ts';
import { deployAction, minute, policyOf, tier } from '../support/world.ts';
import { SealedWorld, slabOf, valueOf } from './sealed-world.ts';

export const lock = 15 * minute;
export const locked = policyOf(
  deployAction({
    tiers: [
      tier({
        seats: [
          { name: 'platform', count: 1, group: 'group:platform' },
          { name: 'security', count: 1, group: 'group:security' },
        ],
        time_lock: { wait_ms: lock, veto: ['group:oncall'] },
      }),
    ],
  }),
);
export const witnesses = [1, 2, 3].map((at) => cosigner(`w${at}.example`, Buffer.alloc(32, at)));
export const witness = (at: number): Cosigner => witnesses[at] ?? assert.fail();

/** A policy of all witnesses; `lines` are groups and logs. */
export const policyLines = (quorum: string, ...lines: readonly string[]): string => {
  const known = witnesses.map((one, at) => `witness w${at} ${formatCosignerKey(one)}\n`);
  return `${known.join('')}${lines.map((line) => `${line}\n`).join('')}quorum ${quorum}\n`;
};
export const policyText = (quorum: string, ...lines: readonly string[]): WitnessPolicy => {
  const read = parseWitnessPolicy(policyLines(quorum, ...lines));
  assert.ok(read.ok, read.ok ? '' : read.refusal.message);
  return read.value;
};
export const twoOfThree = policyText('q', 'group q 2 w0 w1 w2');

type Kept = { readonly size: number; readonly note: string };
export const seconds = (time: Instant): number => Math.floor(instantToMs(time) / 1000);

/** A ledger, and what its witnesses cosigned as it grew. */
export class WitnessedWorld extends SealedWorld {
  readonly kept: Kept[] = [];

  /** The newest checkpoint, cosigned by some; `late` is how much later, in milliseconds, by their clocks. */
  cosigned(who: readonly number[] = [0, 1, 2], late = 0): void {
    const { size, note } = this.checkpoint();
    const text = note.slice(0, note.indexOf('\n\n') + 1);
    const time = seconds(addMs(this.time, late));
    this.kept.push({ size, note: note + who.map((at) => cosign(text, witness(at), time)).join('') });
  }

  witnessedParts(request: string, size = this.entries.length) {
    const { slab } = slabOf(this.entries);
    const consistency = (from: number, to: number): readonly string[] => consistencyProof(from, to, slab.hashAt);
    return { ...this.parts(request, size), witnessed: { notes: this.kept, consistency } };
  }

  file(request: string, size = this.entries.length): string {
    return valueOf(formatPermitFile(this.witnessedParts(request, size)));
  }
}

/** Asked, approved by two, cosigned when the gate was met, permitted as soon as the lock is over, cosigned again. */
export const lockedAndWitnessed = (late = 0): { readonly world: WitnessedWorld; readonly id: string } => {
  const world = new WitnessedWorld({ policy: locked });
  const id = world.ask();
  world.cosigned();
  world.accept(world.later(minute).vote(id, 'linus'));
  world.cosigned();
  world.accept(world.later(minute).vote(id, 'radia'));
  world.later(2000).cosigned([0, 1, 2]);
  world.accept(world.later(lock - 2000).permit(id));
  world.later(2000).cosigned([0, 1, 2], late);
  return { world, id };
};
