// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { BlockList } from 'node:net';
import { fileDigestSource } from '../adapters/files/file-digest-source.ts';
import { gitSource } from '../adapters/git/git-source.ts';
import type { FactSource } from '../app/fact-source.ts';
import type { Quarantine } from '../app/quarantine.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { displayNames } from './display-names.ts';
import { allowedHosts, InFlight, isListed, isLoopback, parseNetworks } from './guard.ts';
import { httpServer, listen, mount, type TlsFiles } from './http-server.ts';
import { openLedger, type OpenOptions, type RunningLedger } from './ledger-folder.ts';
import { startMetrics } from './metrics.ts';
import { noticesConfig, type NoticesConfig } from './notices-config.ts';
import { startNotices } from './notices.ts';
import { Papers } from './permit-papers.ts';
import { LargeBodies } from './read-body.ts';
import { startLog, type RequestLog } from './request-log.ts';
import { RequestOrder } from './request-order.ts';
import { readServerConfig } from './server-config.ts';
import type { ServerContext } from './server-context.ts';
import { Sessions } from './sessions.ts';
import { startTextOrders } from './text-orders.ts';
import { startTicker } from './ticker.ts';
import { TokenList } from './tokens.ts';

/** What is given here goes before what `DIR/countersign.yaml` says. */
export type ServeOptions = OpenOptions & {
  /** Data folder. */
  readonly dir: string;
  readonly host?: string;
  /** 0 lets the system pick one. */
  readonly port?: number;
  /** Port when neither this nor the configuration names one; 0 by default. */
  readonly fallbackPort?: number;
  /** Address by which people and machines reach the server, when it is another than where it listens. */
  readonly publicUrl?: string;
  /** Paths of PEM files. */
  readonly tls?: TlsFiles;
  /** Addresses or networks of proxies that end TLS in front of it. */
  readonly trustedProxies?: readonly string[];
  /** Beside those that the configuration names. */
  readonly factSources?: readonly FactSource[];
  /** Where log lines go; standard error by default. */
  readonly log?: (lines: string) => void;
  readonly stopWithinMs?: number;
  readonly tickEveryMs?: number;
  /** Requests of one address that may be under way at a time. */
  readonly perAddress?: number;
};

type Settings = {
  readonly options: ServeOptions;
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly tls: TlsFiles | null;
  readonly trusted: BlockList;
  readonly factSources: readonly FactSource[];
  readonly notices: NoticesConfig;
};

export type RunningServer = {
  /** Address without a slash at the end. */
  readonly url: string;
  /** Where it listens; the address above may be another's, such as a proxy's. */
  readonly port: number;
  readonly ledger: RunningLedger;
  /** Takes nothing new, answers what it took, then closes the ledger (SPEC H11). Safe to call twice. */
  readonly stop: () => Promise<void>;
};

const version = (): string => {
  const file = new URL('../../package.json', import.meta.url);
  return /"version": "([^"]+)"/.exec(readFileSync(file, 'utf8'))?.[1] ?? '0.0.0';
};

/** Opens a data folder and serves it over HTTP. A damaged ledger is served too, for reading. */
export const startServer = async (options: ServeOptions): Promise<Result<RunningServer>> => {
  const settings = settle(options);
  if (!settings.ok) return settings;
  // The ledger may be found damaged before there is anybody to tell, and later on.
  let tell: (quarantine: Quarantine) => void = () => undefined;
  const ledger = await openLedger(options.dir, {
    ...options,
    onAlert: (quarantine) => {
      options.onAlert?.(quarantine);
      tell(quarantine);
    },
  });
  if (!ledger.ok) return ledger;
  const started = await serveLedger(settings.value, ledger.value, (told) => {
    tell = told;
  });
  if (!started.ok) await ledger.value.close();
  return started;
};

// Options, then the file, then what is safe.
const settle = (options: ServeOptions): Result<Settings> => {
  const read = readServerConfig(options.dir);
  if (!read.ok) return read;
  const config = read.value;
  const host = options.host ?? config.listen?.host ?? '127.0.0.1';
  const publicUrl = options.publicUrl ?? config['public-url'];
  const proxies = options.trustedProxies ?? config['trusted-proxies'] ?? [];
  const trusted = parseNetworks(proxies);
  if (trusted === undefined) return wrongProxies(proxies);
  const tls = readTls(options.tls ?? config.tls);
  if (!tls.ok) return tls;
  const wrongUrl = checkPublicUrl(publicUrl);
  if (wrongUrl !== undefined) return wrongUrl;
  if (!isLoopback(host) && tls.value === null && proxies.length === 0)
    return refuse(
      'listen-without-tls',
      'H5',
      `\`${host}\` is reached over the network, and the server has no TLS`,
      { host },
      'give a certificate and key, name the proxy that ends TLS in `trusted-proxies`, or listen on 127.0.0.1',
    );
  return ok({
    options,
    host,
    port: options.port ?? config.listen?.port ?? options.fallbackPort ?? 0,
    publicUrl,
    tls: tls.value,
    trusted,
    factSources: [
      ...(config.git === undefined ? [] : [gitSource(config.git)]),
      ...(config.files === undefined ? [] : [fileDigestSource(config.files)]),
      ...(options.factSources ?? []),
    ],
    notices: config.notices ?? noticesConfig.parse({}),
  });
};

const contextFor = (
  settings: Settings,
  ledger: RunningLedger,
  url: () => string,
  stopping: () => boolean,
  alertOf: ServerContext['alertOf'],
) => {
  const { options, publicUrl, tls, factSources } = settings;
  const { now = Date.now, dir } = options;
  const { sequencer } = ledger;
  return {
    ledger,
    sequencer,
    now,
    publicUrl: url,
    secure: publicUrl?.startsWith('https:') ?? tls !== null,
    factSources: new Map(factSources.map((source) => [source.name, source])),
    tokens: new TokenList(dir, now),
    sessions: new Sessions(now),
    order: new RequestOrder(sequencer.state()),
    names: displayNames(dir),
    metrics: startMetrics(sequencer),
    version: version(),
    stopping,
    permitProofs: new Map(),
    papers: new Papers(ledger),
    alertOf,
  } satisfies ServerContext;
};

const serveLedger = async (
  settings: Settings,
  ledger: RunningLedger,
  onTell: (tell: (quarantine: Quarantine) => void) => void,
): Promise<Result<RunningServer>> => {
  const { options, host, port, tls, trusted } = settings;
  const { now = Date.now, perAddress = 256 } = options;
  const log = startLog(options.log ?? ((lines) => process.stderr.write(lines)));
  const { sequencer } = ledger;
  let [url, stopping] = [settings.publicUrl ?? '', false];
  let hosts: ReadonlySet<string> = new Set();
  let alertOf: ServerContext['alertOf'] = () => ({ taken: 0, channels: 0 });
  const context = contextFor(
    settings,
    ledger,
    () => url,
    () => stopping,
    (request) => alertOf(request),
  );
  const frontier = {
    context,
    log,
    inFlight: new InFlight(perAddress),
    largeBodies: new LargeBodies(8),
    trusted,
    hosts: () => hosts,
  };
  const server = httpServer(mount(frontier), tls);
  onlyTrustedPeers(server, host, tls, trusted);
  const notices = await startNotices({
    sequencer,
    store: ledger.store,
    config: settings.notices,
    dir: options.dir,
    publicUrl: () => url,
    people: context.names.people,
    log: log.event,
    now,
  });
  if (!notices.ok) return notices;
  onTell(notices.value.quarantined);
  alertOf = notices.value.alertOf;
  context.metrics.notices(notices.value.figures);
  const listening = await listen(server, host, port);
  if (!listening.ok) {
    await notices.value.stop();
    return listening;
  }
  const own = host.includes(':') ? `[${host}]` : host;
  url = url === '' ? `${tls === null ? 'http' : 'https'}://${own}:${listening.value}` : url;
  hosts = allowedHosts(url, host, listening.value);
  const ticker = startTicker(sequencer, now, options.tickEveryMs);
  const orders = startTextOrders(options.dir, ledger.store, now, log.event);
  log.event('info', 'listening', { url, quarantined: sequencer.quarantine() !== undefined });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping = true;
      log.event('info', 'stopping');
      await closeServer(server, options.stopWithinMs ?? 10_000, log);
      await ticker.stop();
      await orders.stop();
      await notices.value.stop();
      context.metrics.close();
      await ledger.close();
      log.event('info', 'stopped');
      log.flush();
    })();
    return stopped;
  };
  return ok({ url, port: listening.value, ledger, stop });
};

// Behind a proxy, plain HTTP comes from that proxy and from nowhere else (SPEC H5).
const onlyTrustedPeers = (server: Server, host: string, tls: TlsFiles | null, trusted: BlockList): void => {
  if (tls !== null || isLoopback(host)) return;
  server.on('connection', (socket) => {
    const peer = socket.remoteAddress ?? '';
    if (!isLoopback(peer) && !isListed(trusted, peer)) socket.destroy();
  });
};

// Idle connections go at once; those with a request under way when it is answered, or at the deadline.
const closeServer = async (server: Server, withinMs: number, log: RequestLog): Promise<void> => {
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

const readTls = (files: TlsFiles | undefined): Result<TlsFiles | null> => {
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

const checkPublicUrl = (url: string | undefined): Refused | undefined => {
  if (url === undefined || (/^https?:\/\/[A-Za-z0-9.:[\]-]+$/.test(url) && URL.canParse(url))) return undefined;
  return refuse(
    'config-malformed',
    'H9',
    `public URL \`${url}\` is not an origin`,
    { url },
    'write it like `https://countersign.example.org`, without a path or a slash at the end',
  );
};

const wrongProxies = (given: readonly string[]): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `\`${given.join(', ')}\` are not addresses or networks`,
    { trusted_proxies: given },
    'write them like `10.0.0.5` or `10.1.0.0/16`',
  );
