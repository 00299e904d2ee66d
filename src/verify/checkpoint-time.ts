// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, instantToMs, parseInstant } from '../kernel/instant.ts';
import type { JsonObject, Refused } from '../kernel/refusal.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuseStale, sayTime, timeOfCheckpoint, verifyWitnessed } from '../ledger/freshness.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import type { VerifyOptions } from './verdict.ts';

/** One finding about the checkpoint that a proof stands under: what was looked at, why it fails, and with which values. */
export type CheckpointFinding = {
  readonly code: 'witnesses' | 'freshness';
  readonly refused: Refused | undefined;
  readonly values: JsonObject;
};

/** Whether the reader's witnesses cosigned the checkpoint of a proof, and how old it is; only what they ask for. */
export const judgeCheckpointOf = (
  proofText: string,
  log: NoteVerifier,
  { witnesses, fresh }: Pick<VerifyOptions, 'witnesses' | 'fresh'>,
): readonly CheckpointFinding[] => {
  const findings: CheckpointFinding[] = [];
  const proof = parseTlogProof(proofText);
  const note = proof.ok ? proof.value.checkpoint : '';
  if (witnesses !== undefined && witnesses.quorum.kind !== 'none') {
    const witnessed = verifyWitnessed(note, log, witnesses);
    const time = timeOfCheckpoint(note, log, witnesses);
    const at = time.ok && time.value.atMs !== null ? instantFromMs(time.value.atMs) : null;
    const values = { quorum: at === null ? 'none' : `not before ${at}` };
    findings.push({ code: 'witnesses', refused: witnessed.ok ? undefined : witnessed, values });
  }
  if (fresh === undefined) return findings;
  const now = parseInstant(fresh.now);
  const time = timeOfCheckpoint(note, log, witnesses);
  if (!now.ok || !time.ok) {
    const refused = !now.ok ? now : !time.ok ? time : undefined;
    return [...findings, { code: 'freshness', refused, values: {} }];
  }
  const nowMs = instantToMs(now.value);
  const { by, atMs } = time.value;
  const values = { by, at: atMs === null ? null : instantFromMs(atMs), words: sayTime(time.value, nowMs) };
  return [
    ...findings,
    { code: 'freshness', refused: refuseStale(time.value, { nowMs, withinMs: fresh.withinMs }), values },
  ];
};
