// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { httpStatusOf } from '../contract/code-table.ts';
import { formatCosignerKey } from '../crypto/cosignature.ts';
import { ok, type Refusal, type Result } from '../kernel/refusal.ts';
import { addressOf, InFlight, parseNetworks } from './guard.ts';
import { httpServer, listen, send, type Bindings, type TlsFiles } from './http-server.ts';
import { checkReach, closeServer, onlyTrustedPeers, readTls, wrongProxies } from './reach.ts';
import { readBody } from './read-body.ts';
import { text, type Reply } from './reply.ts';
import { startLog } from './request-log.ts';
import { WitnessDesk } from './witness-desk.ts';
import { openWitnessFolder } from './witness-folder.ts';
import type { WitnessState } from './witness-state.ts';

export type WitnessServerOptions = {
  /** Folder of the witness. */
  readonly dir: string;
  readonly host?: string;
  /** 0 lets the system pick one. */
  readonly port?: number;
  /** Paths of PEM files. */
  readonly tls?: TlsFiles;
  readonly trustedProxies?: readonly string[];
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Where log lines go; standard error by default. */
  readonly log?: (lines: string) => void;
  readonly stopWithinMs?: number;
  /** Requests of one address that may be under way at a time. */
  readonly perAddress?: number;
  /** Called when the disk failed; the process has to end. */
  readonly fatal: (error: unknown) => void;
};

export type RunningWitness = {
  readonly url: string;
  readonly port: number;
  /** Its verifier key. */
  readonly vkey: string;
  /** How many logs it knows, and of how many it has cosigned something. */
  readonly logs: number;
  readonly cosigned: number;
  /** Takes nothing new, answers what it took. Safe to call twice. */
  readonly stop: () => Promise<void>;
};

/** A request is small: a size, 63 hashes, a checkpoint and its signatures. */
const maxBody = 64 * 1024;

const line = (value: string): string => `${value}\n`;
const refused = (refusal: Refusal, status = httpStatusOf(refusal.code)): Reply => ({
  ...text(line(`${refusal.message}${refusal.help === undefined ? '' : `: ${refusal.help}`}`), undefined, status),
  code: refusal.code,
  ...(status === 503 ? { headers: { 'retry-after': '1' } } : {}),
});

const addCheckpoint = async (desk: WitnessDesk, incoming: IncomingMessage): Promise<Reply> => {
  const bytes = await readBody(incoming, maxBody);
  if (!bytes.ok) return refused(bytes.refusal);
  let body: string;
  try {
    body = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.value);
  } catch {
    return text(line('the request is malformed: it is not UTF-8'), undefined, 400);
  }
  const answer = await desk.add(body);
  if (answer.status === 200) return text(answer.lines);
  if (answer.status === 409)
    return { ...text(line(String(answer.size)), 'text/x.tlog.size', 409), code: answer.refusal.code };
  return refused(answer.refusal, answer.status);
};

const wrongMethod = (allow: string): Reply => ({
  ...text(line(`this address takes ${allow} alone`), undefined, 405),
  headers: { allow },
});

/** What is at an address; the origin's hash is that of c2sp.org/tlog-witness, Monitor Retrieval. */
const replyTo = (
  desk: WitnessDesk,
  state: WitnessState,
  incoming: IncomingMessage,
): [string, Promise<Reply> | Reply] => {
  const path = (incoming.url ?? '').split('?', 1)[0] ?? '';
  const reads = incoming.method === 'GET' || incoming.method === 'HEAD';
  if (path === '/add-checkpoint')
    return [path, incoming.method === 'POST' ? addCheckpoint(desk, incoming) : wrongMethod('POST')];
  if (path === '/livez') return [path, reads ? text(line('ok')) : wrongMethod('GET, HEAD')];
  const hash = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path)?.[1];
  if (hash === undefined) return ['(unknown)', text(line('nothing is at this address'), undefined, 404)];
  const route = '/{origin hash}/checkpoint';
  if (!reads) return [route, wrongMethod('GET, HEAD')];
  const kept = state.named(hash);
  return [
    route,
    kept === undefined ? text(line('no checkpoint of this log was cosigned here'), undefined, 404) : text(kept.note),
  ];
};

type Mounted = {
  readonly desk: WitnessDesk;
  readonly state: WitnessState;
  readonly log: ReturnType<typeof startLog>;
  readonly trusted: BlockList;
  readonly perAddress: number;
  readonly stopping: () => boolean;
};

const mountWitness = ({ desk, state, log, trusted, perAddress, stopping }: Mounted): Hono<Bindings> => {
  const inFlight = new InFlight(perAddress);
  const app = new Hono<Bindings>();
  app.all('*', async (c) => {
    const { incoming, outgoing } = c.env;
    const started = performance.now();
    const id = log.nextId();
    const address = addressOf(incoming, trusted);
    const full = inFlight.enter(address);
    let [route, reply]: [string, Reply] = ['(overloaded)', text('')];
    if (full !== undefined) reply = refused(full.refusal);
    else
      try {
        const [at, coming] = replyTo(desk, state, incoming);
        [route, reply] = [at, await coming];
      } finally {
        inFlight.leave(address);
      }
    const close = stopping() || reply.code === 'body-too-large' || reply.code === 'overloaded';
    send(outgoing, reply, { 'x-request-id': id, ...(close ? { connection: 'close' } : {}) });
    const ms = performance.now() - started;
    log.request({ id, method: incoming.method ?? '', route, status: reply.status, ms, code: reply.code ?? null });
    return RESPONSE_ALREADY_SENT;
  });
  return app;
};

/** Opens the folder of a witness and serves it; it needs no ledger, and asks nobody. */
export const startWitness = async (options: WitnessServerOptions): Promise<Result<RunningWitness>> => {
  const { host = '127.0.0.1', port = 0, trustedProxies = [], now = Date.now } = options;
  const trusted = parseNetworks(trustedProxies);
  if (trusted === undefined) return wrongProxies(trustedProxies);
  const tls = readTls(options.tls);
  if (!tls.ok) return tls;
  const closed = checkReach(host, tls.value, trustedProxies);
  if (closed !== undefined) return closed;
  const opened = openWitnessFolder(options.dir);
  if (!opened.ok) return opened;
  const { key, logs, state, release } = opened.value;
  const log = startLog(options.log ?? ((lines) => process.stderr.write(lines)));
  const desk = new WitnessDesk({ key, logs, state, now, log, fatal: options.fatal });
  let stopping = false;
  const app = mountWitness({
    desk,
    state,
    log,
    trusted,
    perAddress: options.perAddress ?? 256,
    stopping: () => stopping,
  });
  const server = httpServer(app, tls.value);
  onlyTrustedPeers(server, host, tls.value, trusted);
  const listening = await listen(server, host, port);
  if (!listening.ok) {
    release();
    return listening;
  }
  const url = `${tls.value === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listening.value}`;
  log.event('info', 'listening', { url, logs: logs.length });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping = true;
      log.event('info', 'stopping');
      await closeServer(server, options.stopWithinMs ?? 10_000, log);
      await desk.idle();
      release();
      log.event('info', 'stopped');
      log.flush();
    })();
    return stopped;
  };
  return ok({
    url,
    port: listening.value,
    vkey: formatCosignerKey(key),
    logs: logs.length,
    cosigned: state.size,
    stop,
  });
};
