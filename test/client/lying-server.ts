// SPDX-License-Identifier: Apache-2.0
// Stands between a client and a real server, passes everything on, and lies where a test says so.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Lie = (path: string, text: string, method: string) => string;

export type LyingServer = {
  readonly url: string;
  /** Method and path of everything that came through. */
  readonly seen: string[];
  lie: Lie;
  readonly close: () => Promise<void>;
};

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

export const startLying = async (real: string): Promise<LyingServer> => {
  const seen: string[] = [];
  const state: { lie: Lie } = { lie: (_path, text) => text };
  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url ?? '/';
      const method = request.method ?? 'GET';
      seen.push(`${method} ${path}`);
      const body = await bodyOf(request);
      const headers: { [name: string]: string } = {};
      for (const name of ['authorization', 'content-type', 'idempotency-key', 'accept']) {
        const value = request.headers[name];
        if (typeof value === 'string') headers[name] = value;
      }
      const answer = await fetch(real + path, { method, headers, ...(method === 'POST' ? { body } : {}) });
      const type = answer.headers.get('content-type') ?? 'text/plain';
      const bytes = Buffer.from(await answer.arrayBuffer());
      response.writeHead(answer.status, { 'content-type': type });
      // Tiles are no text; they go through as they are.
      response.end(type.includes('octet-stream') ? bytes : state.lie(path, bytes.toString('utf8'), method));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    get lie() {
      return state.lie;
    },
    set lie(next) {
      state.lie = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
