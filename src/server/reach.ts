// SPDX-License-Identifier: Apache-2.0
// Who may reach a server of ours, over what, and how it lets go of them.
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { BlockList } from 'node:net';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { isListed, isLoopback } from './guard.ts';
import type { TlsFiles } from './http-server.ts';
import type { RequestLog } from './request-log.ts';

/** Beyond this machine only over TLS, its own or that of a proxy that is named (SPEC H5). */
export const checkReach = (host: string, tls: TlsFiles | null, proxies: readonly string[]): Refused | undefined =>
  !isLoopback(host) && tls === null && proxies.length === 0
    ? refuse(
        'listen-without-tls',
        'H5',
        `\`${host}\` is reached over the network, and the server has no TLS`,
        { host },
        'give a certificate and key, name the proxy that ends TLS in `trusted-proxies`, or listen on 127.0.0.1',
      )
    : undefined;

// Behind a proxy, plain HTTP comes from that proxy and from nowhere else (SPEC H5).
export const onlyTrustedPeers = (server: Server, host: string, tls: TlsFiles | null, trusted: BlockList): void => {
  if (tls !== null || isLoopback(host)) return;
  server.on('connection', (socket) => {
    const peer = socket.remoteAddress ?? '';
    if (!isLoopback(peer) && !isListed(trusted, peer)) socket.destroy();
  });
};

// Idle connections go at once; those with a request under way when it is answered, or at the deadline.
export const closeServer = async (server: Server, withinMs: number, log: RequestLog): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => {
    log.event('warn', 'deadline', { within_ms: withinMs });
    server.closeAllConnections();
  }, withinMs);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
};

export const readTls = (files: TlsFiles | undefined): Result<TlsFiles | null> => {
  if (files === undefined) return ok(null);
  try {
    return ok({ certificate: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') });
  } catch {
    return refuse(
      'config-malformed',
      'H5',
      `certificate \`${files.certificate}\` or key \`${files.key}\` cannot be read`,
      { certificate: files.certificate, key: files.key },
      'name PEM files that this user may read',
    );
  }
};

export const wrongProxies = (given: readonly string[]): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `\`${given.join(', ')}\` are not addresses or networks`,
    { trusted_proxies: given },
    'write them like `10.0.0.5` or `10.1.0.0/16`',
  );
