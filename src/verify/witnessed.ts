// SPDX-License-Identifier: Apache-2.0
import { verifyCosignatures, type Cosignature } from '../crypto/cosignature.ts';
import { instantFromMs, instantToMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { counted, spoken } from '../kernel/spoken.ts';
import { verifyCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { refusePolicyFor } from '../ledger/freshness.ts';
import { verifyConsistency, verifyInclusion } from '../ledger/proof.ts';
import { parseTlogProof, type ProvenLeaf } from '../ledger/tlog-proof.ts';
import { policyCosigners, quorumTimes, type WitnessPolicy } from '../ledger/witness-policy.ts';
import type { PermitFile } from '../execute/permit-file.ts';
import type { Examination, OpenedPermit } from './examine.ts';
import { malformed, type Replay, type Trail } from './replay.ts';
import { clockToleranceMs, type VerifyOptions } from './verdict.ts';

/** What a quorum of the reader's own witnesses saw: the permit, and, where there is one, that the time lock was kept. */
export type Witnessed = { readonly lock: boolean };

type Opened = Omit<OpenedPermit, 'limits'>;
type Shown = { readonly note: string; readonly size: number };

/**
 * SPEC Y11. That the checkpoints are of this very history is looked at in any case; who cosigned them only when the
 * reader says whom they trust.
 *
 * Why this shows that the lock was kept: the operator cannot have the gate met in the past, since a quorum had signed
 * what includes the votes by T; and whoever asks for these witnesses could not take the permit before T and the lock,
 * since no file with these cosignatures was there.
 */
export const checkWitnessed = (
  exam: Examination,
  file: PermitFile,
  opened: Opened,
  options: VerifyOptions,
): Witnessed | undefined => {
  const { replay, proven, request } = opened;
  const policy = options.witnesses;
  if (file.witnessed === undefined && policy === undefined) return undefined;
  const waitMs = request.change.gate.time_lock?.wait_ms ?? 0;
  const shown = shownBy(file, replay, proven, waitMs);
  if (!shown.ok) return exam.fails('witnesses', shown);
  // Where the reader asks for nobody, nobody has seen anything.
  if (policy === undefined || policy.quorum.kind === 'none') return undefined;
  const seen = cosignedBy(shown.value, replay, policy, options.now);
  if (!seen.ok) return exam.fails('witnesses', seen);
  const permit = after(seen.value, proven.index);
  const times = quorumTimes(policy, permit);
  if (times === undefined) return exam.fails('witnesses', tooFew(policy, permit));
  exam.holds('witnesses', {
    cosigned: new Set(permit.map(({ name, id }) => `${name}+${id}`)).size,
    not_before: atSecond(times.notBefore),
    by: atSecond(times.by),
  });
  if (waitMs === 0) return { lock: false };
  const kept = lockKept(file, opened, policy, seen.value, times.notBefore, waitMs);
  if (!kept.ok) return exam.fails('witnessed-lock', kept);
  exam.holds('witnessed-lock', { wait_ms: waitMs, from: atSecond(kept.value), to: atSecond(times.notBefore) });
  return { lock: true };
};

/** Checkpoints of this very history, the one that proves the permit among them. */
const shownBy = (
  { proof, witnessed }: PermitFile,
  replay: Replay,
  { checkpoint }: ProvenLeaf,
  waitMs: number,
): Result<readonly Shown[]> => {
  const parsed = parseTlogProof(proof);
  if (!parsed.ok) return parsed;
  const shown: Shown[] = [{ note: parsed.value.checkpoint, size: checkpoint.size }];
  if (witnessed === undefined) return ok(shown);
  for (const { checkpoint: note, hashes } of witnessed.checkpoints) {
    const other = verifyCheckpoint(note, replay.log);
    if (!other.ok) return other;
    const consistent = verifySame(checkpoint, other.value, hashes);
    if (!consistent.ok) return consistent;
    shown.push({ note, size: other.value.size });
  }
  const placed = waitMs === 0 ? [] : placedBy(replay);
  if (witnessed.proofs.length !== placed.length)
    return malformed(
      `the file proves ${witnessed.proofs.length} of the ${placed.length} entries that the lock counts from`,
    );
  const { size, root } = checkpoint;
  for (const [at, { index, leaf }] of placed.entries()) {
    const included = verifyInclusion({ leafHash: leaf, index, size, root, proof: witnessed.proofs[at] ?? [] });
    if (!included.ok) return included;
  }
  return ok(shown);
};

const verifySame = (one: Checkpoint, other: Checkpoint, proof: readonly string[]): Result<null> => {
  const [from, to] = one.size <= other.size ? [one, other] : [other, one];
  return verifyConsistency({ fromSize: from.size, fromRoot: from.root, toSize: to.size, toRoot: to.root, proof });
};

/**
 * The entries up to the one that met the gate, in order: votes, the request, and the governance it was judged by. One
 * that was left out could have been written later and shown as earlier.
 */
const placedBy = ({ trail, metIndex }: Replay): readonly Trail[] => {
  const placed: Trail[] = [];
  for (let one: Trail | null = trail; one !== null; one = one.before)
    if (metIndex !== null && one.index <= metIndex) placed.push(one);
  return placed.toReversed();
};

type Cosigned = { readonly size: number; readonly cosignatures: readonly Cosignature[] };

const cosignedBy = (
  shown: readonly Shown[],
  { log }: Replay,
  policy: WitnessPolicy,
  now: Instant | undefined,
): Result<readonly Cosigned[]> => {
  const unfit = refusePolicyFor(policy, log);
  if (unfit !== undefined) return unfit;
  const cosigned: Cosigned[] = [];
  for (const { note, size } of shown) {
    const checked = verifyCosignatures(note, policyCosigners(policy));
    if (!checked.ok) return checked;
    cosigned.push({ size, cosignatures: checked.value.cosignatures.filter(({ time }) => time <= latest(now)) });
  }
  return ok(cosigned);
};

// A reader with a clock takes no time that has not come yet; nobody takes one that no calendar has.
const endOfTime = 253_402_300_799;
const latest = (now: Instant | undefined): number =>
  now === undefined ? endOfTime : Math.min(endOfTime, (instantToMs(now) + clockToleranceMs) / 1000);

/** Cosignatures of checkpoints that hold the entry at this index; a witness may stand there several times. */
const after = (cosigned: readonly Cosigned[], index: number): readonly Cosignature[] =>
  cosigned.flatMap(({ size, cosignatures }) => (size > index ? cosignatures : []));

const atSecond = (seconds: number): Instant => instantFromMs(seconds * 1000);

const tooFew = ({ witnesses }: WitnessPolicy, cosignatures: readonly Cosignature[]): Refused => {
  const names = [...new Set(cosignatures.map(({ name }) => name))];
  return refuse(
    'witnesses-too-few',
    'Y11',
    `${counted(names.length, 'witness', 'witnesses')} of the ${witnesses.length} you named cosigned the permit, too few for your quorum`,
    { cosigned: names },
    'wait until the witnesses have seen it, then fetch the file again',
  );
};

const unkept = (why: string, facts: { readonly [name: string]: string | number }): Refused =>
  refuse(
    'time-lock-not-witnessed',
    'Y11',
    `the witnesses you named do not show that the time lock was kept: ${why}`,
    facts,
    'fetch the file again later; if it stays so, do not act on it',
  );

/** By when the quorum had seen the gate met, if that is as early as the lock asks. */
const lockKept = (
  file: PermitFile,
  { replay: { metIndex } }: Opened,
  policy: WitnessPolicy,
  seen: readonly Cosigned[],
  notBefore: number,
  waitMs: number,
): Result<number> => {
  if (file.witnessed === undefined || metIndex === null)
    return unkept('the file says nothing of when the gate was met', {});
  const met = quorumTimes(policy, after(seen, metIndex));
  if (met === undefined) return unkept('no quorum of them cosigned that the gate was met', {});
  const apartMs = (notBefore - met.by) * 1000;
  if (apartMs >= waitMs) return ok(met.by);
  return unkept(
    `they saw the gate met by ${atSecond(met.by)}, and the permit already at ${atSecond(notBefore)}, which is no ${spoken(waitMs)}`,
    { wait_ms: waitMs, from: atSecond(met.by), to: atSecond(notBefore) },
  );
};
