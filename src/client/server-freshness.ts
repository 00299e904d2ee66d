// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { ok, type Refused, type Result } from '../kernel/refusal.ts';
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

/** Judges what a server says of its heartbeat. The note has been held against what this machine has seen. */
export const readFreshness = (
  heartbeat: HeartbeatAnswer | undefined,
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
    const by = policy === undefined || policy.quorum.kind === 'none' ? 'log' : 'witnesses';
    return ok({ by, atMs: null, ...common });
  }
  const time = timeOfCheckpoint(note, log, policy);
  return time.ok ? ok({ by: time.value.by, atMs: time.value.atMs, ...common }) : time;
};

/** SPEC Y12: the head is older than its reader takes, or than a server that is well shows. */
export const refuseOldServer = (
  freshness: ServerFreshness,
  nowMs: number,
  withinMs: number = freshness.oldAfterMs,
): Refused | undefined => refuseStale(freshness, { nowMs, withinMs });
