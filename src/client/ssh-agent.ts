// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { parseSshKeyBlob, type SshPublicKey } from '../crypto/ssh-key.ts';
import { WireError, WireReader, wireString, wireUint32 } from '../crypto/ssh-wire.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

/** The two messages of the agent protocol (draft-ietf-sshm-ssh-agent, sections 3.5 and 3.6) that signing needs. */
const requestIdentities = 11;
const identitiesAnswer = 12;
const signRequest = 13;
const signResponse = 14;
const flagRsaSha512 = 4;
const maxAnswer = 256 * 1024;
/** A security key waits for a touch; a confirming agent for a click. */
const answerWithinMs = 120_000;

export type AgentKey = { readonly key: SshPublicKey; readonly comment: string };

const unavailable = (why: string): Refused =>
  refuse(
    'signer-unavailable',
    'W6',
    `the ssh agent cannot sign: ${why}`,
    {},
    'start an agent (`eval $(ssh-agent)`), add your key (`ssh-add FILE`), or name a key file with `--key FILE`',
  );

const ask = async (socketPath: string, message: Buffer, withinMs = answerWithinMs): Promise<Result<Buffer>> =>
  new Promise((resolve) => {
    const socket = connect(socketPath);
    const chunks: Buffer[] = [];
    let received = 0;
    const late = setTimeout(
      () => end(unavailable(`it did not answer within ${Math.round(withinMs / 1000)} seconds`)),
      withinMs,
    );
    const end = (result: Result<Buffer>): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(result);
    };
    socket.on('error', (error) => end(unavailable(error.message)));
    socket.on('close', () => end(unavailable('it hung up')));
    socket.on('connect', () => socket.write(wireString(message)));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      const all = Buffer.concat(chunks);
      const wanted = all.length < 4 ? undefined : all.readUInt32BE(0);
      if (received > maxAnswer || (wanted !== undefined && wanted > maxAnswer))
        end(unavailable('its answer is too long'));
      else if (wanted !== undefined && all.length >= 4 + wanted) end(ok(all.subarray(4, 4 + wanted)));
    });
  });

const read = <T>(answer: Buffer, type: number, body: (reader: WireReader) => T): Result<T> => {
  try {
    const reader = new WireReader(answer);
    if (reader.byte() !== type) return unavailable('it refused; the key may be locked, or its use was not confirmed');
    return ok(body(reader));
  } catch (error) {
    if (error instanceof WireError) return unavailable(error.message);
    throw error;
  }
};

/** The agent's keys of the types that Countersign knows, in its order. */
export const agentKeys = async (socketPath: string, withinMs?: number): Promise<Result<readonly AgentKey[]>> => {
  const answer = await ask(socketPath, Buffer.from([requestIdentities]), withinMs);
  if (!answer.ok) return answer;
  return read(answer.value, identitiesAnswer, (reader) => {
    const keys: AgentKey[] = [];
    for (let left = reader.uint32(); left > 0; left -= 1) {
      const [blob, comment] = [reader.string(), reader.string().toString('utf8')];
      const key = parseSshKeyBlob(blob);
      if (key.ok) keys.push({ key: key.value, comment });
    }
    reader.end();
    return keys;
  });
};

/** The signature string over `data`: format and raw signature, for security keys also flags and counter. */
export const agentSign = async (
  socketPath: string,
  key: SshPublicKey,
  data: Uint8Array,
  withinMs?: number,
): Promise<Result<Uint8Array>> => {
  const flags = key.type === 'ssh-rsa' ? flagRsaSha512 : 0;
  const answer = await ask(
    socketPath,
    Buffer.concat([Buffer.from([signRequest]), wireString(key.blob), wireString(data), wireUint32(flags)]),
    withinMs,
  );
  if (!answer.ok) return answer;
  return read(answer.value, signResponse, (reader) => {
    const signature = reader.string();
    reader.end();
    return signature;
  });
};
