// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { LookedAt } from '../app/sequencer-start.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { allowedHosts } from './guard.ts';
import { httpServer, listen, refusedFor, send } from './http-server.ts';
import { closeServer, onlyTrustedPeers } from './reach.ts';
import { text, type Reply } from './reply.ts';
import type { RequestLog } from './request-log.ts';
import type { Settings } from './serve-settings.ts';

/** Where a server is reached, from before it has looked at its ledger until it stops. */
export type FrontDoor = {
  /** Address without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly hosts: ReadonlySet<string>;
  /** How far the look at the ledger has come. */
  readonly lookedAt: (progress: LookedAt) => void;
  /** Lets callers in: from here on this answers them. */
  readonly letIn: (listener: RequestListener) => void;
  /** Takes no new connections, and is done when those under way are answered, or at the deadline. */
  readonly close: (withinMs: number) => Promise<void>;
};

const sayEveryMs = 10_000;

/**
 * Listens before the ledger is opened, so that whoever watches sees a server that lives and is not ready, however long
 * the look at a large ledger takes (SPEC H12). Nothing of the ledger is answered until callers are let in.
 */
export const openFrontDoor = async (
  { host, port, tls, trusted, publicUrl }: Settings,
  log: RequestLog,
): Promise<Result<FrontDoor>> => {
  let progress: LookedAt = { entries: 0, of: null };
  let saidAt = performance.now();
  let answer: RequestListener = (incoming, outgoing) =>
    send(outgoing, whileOpening(incoming, progress), { connection: 'close' });
  const server: Server = httpServer((incoming, outgoing) => answer(incoming, outgoing), tls);
  onlyTrustedPeers(server, host, tls, trusted);
  const listening = await listen(server, host, port);
  if (!listening.ok) return listening;
  const own = host.includes(':') ? `[${host}]` : host;
  const url = publicUrl ?? `${tls === null ? 'http' : 'https'}://${own}:${listening.value}`;
  return ok({
    url,
    port: listening.value,
    hosts: allowedHosts(url, host, listening.value),
    lookedAt: (now) => {
      progress = now;
      if (performance.now() - saidAt < sayEveryMs) return;
      saidAt = performance.now();
      log.event('info', 'looking-at-ledger', now);
    },
    letIn: (listener) => {
      answer = listener;
    },
    close: (withinMs) => closeServer(server, withinMs, log),
  });
};

const whileOpening = (incoming: IncomingMessage, { entries, of }: LookedAt): Reply => {
  const path = (incoming.url ?? '').split('?', 1)[0];
  const far = of === null ? 'it has just begun' : `${entries} of ${of} entries are looked at`;
  if (path === '/livez') return text('alive\n');
  if (path === '/readyz') return text(`opening the ledger: ${far}\n`, undefined, 503);
  return refusedFor(
    incoming,
    refuse(
      'ledger-opening',
      'H12',
      `the server looks at its whole ledger before it answers for it: ${far}`,
      { entries, of },
      'try again in a few seconds; `/readyz` says when it is done',
    ),
  );
};
