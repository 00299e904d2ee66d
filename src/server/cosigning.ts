// SPDX-License-Identifier: Apache-2.0
import { HeadCosigner } from '../app/head-cosigner.ts';
import type { StampOptions } from '../app/heartbeat-stamp.ts';
import type { LogSigner } from '../app/log-signer.ts';
import { noteFile } from '../app/note-keeper.ts';
import { cosign, cosignedElsewhere, cosignedMessage } from '../crypto/cosignature.ts';
import { noteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { heartbeatSigner, heartbeatVerifier } from '../ledger/heartbeat.ts';
import { readWitnesses, type WitnessesConfig } from './heartbeat-config.ts';
import { tenant, type OpenOptions, type RunningLedger } from './ledger-folder.ts';
import type { RequestLog } from './request-log.ts';

type CosigningSettings = {
  readonly options: OpenOptions;
  readonly heartbeatEveryMs: number;
  readonly witnesses: WitnessesConfig | undefined;
};

const unsigned = ({ refusal: { message, help } }: Refused): Refused =>
  refuse(
    'log-key-unavailable',
    'L29',
    `no heartbeat can be signed: ${message}`,
    {},
    help ?? 'look at the agent that holds the log key',
  );

/**
 * The log's own cosignature. A key that lies elsewhere is asked once, and what it gives is checked (SPEC L29): a heartbeat
 * that is not to be had is withheld, and said to be, until the next is tried; nobody waits for it.
 */
const signsHeads = (signer: LogSigner): Result<StampOptions['sign']> => {
  if (!('ask' in signer)) {
    const heartbeat = heartbeatSigner(signer);
    return ok(async (text, time) => ok(cosign(text, heartbeat, time)));
  }
  const heartbeat = heartbeatVerifier(signer);
  if (!heartbeat.ok) return heartbeat;
  return ok(async (text, time) => {
    const signature = await signer.ask(cosignedMessage(text, time));
    if (!signature.ok) return unsigned(signature);
    const line = cosignedElsewhere(text, heartbeat.value, time, signature.value);
    return line.ok ? line : unsigned(line);
  });
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
  const sign = signsHeads(signer);
  if (!sign.ok) return sign;
  const { 'answer-within': answerWithinMs } = config ?? {};
  const cosigner = await HeadCosigner.start({
    tenant,
    store,
    source: sequencer,
    log: log.value,
    sign: sign.value,
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
