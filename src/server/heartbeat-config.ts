// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { witnessesOf } from '../adapters/witness/witness-client.ts';
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { refusePolicyFor } from '../ledger/freshness.ts';
import type { Witness } from '../ledger/witness-port.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../ledger/witness-policy.ts';

const units = { s: 1000, m: 60_000, h: 3_600_000 } as const;
const duration = (leastMs: number, mostMs: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,4}[smh]$/, 'a duration is a whole number and a unit, such as 60s or 5m')
    .transform((text) => Number(text.slice(0, -1)) * units[text.slice(-1) as keyof typeof units])
    .refine((ms) => ms >= leastMs && ms <= mostMs, `it lies between ${leastMs / 1000}s and ${mostMs / 1000}s`);

/** `heartbeat` of `DIR/countersign.yaml`: the longest that the server goes without saying that it lives. */
export const heartbeatConfig = z.strictObject({ every: duration(1000, 3_600_000) });

/** `witnesses` of `DIR/countersign.yaml`: a policy of witnesses (c2sp.org/tlog-policy) in which each has its address. */
export const witnessesConfig = z.strictObject({
  policy: z.string().min(1).max(1000),
  'answer-within': duration(1000, 60_000).optional(),
  'allow-networks': z.array(z.string().max(50)).max(64).optional(),
});
export type WitnessesConfig = z.infer<typeof witnessesConfig>;

export type AskedWitnesses = { readonly policy: WitnessPolicy | undefined; readonly witnesses: readonly Witness[] };

/** Reads the policy and readies a client for each witness; refuses what could never be met. */
export const readWitnesses = (config: WitnessesConfig | undefined, log: NoteVerifier): Result<AskedWitnesses> => {
  if (config === undefined) return ok({ policy: undefined, witnesses: [] });
  const { policy: file } = config;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch {
    return refuse(
      'config-malformed',
      'H9',
      `the policy of witnesses \`${file}\` cannot be read, or is not UTF-8`,
      { file },
      'name a file of the form of c2sp.org/tlog-policy that this user may read',
    );
  }
  const policy = parseWitnessPolicy(text);
  if (!policy.ok) return policy;
  const unfit = refusePolicyFor(policy.value, log);
  if (unfit !== undefined) return unfit;
  const { 'answer-within': timeoutMs, 'allow-networks': allowNetworks } = config;
  const witnesses = witnessesOf(policy.value, {
    ...(allowNetworks === undefined ? {} : { allowNetworks }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return witnesses.ok ? ok({ policy: policy.value, witnesses: witnesses.value }) : witnesses;
};
