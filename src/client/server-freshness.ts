// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { ok, type Refused, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { refuseStale, timeOfCheckpoint, type CheckpointTime } from '../ledger/freshness.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import type { HeartbeatAnswer } from './answers.ts';

/** When the head that a server shows was the newest, and how old that may be before somebody should look. */
export type ServerFreshness = Pick<CheckpointTime, 'by' | 'atMs'> & {
  readonly oldAfterMs: number;
  /** Code of the refusal that the server itself gives for its silence. */
  readonly withheld: string | null;
};

const heartbeatsMissed = 3;
// The interval is the server's own word: one that names a year is not believed.
const longestIntervalMs = 3_600_000;
const shortestOldMs = 60_000;

const asksWitnesses = (policy: WitnessPolicy | undefined): boolean =>
  policy !== undefined && policy.quorum.kind !== 'none';

/**
 * Whether it is worth to ask once more: one's own witnesses may come to the head that the server shows in a moment, and
 * have come to an earlier one.
 */
export const mayComeYet = (
  heartbeat: HeartbeatAnswer | undefined,
  shownSize: number,
  policy: WitnessPolicy | undefined,
): boolean => {
  const checkpoint = readCheckpointNote(heartbeat?.note ?? '');
  const behind = checkpoint.ok && checkpoint.value.size < shownSize;
  return behind && asksWitnesses(policy) && heartbeat?.withheld === null;
};

/**
 * Judges what a server says of its heartbeat, beside a head of this size. The note has been held against what this machine
 * has seen. Witnesses speak for what they saw alone: who keeps them at an old head, which they go on to cosign, has them
 * say nothing of what came since.
 */
export const readFreshness = (
  heartbeat: HeartbeatAnswer | undefined,
  shownSize: number,
  log: NoteVerifier,
  policy: WitnessPolicy | undefined,
): Result<ServerFreshness> => {
  const every = Math.min(heartbeat?.every_ms ?? longestIntervalMs, longestIntervalMs);
  const common = {
    oldAfterMs: Math.max(shortestOldMs, heartbeatsMissed * every),
    withheld: heartbeat?.withheld ?? null,
  };
  const note = heartbeat?.note ?? null;
  if (note === null) {
    const by = asksWitnesses(policy) ? 'witnesses' : 'log';
    return ok({ by, atMs: null, ...common });
  }
  const time = timeOfCheckpoint(note, log, policy);
  if (!time.ok) return time;
  const { by, atMs, checkpoint } = time.value;
  return ok({ by, atMs: by === 'witnesses' && checkpoint.size < shownSize ? null : atMs, ...common });
};

/** SPEC Y12: the head is older than its reader takes, or than a server that is well shows. */
export const refuseOldServer = (
  freshness: ServerFreshness,
  nowMs: number,
  withinMs: number = freshness.oldAfterMs,
): Refused | undefined => refuseStale(freshness, { nowMs, withinMs });
