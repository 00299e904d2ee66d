// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono, type Context } from 'hono';
import { routes, type Route, type RouteName } from '../contract/routes.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { problemPage } from './html-routes.ts';
import { problemReply, type Reply } from './reply.ts';
import { serveCall, type Frontier } from './serve-call.ts';

export type Bindings = { Bindings: HttpBindings };

const names = Object.keys(routes) as RouteName[];
const pathFor = (name: RouteName): string => {
  const { path, rest }: Route = routes[name];
  return path.replaceAll(/\{([a-z]+)\}/g, (_, part: string) => (part === rest ? `:${part}{.+}` : `:${part}`));
};

/** Headers of every answer, whatever it is: nothing is sniffed, framed, referred to or kept by default. */
const baseHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
} as const;

/** Sends a reply once; a connection that is gone gets nothing. */
export const send = (outgoing: ServerResponse, reply: Reply, extra: Readonly<Record<string, string>>): void => {
  if (outgoing.headersSent || outgoing.destroyed) return;
  const { status, type, body, headers } = reply;
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  const entity = status === 304 ? {} : { 'content-type': type, 'content-length': length };
  outgoing.writeHead(status, { ...baseHeaders, ...entity, ...headers, ...extra });
  outgoing.end(body);
};

/** Mounts the table of routes; whatever it does not name is a problem too. */
export const mount = (frontier: Frontier): Hono<Bindings> => {
  const { context, log } = frontier;
  const extraFor = (id: string, reply: Reply): Readonly<Record<string, string>> => ({
    'x-request-id': id,
    ...(context.secure ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    // A body that was refused is not read to its end, and a server that stops keeps no connection.
    ...(context.stopping() || reply.code === 'body-too-large' || reply.code === 'overloaded'
      ? { connection: 'close' }
      : {}),
  });
  const answer = async (c: Context<Bindings>, route: string, make: (id: string) => Reply | Promise<Reply>) => {
    const { incoming, outgoing } = c.env;
    const started = performance.now();
    const id = log.nextId();
    const reply = await make(id);
    send(outgoing, reply, extraFor(id, reply));
    const ms = performance.now() - started;
    const method = incoming.method ?? '';
    context.metrics.request(method, route, reply.status, ms / 1000);
    log.request({ id, method, route, status: reply.status, ms, code: reply.code ?? null });
    return RESPONSE_ALREADY_SENT;
  };
  const app = new Hono<Bindings>();
  for (const name of names)
    app.on(routes[name].method, pathFor(name), (c) =>
      answer(c, routes[name].path, (id) => serveCall(frontier, name, c.env.incoming, c.req.param(), id)),
    );
  for (const path of new Set(names.map(pathFor))) {
    const methods = names.filter((name) => pathFor(name) === path).map((name) => routes[name].method);
    app.all(path, (c) => answer(c, '(wrong method)', () => wrongMethod(c.env.incoming, methods)));
  }
  app.notFound((c) => answer(c, '(unknown)', () => unknownRoute(c.env.incoming)));
  return app;
};

const shownPath = (incoming: IncomingMessage): string => (incoming.url ?? '').split('?', 1)[0]?.slice(0, 100) ?? '';

// Whoever comes with a browser gets a page to read; programs, which take anything or JSON, a problem.
const refusedFor = (incoming: IncomingMessage, { refusal }: Refused): Reply =>
  /\btext\/html\b/.test(incoming.headers.accept ?? '') ? problemPage(refusal) : problemReply(refusal);

const unknownRoute = (incoming: IncomingMessage): Reply =>
  refusedFor(
    incoming,
    refuse('route-unknown', 'H4', `nothing is at \`${shownPath(incoming)}\``, {}, 'look at `/docs`'),
  );

const wrongMethod = (incoming: IncomingMessage, methods: readonly string[]): Reply => {
  const allow = [...new Set(methods)].join(', ');
  const message = `\`${shownPath(incoming)}\` does not take ${(incoming.method ?? '').slice(0, 20)}`;
  return refusedFor(incoming, refuse('method-wrong', 'H4', message, { allow }, `use ${allow}`));
};

export type TlsFiles = { readonly certificate: string; readonly key: string };

/** The server with its time limits: whoever sends slowly is cut off (SPEC H10). */
export const httpServer = (app: Hono<Bindings>, tls: TlsFiles | null): Server => {
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
  }) as RequestListener;
  const limits = {
    headersTimeout: 10_000,
    requestTimeout: 60_000,
    keepAliveTimeout: 15_000,
    connectionsCheckingInterval: 2_000,
    maxHeaderSize: 16_384,
    noDelay: true,
  };
  const server =
    tls === null
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' }, listener);
  server.maxHeadersCount = 100;
  server.maxConnections = 4096;
  return server;
};

/** Listens, or says why not. Gives the port, which the system picks when 0 was asked for. */
export const listen = (server: Server, host: string, port: number): Promise<Result<number>> =>
  new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === 'EADDRINUSE'
          ? refuse(
              'port-in-use',
              'H5',
              `port ${port} of \`${host}\` is in use by another process`,
              { host, port },
              'stop it, or choose another port with `--listen HOST:PORT`',
            )
          : refuse(
              'config-malformed',
              'H5',
              `cannot listen on \`${host}\`, port ${port}: ${error.code ?? 'unknown'}`,
              { host, port },
              'name an address of this machine and a port that this user may open',
            ),
      ),
    );
    server.listen({ host, port }, () => resolve(ok((server.address() as AddressInfo).port)));
  });
