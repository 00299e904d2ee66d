// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constantTimeEqual } from '../crypto/digest.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';

/** Where the organisation's alerts arrive: a real receiver of Standard Webhooks that checks their signatures. */
export type AlertReceiver = {
  readonly url: string;
  readonly secretFile: string;
  /** The first alert of that type about that request, or undefined when none came in time. */
  readonly waitFor: (type: string, request: string, withinMs: number) => Promise<JsonObject | undefined>;
  readonly stop: () => Promise<void>;
};

const maxBytes = 256 * 1024;

export const startAlertReceiver = async (secretFile: string): Promise<AlertReceiver> => {
  const secret = randomBytes(24);
  writeFileSync(secretFile, `whsec_${secret.toString('base64')}\n`, { mode: 0o600 });
  const received: JsonObject[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
    });
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const [id, at] = [request.headers['webhook-id'], request.headers['webhook-timestamp']];
      const wanted = createHmac('sha256', secret)
        .update(`${String(id)}.${String(at)}.${body}`)
        .digest('base64');
      const given = String(request.headers['webhook-signature'] ?? '').split(' ');
      const genuine = size <= maxBytes && given.some((one) => constantTimeEqual(one, `v1,${wanted}`));
      const parsed = parseJson(body, { numbers: 'any' });
      if (genuine && parsed.ok && isObject(parsed.value)) received.push(parsed.value);
      response.writeHead(genuine ? 204 : 401).end();
    });
  });
  await new Promise<void>((ready) => {
    server.listen(0, '127.0.0.1', ready);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    secretFile,
    waitFor: async (type, request, withinMs) => {
      for (let left = withinMs; left > 0; left -= 50) {
        const found = received.find((one) => one['type'] === type && JSON.stringify(one).includes(request));
        if (found !== undefined) return found;
        await new Promise((later) => setTimeout(later, 50));
      }
      return undefined;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((closed) => {
        server.close(() => closed());
      });
    },
  };
};
