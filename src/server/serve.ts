// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { HeadCosigner } from '../app/head-cosigner.ts';
import type { Quarantine } from '../app/quarantine.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import type { AcceptedLoss } from './accepted-loss.ts';
import { startCosigning } from './cosigning.ts';
import { displayNames } from './display-names.ts';
import { openFrontDoor, type FrontDoor } from './front-door.ts';
import { InFlight } from './guard.ts';
import { answering, mount } from './http-server.ts';
import { keepViews } from './keep-views.ts';
import { findStore, openLedger, type RunningLedger } from './ledger-folder.ts';
import { mirrorLedger, rememberedBy } from './ledger-mirror.ts';
import { startMetrics } from './metrics.ts';
import { startNotices, type Notices } from './notices.ts';
import { Papers } from './permit-papers.ts';
import { LargeBodies } from './read-body.ts';
import { startLog, type RequestLog } from './request-log.ts';
import { RequestOrder } from './request-order.ts';
import { settle, type ServeOptions, type Settings } from './serve-settings.ts';
import type { ServerContext } from './server-context.ts';
import { OwnShelf } from './session-shelf.ts';
import { Sessions } from './sessions.ts';
import { SharedShelf } from './shared-shelf.ts';
import { startTextOrders } from './text-orders.ts';
import { startTicker } from './ticker.ts';
import { TokenList } from './tokens.ts';

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
  const settled = settle(options);
  if (!settled.ok) return settled;
  const settings = settled.value;
  // A folder without a ledger is said before a port that is in use.
  const there = findStore(options.dir, options);
  if (!there.ok) return there;
  const log = startLog(options.log ?? ((lines) => process.stderr.write(lines)));
  const door = await openFrontDoor(settings, log);
  if (!door.ok) return door;
  const started = await openAndServe(settings, door.value, log);
  if (!started.ok) await door.value.close(0);
  return started;
};

const openAndServe = async (settings: Settings, door: FrontDoor, log: RequestLog): Promise<Result<RunningServer>> => {
  const { options, mirror } = settings;
  // The ledger may be found damaged before there is anybody to tell, and later on.
  let tell: (quarantine: Quarantine) => void = () => undefined;
  let loss: AcceptedLoss | undefined;
  const ledger = await openLedger(options.dir, {
    ...options,
    remembered: [...(options.remembered ?? []), ...(mirror === undefined ? [] : await rememberedBy(mirror))],
    onLook: door.lookedAt,
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
  const started = await serveLedger(settings, ledger.value, { door, log, onTell });
  if (!started.ok) await ledger.value.close();
  return started;
};

const contextFor = (
  settings: Settings,
  ledger: RunningLedger,
  heads: HeadCosigner,
  url: string,
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
      commonSecret === undefined
        ? new Sessions(now, new OwnShelf(now), randomBytes(32))
        : new Sessions(now, new SharedShelf(store, now), commonSecret),
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

type Surroundings = {
  readonly door: FrontDoor;
  readonly log: RequestLog;
  readonly onTell: (notices: Notices) => void;
};

const serveLedger = async (
  settings: Settings,
  ledger: RunningLedger,
  { door, log, onTell }: Surroundings,
): Promise<Result<RunningServer>> => {
  const { options, trusted } = settings;
  const { now = Date.now, perAddress = 256 } = options;
  const { url, hosts } = door;
  const { sequencer } = ledger;
  const cosigning = await startCosigning(settings, ledger, log.event);
  if (!cosigning.ok) return cosigning;
  const heads = cosigning.value;
  let stopping = false;
  let alertOf: ServerContext['alertOf'] = () => ({ taken: 0, channels: 0 });
  const context = contextFor(
    settings,
    ledger,
    heads,
    url,
    () => stopping,
    (request) => alertOf(request),
  );
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
  const views = await keepViews(options.dir, ledger, context.metrics, log);
  onTell(notices.value);
  alertOf = notices.value.alertOf;
  context.metrics.notices(notices.value.figures);
  context.metrics.heads(() => heads.standing());
  const mirror = settings.mirror === undefined ? undefined : mirrorLedger(settings.mirror, ledger, log);
  if (mirror !== undefined) context.metrics.mirror(mirror.figures);
  const ticker = startTicker(sequencer, now, options.tickEveryMs);
  const orders = startTextOrders(options.dir, ledger.store, now, log.event);
  const [inFlight, largeBodies] = [new InFlight(perAddress), new LargeBodies(8)];
  door.letIn(answering(mount({ context, log, inFlight, largeBodies, trusted, hosts })));
  log.event('info', 'listening', { url, quarantined: sequencer.quarantine() !== undefined });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping = true;
      log.event('info', 'stopping');
      await door.close(options.stopWithinMs ?? 10_000);
      await ticker.stop();
      await views.stop();
      await orders.stop();
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
  return ok({ url, port: door.port, ledger, stop });
};
