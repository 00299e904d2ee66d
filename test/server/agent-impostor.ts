// SPDX-License-Identifier: Apache-2.0
// What may lie at the socket of an agent: it lists the log key, and signs what a test wants.
import { sign as signRaw } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { wireString, wireUint32 } from '../../src/crypto/ssh-wire.ts';
import { logKey, type AgentPlace } from './log-agent.ts';

export type Answer = (text: Buffer) => Buffer | undefined;
export const signature = (blob: Buffer): Buffer => Buffer.concat([Buffer.from([14]), wireString(blob)]);
export const algorithm = (name: string, raw: Uint8Array): Buffer => Buffer.concat([wireString(name), wireString(raw)]);
export const ed25519 = (raw: Uint8Array): Buffer => algorithm('ssh-ed25519', raw);
export const rawOf = (text: Buffer): Buffer => signRaw(null, text, logKey.signKey);
export const honest = (text: Buffer): Buffer => signature(ed25519(rawOf(text)));

/** Something that answers at the agent's socket and lists the log key, whatever it then signs. */
export const impostor = (agent: AgentPlace, answer: () => Answer): Promise<() => Promise<void>> => {
  rmSync(agent.socket, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket
      .on('error', () => undefined)
      .once('data', (asked: Buffer) => {
        const listed = [Buffer.from([12]), wireUint32(1), wireString(logKey.public.blob), wireString('log')];
        const textAt = 5 + 4 + logKey.public.blob.length;
        const text = asked[4] === 11 ? undefined : asked.subarray(textAt + 4, textAt + 4 + asked.readUInt32BE(textAt));
        const reply = text === undefined ? Buffer.concat(listed) : answer()(text);
        if (reply !== undefined) socket.write(wireString(reply));
      });
  });
  return new Promise((resolve) =>
    server.listen(agent.socket, () =>
      resolve(async () => {
        for (const socket of open) socket.destroy();
        await new Promise((done) => server.close(done));
      }),
    ),
  );
};
