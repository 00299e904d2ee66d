// SPDX-License-Identifier: Apache-2.0
import { HeadCosigner } from '../app/head-cosigner.ts';
import { noteFile } from '../app/note-keeper.ts';
import { cosign } from '../crypto/cosignature.ts';
import { noteVerifier } from '../crypto/signed-note.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { heartbeatSigner } from '../ledger/heartbeat.ts';
import { readWitnesses, type WitnessesConfig } from './heartbeat-config.ts';
import { tenant, type OpenOptions, type RunningLedger } from './ledger-folder.ts';
import type { RequestLog } from './request-log.ts';

type CosigningSettings = {
  readonly options: OpenOptions;
  readonly heartbeatEveryMs: number;
  readonly witnesses: WitnessesConfig | undefined;
};

/** Begins to say heartbeats of a ledger, and to ask the witnesses that the configuration names. */
export const startCosigning = async (
  { options, heartbeatEveryMs, witnesses: config }: CosigningSettings,
  { store, sequencer, signer, cosignedFile }: RunningLedger,
  onEvent: RequestLog['event'],
): Promise<Result<HeadCosigner>> => {
  const log = noteVerifier(signer.name, signer.publicKey);
  if (!log.ok) return log;
  const asked = readWitnesses(config, log.value);
  if (!asked.ok) return asked;
  const heartbeat = heartbeatSigner(signer);
  const { 'answer-within': answerWithinMs } = config ?? {};
  const cosigner = await HeadCosigner.start({
    tenant,
    store,
    source: sequencer,
    log: log.value,
    sign: async (text, time) => ok(cosign(text, heartbeat, time)),
    keeper: noteFile(cosignedFile),
    now: options.now ?? Date.now,
    acceptTimeJump: options.acceptTimeJump ?? false,
    ...asked.value,
    everyMs: heartbeatEveryMs,
    ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
    onEvent,
  });
  return ok(cosigner);
};
