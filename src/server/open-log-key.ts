// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { LogSigner } from '../app/log-signer.ts';
import { noteSigner } from '../crypto/signed-note.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { agentSigner, type AgentTiming, type LogAgent } from './log-agent.ts';
import { readLogSeed } from './log-key.ts';
import { readServerConfig } from './server-config.ts';

/** The key that signs a ledger's checkpoints: the seed of a file, or where an agent has it (SPEC L29). */
export type LogKey = { readonly seed: Uint8Array } | { readonly agent: LogAgent };

export const logKeyFile = (dir: string): string => join(dir, 'log.key');

/** The log key of a data folder: in an agent where `countersign.yaml` says so, else in `log.key`. */
export const findLogKey = (dir: string): Result<LogKey> => {
  const config = readServerConfig(dir);
  if (!config.ok) return config;
  const named = config.value['log-key'];
  if (named !== undefined) return ok({ agent: { fingerprint: named.agent, socket: named.socket } });
  const seed = readLogSeed(logKeyFile(dir));
  return seed.ok ? ok({ seed: seed.value }) : seed;
};

/** A signer of the checkpoints of `origin`. That it is the key of the genesis is for the caller to check. */
export const openLogKey = async (origin: string, key: LogKey, timing: AgentTiming = {}): Promise<Result<LogSigner>> =>
  'seed' in key ? ok(noteSigner(origin, key.seed)) : agentSigner(origin, key.agent, timing);

/** What `countersign.yaml` of a new folder says of a log key that lies in an agent. */
export const formatLogKeyConfig = ({ fingerprint, socket }: LogAgent): string =>
  [
    '# The key that signs checkpoints lies in an ssh-agent (docs/operations.md).',
    'log-key:',
    `  agent: ${fingerprint}`,
    ...(socket === undefined ? [] : [`  socket: ${JSON.stringify(socket)}`]),
    '',
  ].join('\n');
