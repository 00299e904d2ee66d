// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuse } from '../kernel/refusal.ts';
import { refuseStale, sayTime, timeOfCheckpoint, type CheckpointTime } from '../ledger/freshness.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import type { LedgerSource } from './ledger-source.ts';
import { fail, say } from './output.ts';

/** The tree that was derived. */
type Derived = {
  readonly size: number;
  /** Root at a size that it has. */
  readonly rootAt: (size: number) => string | undefined;
};

type Demand = {
  readonly logKey: NoteVerifier;
  readonly witnesses?: WitnessPolicy | undefined;
  readonly freshWithinMs?: number | undefined;
};

// Notes of this history alone: one of another says nothing about how fresh this one is.
const timesIn = async (source: LedgerSource, tree: Derived, { logKey, witnesses }: Demand) => {
  const kept = await source.store.checkpoint(source.tenant);
  const times: CheckpointTime[] = [];
  for (const note of [...source.notes(), ...(kept === undefined ? [] : [kept])]) {
    const time = timeOfCheckpoint(note, logKey, witnesses);
    if (!time.ok) continue;
    const { size, root } = time.value.checkpoint;
    // Witnesses may have been kept at an old head, which they go on to cosign.
    if (time.value.by === 'witnesses' && size < tree.size) continue;
    if (tree.rootAt(size) === root) times.push(time.value);
  }
  return times;
};

/**
 * SPEC Y12, for a whole ledger: the newest time at which a checkpoint of this very history was the newest. Ends the command
 * where it is too old, or where the policy of witnesses finds no quorum under any of them.
 */
export const demandFresh = async (source: LedgerSource, tree: Derived, demand: Demand): Promise<void> => {
  const times = await timesIn(source, tree, demand);
  const nowMs = Date.now();
  const { witnesses, freshWithinMs } = demand;
  const asked = witnesses !== undefined && witnesses.quorum.kind !== 'none';
  const none = { by: asked ? 'witnesses' : 'log', atMs: null } as const;
  const newest = times.reduce<Pick<CheckpointTime, 'by' | 'atMs'>>(
    (best, time) => ((time.atMs ?? 0) > (best.atMs ?? 0) ? time : best),
    none,
  );
  if (asked && newest.atMs === null)
    fail(
      refuse(
        'checkpoint-unwitnessed',
        'L22',
        'no checkpoint that holds all of this ledger is cosigned by the quorum of your policy of witnesses',
        {},
        'fetch `/ledger/checkpoint` of its server into the folder as `checkpoint`, or ask the witnesses what they hold',
      ).refusal,
    );
  const stale = freshWithinMs === undefined ? undefined : refuseStale(newest, { nowMs, withinMs: freshWithinMs });
  if (stale !== undefined) fail(stale.refusal);
  say(`Its newest checkpoint was the newest ${sayTime(newest, nowMs)}.`);
};
