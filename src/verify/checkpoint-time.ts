// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, instantToMs, parseInstant } from '../kernel/instant.ts';
import type { JsonObject, Refused } from '../kernel/refusal.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { refuseStale, sayTime, timeOfCheckpoint } from '../ledger/freshness.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import type { VerifyOptions } from './verdict.ts';

/** How fresh the checkpoint is that a proof stands under: why it fails, and the values behind it. */
export type FreshnessFinding = { readonly refused: Refused | undefined; readonly values: JsonObject };

/** How old the checkpoint of a proof is, where the reader asks for it (SPEC Y12); by their witnesses' clocks if they have any. */
export const judgeFreshness = (
  proofText: string,
  log: NoteVerifier,
  { witnesses, fresh }: Pick<VerifyOptions, 'witnesses' | 'fresh'>,
): FreshnessFinding | undefined => {
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
