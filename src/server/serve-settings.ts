// SPDX-License-Identifier: Apache-2.0
import type { BlockList } from 'node:net';
import { fileDigestSource } from '../adapters/files/file-digest-source.ts';
import { gitSource } from '../adapters/git/git-source.ts';
import type { FactSource } from '../app/fact-source.ts';
import { defaultEveryMs } from '../app/head-cosigner.ts';
import type { TilePlace } from '../app/tile-place.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseNetworks } from './guard.ts';
import type { WitnessesConfig } from './heartbeat-config.ts';
import type { TlsFiles } from './http-server.ts';
import type { OpenOptions } from './ledger-folder.ts';
import { mirrorPlace } from './ledger-mirror.ts';
import { noticesConfig, type NoticesConfig } from './notices-config.ts';
import { checkReach, readTls, wrongProxies } from './reach.ts';
import { readServerConfig } from './server-config.ts';

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

/** All of it, settled. */
export type Settings = {
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

/** Options, then the file, then what is safe. */
export const settle = (options: ServeOptions): Result<Settings> => {
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
