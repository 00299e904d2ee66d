// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { BlockList } from 'node:net';
import { fileDigestSource } from '../adapters/files/file-digest-source.ts';
import { gitSource } from '../adapters/git/git-source.ts';
import type { FactSource } from '../app/fact-source.ts';
import { defaultEveryMs, type HeadCosigner } from '../app/head-cosigner.ts';
import type { Quarantine } from '../app/quarantine.ts';
import type { TilePlace } from '../app/tile-place.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { AcceptedLoss } from './accepted-loss.ts';
import { startCosigning } from './cosigning.ts';
import { displayNames } from './display-names.ts';
import { allowedHosts, InFlight, parseNetworks } from './guard.ts';
import type { WitnessesConfig } from './heartbeat-config.ts';
import { httpServer, listen, mount, type TlsFiles } from './http-server.ts';
import { openLedger, type OpenOptions, type RunningLedger } from './ledger-folder.ts';
import { mirrorLedger, mirrorPlace, rememberedBy } from './ledger-mirror.ts';
import { startMetrics } from './metrics.ts';
import { noticesConfig, type NoticesConfig } from './notices-config.ts';
import { startNotices, type Notices } from './notices.ts';
import { Papers } from './permit-papers.ts';
import { checkReach, closeServer, onlyTrustedPeers, readTls, wrongProxies } from './reach.ts';
import { LargeBodies } from './read-body.ts';
import { startLog } from './request-log.ts';
import { RequestOrder } from './request-order.ts';
import { readServerConfig } from './server-config.ts';
import type { ServerContext } from './server-context.ts';
import { OwnShelf } from './session-shelf.ts';
import { Sessions } from './sessions.ts';
import { SharedShelf } from './shared-shelf.ts';
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
  /** The longest that it goes without a heartbeat. */
  readonly heartbeatEveryMs?: number;
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
  readonly heartbeatEveryMs: number;
  readonly witnesses: WitnessesConfig | undefined;
  readonly mirror: TilePlace | undefined;
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
  let loss: AcceptedLoss | undefined;
  const { mirror } = settings.value;
  const ledger = await openLedger(options.dir, {
    ...options,
    remembered: [...(options.remembered ?? []), ...(mirror === undefined ? [] : await rememberedBy(mirror))],
    onAlert: (quarantine) => {
      options.onAlert?.(quarantine);
      tell(quarantine);
    },
    onLoss: (accepted) => {
      loss = accepted;
      options.onLoss?.(accepted);
    },
  });
  if (!ledger.ok) return ledger;
  const onTell = (notices: Notices): void => {
    tell = notices.quarantined;
    if (loss !== undefined) void notices.lossAccepted(loss.size);
  };
  const started = await serveLedger(settings.value, ledger.value, onTell);
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
  const closed = checkReach(host, tls.value, proxies);
  if (closed !== undefined) return closed;
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
    heartbeatEveryMs: options.heartbeatEveryMs ?? config.heartbeat?.every ?? defaultEveryMs,
    witnesses: config.witnesses,
    mirror: config.mirror === undefined ? undefined : mirrorPlace(config.mirror),
  });
};

const contextFor = (
  settings: Settings,
  ledger: RunningLedger,
  heads: HeadCosigner,
  url: () => string,
  stopping: () => boolean,
  alertOf: ServerContext['alertOf'],
) => {
  const { options, publicUrl, tls, factSources } = settings;
  const { now = Date.now, dir } = options;
  const { sequencer, store, commonSecret } = ledger;
  const order = new RequestOrder(sequencer.state());
  sequencer.subscribe((_, entries) => order.note(entries, sequencer.state()));
  return {
    ledger,
    sequencer,
    heads,
    now,
    publicUrl: url,
    secure: publicUrl?.startsWith('https:') ?? tls !== null,
    factSources: new Map(factSources.map((source) => [source.name, source])),
    tokens: new TokenList(dir, now),
    // A client may be sent to another server with its next call, where there are others.
    sessions:
      store.shared === true
        ? new Sessions(now, new SharedShelf(store, now), commonSecret)
        : new Sessions(now, new OwnShelf(now), randomBytes(32)),
    order,
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
  onTell: (notices: Notices) => void,
): Promise<Result<RunningServer>> => {
  const { options, host, port, tls, trusted } = settings;
  const { now = Date.now, perAddress = 256 } = options;
  const log = startLog(options.log ?? ((lines) => process.stderr.write(lines)));
  const { sequencer } = ledger;
  const cosigning = await startCosigning(settings, ledger, log.event);
  if (!cosigning.ok) return cosigning;
  const heads = cosigning.value;
  let [url, stopping] = [settings.publicUrl ?? '', false];
  let hosts: ReadonlySet<string> = new Set();
  let alertOf: ServerContext['alertOf'] = () => ({ taken: 0, channels: 0 });
  const context = contextFor(
    settings,
    ledger,
    heads,
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
  if (!notices.ok) {
    await heads.stop();
    return notices;
  }
  onTell(notices.value);
  alertOf = notices.value.alertOf;
  context.metrics.notices(notices.value.figures);
  context.metrics.heads(() => heads.standing());
  const listening = await listen(server, host, port);
  if (!listening.ok) {
    await notices.value.stop();
    await heads.stop();
    return listening;
  }
  const own = host.includes(':') ? `[${host}]` : host;
  url = url === '' ? `${tls === null ? 'http' : 'https'}://${own}:${listening.value}` : url;
  hosts = allowedHosts(url, host, listening.value);
  const mirror = settings.mirror === undefined ? undefined : mirrorLedger(settings.mirror, ledger, log);
  if (mirror !== undefined) context.metrics.mirror(mirror.figures);
  const ticker = startTicker(sequencer, now, options.tickEveryMs);
  log.event('info', 'listening', { url, quarantined: sequencer.quarantine() !== undefined });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping = true;
      log.event('info', 'stopping');
      await closeServer(server, options.stopWithinMs ?? 10_000, log);
      await ticker.stop();
      await notices.value.stop();
      await mirror?.stop();
      context.metrics.close();
      await heads.stop();
      await ledger.close();
      log.event('info', 'stopped');
      log.flush();
    })();
    return stopped;
  };
  return ok({ url, port: listening.value, ledger, stop });
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
