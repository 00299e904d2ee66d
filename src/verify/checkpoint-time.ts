// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, instantToMs, parseInstant } from '../kernel/instant.ts';
import type { JsonObject, Refused } from '../kernel/refusal.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuseStale, sayTime, timeOfCheckpoint } from '../ledger/freshness.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import type { VerifyOptions } from './verdict.ts';

/** How old the checkpoint is that a proof stands under: why that is too old, and the values it was judged by. */
export type AgeFinding = { readonly refused: Refused | undefined; readonly values: JsonObject };

/** The age of the checkpoint of a proof (SPEC Y12); undefined where the reader does not ask. */
export const judgeAge = (
  proofText: string,
  log: NoteVerifier,
  { witnesses, fresh }: Pick<VerifyOptions, 'witnesses' | 'fresh'>,
): AgeFinding | undefined => {
  if (fresh === undefined) return undefined;
  const proof = parseTlogProof(proofText);
  const now = parseInstant(fresh.now);
  const time = timeOfCheckpoint(proof.ok ? proof.value.checkpoint : '', log, witnesses);
  if (!now.ok) return { refused: now, values: {} };
  if (!time.ok) return { refused: time, values: {} };
  const nowMs = instantToMs(now.value);
  const { by, atMs } = time.value;
  const values = { by, at: atMs === null ? null : instantFromMs(atMs), words: sayTime(time.value, nowMs) };
  return { refused: refuseStale(time.value, { nowMs, withinMs: fresh.withinMs }), values };
};
