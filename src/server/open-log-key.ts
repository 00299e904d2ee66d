// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import type { LogSigner } from '../app/log-signer.ts';
import { noteSignedElsewhere, noteSigner } from '../crypto/signed-note.ts';
import { BrokenInvariant, ok, refuse, type Result } from '../kernel/refusal.ts';
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

const commonWords = 'countersign servers of one ledger';

/**
 * What every server that has the log key can derive, and nobody else. An agent gives no seed away, so there it is derived
 * from a signature, which Ed25519 makes the same each time (RFC 8032). The words that are signed begin as no checkpoint
 * does, and the signature is shown to nobody.
 */
export const commonSecretOf = async (key: LogKey, signer: LogSigner): Promise<Result<Uint8Array>> => {
  if ('seed' in key) return ok(createHmac('sha256', key.seed).update(commonWords).digest());
  if (!('ask' in signer)) throw new BrokenInvariant('a key in an agent is asked for its signatures');
  const text = `${commonWords}\n${signer.name}\n`;
  const [first, second] = [await signer.ask(text), await signer.ask(text)];
  if (!first.ok) return first;
  if (!second.ok) return second;
  const held = noteSignedElsewhere(text, signer, first.value);
  if (!held.ok) return held;
  if (Buffer.compare(first.value, second.value) !== 0)
    return refuse(
      'log-key-unavailable',
      'L29',
      'the agent that holds the log key signs the same words in two ways',
      {},
      'several servers of one ledger need an agent that signs as RFC 8032 says, as OpenSSH does, or the key in a file',
    );
  return ok(createHmac('sha256', first.value).update(commonWords).digest());
};

/** What `countersign.yaml` of a new folder says of a log key that lies in an agent. */
export const formatLogKeyConfig = ({ fingerprint, socket }: LogAgent): string =>
  [
    '# The key that signs checkpoints lies in an ssh-agent (docs/operations.md).',
    'log-key:',
    `  agent: ${fingerprint}`,
    ...(socket === undefined ? [] : [`  socket: ${JSON.stringify(socket)}`]),
    '',
  ].join('\n');
