// SPDX-License-Identifier: Apache-2.0
import { verifyCosignatures } from '../crypto/cosignature.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { counted, spoken } from '../kernel/spoken.ts';
import type { Checkpoint } from './checkpoint.ts';
import { verifyHeartbeat } from './heartbeat.ts';
import { meetsQuorum, policyCosigners, quorumTimes, type WitnessPolicy } from './witness-policy.ts';

/** Whose clock says when a checkpoint was the newest. */
export type TimeSource = 'witnesses' | 'log';
/** What is known of the moment at which a checkpoint was the newest, in milliseconds since 1970. */
export type CheckpointTime = { readonly checkpoint: Checkpoint; readonly by: TimeSource; readonly atMs: number | null };

/** A clock may be ahead by this much; a time that lies further in the future says nothing. */
const aheadToleratedMs = 120_000;

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(Buffer.from(b));

/**
 * Whether a policy of witnesses can be held against this log: where it names logs this is one of them, and a log that
 * witnesses itself is not witnessed.
 */
export const refusePolicyFor = (policy: WitnessPolicy, log: NoteVerifier): Refused | undefined => {
  const no = (why: string, help: string): Refused =>
    refuse('witness-policy-malformed', 'L22', why, { log: log.name }, help);
  if (policyCosigners(policy).some(({ publicKey }) => same(publicKey, log.publicKey)))
    return no("the log's own key stands among the witnesses", 'take it out: whoever keeps a log is no witness of it');
  const { logs } = policy;
  return logs.length === 0 || logs.some(({ key }) => key.name === log.name && same(key.publicKey, log.publicKey))
    ? undefined
    : no(`\`${log.name}\` is none of the logs that the policy names`, 'add a line `log` with its key, or name no log');
};

/**
 * When this checkpoint was the newest: by the quorum of a policy of witnesses where the reader has one that asks for
 * somebody, else by the log's own heartbeat (SPEC Y12). `atMs` is null when nobody who counts says a time.
 */
export const timeOfCheckpoint = (note: string, log: NoteVerifier, policy?: WitnessPolicy): Result<CheckpointTime> => {
  const own = verifyHeartbeat(note, log);
  if (!own.ok) return own;
  const { checkpoint, time } = own.value;
  if (policy === undefined || policy.quorum.kind === 'none')
    return ok({ checkpoint, by: 'log', atMs: time === null ? null : time * 1000 });
  const itself = refusePolicyFor(policy, log);
  if (itself !== undefined) return itself;
  const cosigned = verifyCosignatures(note, policyCosigners(policy));
  if (!cosigned.ok) return cosigned;
  const times = quorumTimes(policy, cosigned.value.cosignatures);
  return ok({ checkpoint, by: 'witnesses', atMs: times === undefined ? null : times.notBefore * 1000 });
};

/** A checkpoint of this log that those whom the policy asks for have cosigned; without a policy, one that the log signed. */
export const verifyWitnessed = (note: string, log: NoteVerifier, policy: WitnessPolicy): Result<Checkpoint> => {
  const itself = refusePolicyFor(policy, log);
  if (itself !== undefined) return itself;
  const own = verifyHeartbeat(note, log);
  if (!own.ok) return own;
  const cosigned = verifyCosignatures(note, policyCosigners(policy));
  if (!cosigned.ok) return cosigned;
  if (meetsQuorum(policy, cosigned.value.cosignatures)) return ok(own.value.checkpoint);
  return refuse(
    'checkpoint-unwitnessed',
    'L22',
    `${counted(cosigned.value.cosignatures.length, 'witness')} of your policy cosigned the checkpoint, which is not the quorum`,
    { witnesses: cosigned.value.cosignatures.map(({ name }) => name) },
    'fetch a newer one; if it stays so, whoever keeps the ledger may be hiding something from the witnesses',
  );
};

const whose: { readonly [by in TimeSource]: string } = {
  witnesses: 'by the clocks of your witnesses',
  log: "by the log's own clock",
};

const roughly = (ms: number): string => {
  const unit = [86_400_000, 3_600_000, 60_000].find((length) => ms >= 2 * length) ?? 1000;
  return ms < 500 ? 'less than a second' : spoken(Math.round(ms / unit) * unit);
};

/** In words, for people: `3 minutes ago, by the log's own clock`. */
export const sayTime = ({ by, atMs }: Pick<CheckpointTime, 'by' | 'atMs'>, nowMs: number): string => {
  if (atMs === null)
    return by === 'log' ? 'the log says no time' : 'those whom your policy of witnesses asks for say no time';
  const distance = roughly(Math.abs(nowMs - atMs));
  return atMs > nowMs ? `${distance} ahead of this machine's clock, ${whose[by]}` : `${distance} ago, ${whose[by]}`;
};

/**
 * Whether a checkpoint was the newest within the last `withinMs` (SPEC Y12). No time, a time in the future and an odd
 * limit are not fresh: nothing here fails open.
 */
export const refuseStale = (
  time: Pick<CheckpointTime, 'by' | 'atMs'>,
  { nowMs, withinMs }: { readonly nowMs: number; readonly withinMs: number },
): Refused | undefined => {
  const { by, atMs } = time;
  const ageMs = atMs === null ? Number.NaN : nowMs - atMs;
  if (ageMs >= -aheadToleratedMs && ageMs <= withinMs) return undefined;
  return refuse(
    'checkpoint-stale',
    'Y12',
    `the checkpoint is not fresh: ${sayTime(time, nowMs)}; it may be ${spoken(withinMs)} old at most`,
    { by, at_ms: atMs, now_ms: nowMs, within_ms: withinMs },
    'the server may be hiding something, or a clock is wrong: fetch it again, compare the clocks, and compare checkpoints with other people',
  );
};
