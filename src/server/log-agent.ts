// SPDX-License-Identifier: Apache-2.0
import { askOnce, type DistantSigner } from '../app/log-signer.ts';
import { agentKeys, agentSign } from '../client/ssh-agent.ts';
import { noteVerifier } from '../crypto/signed-note.ts';
import type { SshPublicKey } from '../crypto/ssh-key.ts';
import { WireError, WireReader } from '../crypto/ssh-wire.ts';
import { ok, refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { formatCheckpoint } from '../ledger/checkpoint.ts';
import { emptyRoot } from '../ledger/merkle.ts';

/** Where a log key lies when it is no file: which key, in which agent. */
export type LogAgent = {
  /** `SHA256:…`, as `ssh-add -l` shows it. */
  readonly fingerprint: string;
  /** Path of the agent's socket; by default that of `SSH_AUTH_SOCK`. */
  readonly socket?: string | undefined;
};

export type AgentTiming = {
  /** How long the agent may take for one answer. */
  readonly answerWithinMs?: number;
  /** How long an agent that failed is asked again before the process ends. */
  readonly waitMs?: number;
  readonly onTrouble?: (refusal: Refusal) => void;
};

const defaultAnswerWithinMs = 5000;
const defaultWaitMs = 20_000;

const unavailable = (why: string, help: string): Refused => refuse('log-key-unavailable', 'L29', why, {}, help);

const sayTrouble = ({ message }: Refusal): void => {
  process.stderr.write(`${JSON.stringify({ level: 'alert', event: 'log-key-unavailable', why: message })}\n`);
};

const socketOf = ({ socket = process.env['SSH_AUTH_SOCK'] ?? '' }: LogAgent): Result<string> =>
  socket === ''
    ? unavailable(
        'the log key lies in an ssh-agent, and nothing says where that is',
        'set `SSH_AUTH_SOCK`, or name `socket` under `log-key` in countersign.yaml',
      )
    : ok(socket);

/** The public half of the log key, as the agent has it. */
export const logKeyInAgent = async (
  agent: LogAgent,
  answerWithinMs = defaultAnswerWithinMs,
): Promise<Result<SshPublicKey>> => {
  const { fingerprint } = agent;
  const socket = socketOf(agent);
  if (!socket.ok) return socket;
  const keys = await agentKeys(socket.value, answerWithinMs);
  if (!keys.ok)
    return unavailable(
      `the agent at \`${socket.value}\` that holds the log key: ${keys.refusal.message}`,
      'start it, or look at `socket` under `log-key` in countersign.yaml',
    );
  const found = keys.value.find(({ key }) => key.fingerprint === fingerprint)?.key;
  if (found === undefined)
    return unavailable(
      `the agent at \`${socket.value}\` does not hold the log key \`${fingerprint}\``,
      'unlock it, or add the key: `ssh-add FILE`; `ssh-add -l` shows what it holds',
    );
  if (found.type === 'ssh-ed25519') return ok(found);
  return refuse(
    'log-key-mismatch',
    'L29',
    `the log key \`${fingerprint}\` is a \`${found.type}\` key`,
    { fingerprint },
    'a log key is an Ed25519 key: `ssh-keygen -t ed25519`',
  );
};

export const rawPublicKey = (key: SshPublicKey): Uint8Array =>
  Buffer.from(key.verifyKey.export({ format: 'jwk' }).x ?? '', 'base64url');

// RFC 8709 section 6: the name of the algorithm, then 64 bytes.
const rawSignature = (blob: Uint8Array): Result<Uint8Array> => {
  try {
    const reader = new WireReader(blob);
    const [algorithm, signature] = [reader.text(), reader.string()];
    reader.end();
    if (algorithm === 'ssh-ed25519' && signature.length === 64) return ok(signature);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  return unavailable('the agent answered with no Ed25519 signature', 'look at what answers at its socket');
};

/**
 * The log key of `name` in an ssh-agent. It has signed once when this resolves: the checkpoint of the empty tree, which
 * is true of every log, so that an agent that only lists the key shows at the start and not at the first vote.
 */
export const agentSigner = async (
  name: string,
  agent: LogAgent,
  { answerWithinMs = defaultAnswerWithinMs, waitMs = defaultWaitMs, onTrouble = sayTrouble }: AgentTiming = {},
): Promise<Result<DistantSigner>> => {
  const socket = socketOf(agent);
  if (!socket.ok) return socket;
  const key = await logKeyInAgent(agent, answerWithinMs);
  if (!key.ok) return key;
  const verifier = noteVerifier(name, rawPublicKey(key.value));
  if (!verifier.ok) return verifier;
  const ask: DistantSigner['ask'] = async (text) => {
    const blob = await agentSign(socket.value, key.value, Buffer.from(text), answerWithinMs);
    return blob.ok ? rawSignature(blob.value) : blob;
  };
  const signer: DistantSigner = { ...verifier.value, ask, waitMs, onTrouble };
  const tried = await askOnce(formatCheckpoint({ origin: name, size: 0, root: emptyRoot }), signer);
  if (tried.ok) return ok(signer);
  return unavailable(
    `the agent at \`${socket.value}\` lists the log key and does not sign with it: ${tried.refusal.message}`,
    'unlock it, confirm its use, or add the key without `-c`; then start again',
  );
};
