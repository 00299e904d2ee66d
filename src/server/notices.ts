// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { notSent } from '../app/delivery.ts';
import type { Quarantine } from '../app/quarantine.ts';
import type { Followed } from '../app/sequencer-follower.ts';
import type { FoldedEntry } from '../kernel/decider.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { isObject } from '../kernel/shape.ts';
import { ok, type JsonObject, type JsonValue, type Result } from '../kernel/refusal.ts';
import type { LedgerStore, ViewWrite } from '../ledger/store.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { tenant, type LedgerSequencer } from './ledger-folder.ts';
import { openChannels, type Channel } from './notices-channels.ts';
import { alertKinds, type NoticeKind, type NoticesConfig } from './notices-config.ts';
import { NoticeLane, patience, type Parcel, type Patience } from './notices-lane.ts';
import { planNotices, stillTrue, type Notice } from './notices-plan.ts';
import { keyOf, letterRow, noticeRow, parcelOf, placeOf, readLetter, readNotice, type Letter } from './notices-rows.ts';
import type { NoticeScene } from './notices-text.ts';

export type NoticeLog = (
  level: 'info' | 'warn' | 'error',
  event: string,
  fields: { readonly [name: string]: string | number },
) => void;

export type NoticesOptions = {
  readonly sequencer: LedgerSequencer;
  readonly store: LedgerStore;
  readonly config: NoticesConfig;
  /** Folder that files in the configuration are relative to. */
  readonly dir: string;
  /** Address under which people reach this server, without a slash at the end. */
  readonly publicUrl: () => string;
  /** Display names by person id. */
  readonly people: () => { readonly [person: string]: string };
  readonly log: NoticeLog;
  readonly now?: () => number;
  readonly patience?: Patience;
  /** For one message, milliseconds. */
  readonly timeoutMs?: number;
  /** How often to look for what another process left, in a store that is shared, milliseconds. */
  readonly sweepEveryMs?: number;
};

/** An alert that no channel has taken yet. */
export type UndeliveredAlert = { readonly kind: NoticeKind; readonly request: string | null; readonly since: string };

/** Who has been told of an emergency: how many channels have taken the alert, and how many there are now. */
export type AlertStanding = { readonly taken: number; readonly channels: number };

export type NoticeFigures = {
  readonly sent: number;
  /** Attempts that failed. */
  readonly failed: number;
  readonly givenUp: number;
  readonly waiting: number;
  readonly undeliveredAlerts: readonly UndeliveredAlert[];
};

export type Notices = {
  readonly figures: () => NoticeFigures;
  /** How the alert of this emergency stands. */
  readonly alertOf: (request: string) => AlertStanding;
  /** Tells of a damaged ledger, by itself and without the ledger. */
  readonly quarantined: (quarantine: Quarantine) => void;
  /** Tells that the ledger was started without its mark, at this size. */
  readonly lossAccepted: (size: number) => Promise<void>;
  /** Resolves when every entry that is committed now has been looked at; sending may still be under way. */
  readonly caughtUp: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

type Route = {
  readonly channel: Channel;
  readonly lanes: { readonly [lane in 'alert' | 'notice']: NoticeLane<Letter> };
};
type Entry = FoldedEntry<Command & JsonObject, LifecycleEvent & JsonObject>;

const follower = 'notices';
/** Rows of alerts that no channel has taken; `doctor` counts them in a folder whose server is stopped. */
export const undeliveredView = 'notices-undelivered';
const takenView = 'notices-taken';
const viewOf = (channel: Channel): string => `notices-${channel.name}`;
const stopGraceMs = 2000;
const defaultSweepEveryMs = 5000;
/** With so many waiting here, what others left is not looked for. */
const enoughWaiting = 1000;

const laneOf = ({ kind }: Notice): 'alert' | 'notice' => (alertKinds.includes(kind) ? 'alert' : 'notice');

/**
 * Follows the ledger and tells people and machines what concerns them, so that nobody has to ask (SPEC M1, M2). What
 * is to be sent is kept in the store until it is sent: at least once, under a name that stays the same. Every channel
 * has a lane for alerts and one for all else, so that neither a dead channel nor a crowd of notices holds up an alert.
 * Of several processes on one store each message is sent by whoever claims it, and by another when that one is gone
 * (SPEC L18).
 */
export const startNotices = async (options: NoticesOptions): Promise<Result<Notices>> => {
  const channels = openChannels(options.config, options.dir, options.timeoutMs);
  if (!channels.ok) return channels;
  const office = new NoticeOffice(options, channels.value);
  await office.start();
  return ok(office);
};

class NoticeOffice implements Notices {
  readonly #options: NoticesOptions;
  readonly #routes: readonly Route[];
  readonly #undelivered = new Map<string, UndeliveredAlert>();
  /** Names of the channels that took the alert of an emergency, by its request. */
  readonly #taken = new Map<string, ReadonlySet<string>>();
  // A process that has the store alone finds its own claims again after a crash.
  readonly #by: string;
  readonly #shared: boolean;
  /** What is done with here and could not be forgotten in the store, by the key of its letter: not sent again from here. */
  readonly #unforgotten = new Map<string, readonly ViewWrite[]>();
  #sweeping: Promise<void> = Promise.resolve();
  #sweeper: NodeJS.Timeout | undefined;
  #counts = { sent: 0, failed: 0, givenUp: 0 };
  #follower: { readonly caughtUp: () => Promise<void>; readonly stop: () => Promise<void> } | undefined;

  constructor(options: NoticesOptions, channels: readonly Channel[]) {
    this.#options = options;
    this.#shared = options.store.shared === true;
    this.#by = this.#shared ? randomBytes(16).toString('hex') : 'server';
    this.#routes = channels.map((channel) => ({
      channel,
      lanes: { alert: this.#lane(channel), notice: this.#lane(channel) },
    }));
  }

  async start(): Promise<void> {
    const { sequencer, log } = this.#options;
    const damage = sequencer.quarantine();
    if (damage !== undefined) this.quarantined(damage);
    try {
      for (const value of await this.#rowsOf(takenView)) this.#noteTaken(value);
      if (this.#routes.length > 0) await this.#restore();
    } catch (error) {
      // What waited may be lost with the views; the follower still runs, and the ledger is not held up.
      log('warn', 'notices-unreadable', { why: textOf(error) });
    }
    if (this.#routes.length === 0) return;
    this.#follower = await sequencer.follow(
      {
        name: follower,
        // Without a cursor the whole ledger is looked at; what is old or no longer true is not told again.
        from: 0,
        onError: (_, error) => {
          this.#counts.failed += 1;
          log('warn', 'notices-follower-failed', { why: textOf(error) });
        },
      },
      (entries) => this.#take(entries),
    );
    if (this.#shared) this.#sweepSoon();
  }

  readonly figures = (): NoticeFigures => ({
    ...this.#counts,
    waiting: this.#routes.reduce((sum, { lanes }) => sum + lanes.alert.size + lanes.notice.size, 0),
    undeliveredAlerts: this.#routes.length === 0 ? this.#untold() : [...this.#undelivered.values()],
  });

  readonly alertOf = (request: string): AlertStanding => ({
    taken: this.#taken.get(request)?.size ?? 0,
    channels: this.#routes.length,
  });

  readonly quarantined = ({ index, what }: Quarantine): void => {
    const time = instantFromMs(this.#now());
    const notice: Notice = { kind: 'ledger.quarantined', index, n: 0, time, request: null, to: [], detail: what };
    this.#options.log('error', 'quarantine', { index, what });
    this.#undelivered.set(placeOf(notice), { kind: notice.kind, request: null, since: time });
    this.#post(notice);
  };

  readonly lossAccepted = async (size: number): Promise<void> => {
    const time = instantFromMs(this.#now());
    this.#options.log('error', 'loss-accepted', { size });
    const detail = `it is said to end at size ${size}`;
    await this.#announce([
      { kind: 'ledger.loss-accepted', index: size, n: 0, time, request: null, to: [], detail },
    ]).catch((error: unknown) => this.#options.log('warn', 'notices-unwritable', { why: textOf(error) }));
  };

  readonly caughtUp = async (): Promise<void> => this.#follower?.caughtUp();

  readonly stop = async (): Promise<void> => {
    clearTimeout(this.#sweeper);
    await this.#sweeping;
    clearTimeout(this.#sweeper);
    await this.#follower?.stop();
    await Promise.all(
      this.#routes.flatMap(({ lanes }) => [lanes.alert.stop(stopGraceMs), lanes.notice.stop(stopGraceMs)]),
    );
    for (const { channel } of this.#routes) channel.close();
  };

  /** What is to be sent is durable together with the cursor; only then it goes, from the one process that wrote it. */
  async #take(entries: readonly Entry[]): Promise<Followed | void> {
    const { sequencer } = this.#options;
    const oldest = instantFromMs(this.#now() - this.#patience().giveUpMs);
    const notices = entries
      .filter(({ time }) => time >= oldest)
      .flatMap((entry) => planNotices(entry, sequencer.state()));
    return notices.length === 0 ? undefined : this.#told(notices);
  }

  /** Makes durable what no entry leads to, then lets it go. */
  async #announce(notices: readonly Notice[]): Promise<void> {
    const { rows, written } = this.#told(notices);
    await this.#options.store.writeViews(tenant, rows);
    written();
  }

  #told(notices: readonly Notice[]): Required<Followed> {
    const alerts = notices.filter((notice) => laneOf(notice) === 'alert');
    const rows = alerts.map((notice) => ({ view: undeliveredView, key: placeOf(notice), value: noticeRow(notice) }));
    return {
      rows: [...rows, ...notices.flatMap((notice) => this.#letterRows(notice))],
      written: () => {
        for (const notice of alerts) this.#noteUndelivered(notice);
        for (const notice of notices) this.#post(notice);
      },
    };
  }

  #letterRows(notice: Notice): readonly ViewWrite[] {
    return this.#letters(notice).map(({ channel, letter }) => ({
      view: viewOf(channel),
      key: keyOf(letter),
      value: letterRow(letter),
    }));
  }

  #noteUndelivered(notice: Notice): void {
    this.#undelivered.set(placeOf(notice), { kind: notice.kind, request: notice.request, since: notice.time });
  }

  #letters(
    notice: Notice,
  ): readonly { readonly channel: Channel; readonly lanes: Route['lanes']; readonly letter: Letter }[] {
    return this.#routes.flatMap(({ channel, lanes }) =>
      channel.recipients(notice).map((recipient) => ({ channel, lanes, letter: { notice, recipient } })),
    );
  }

  #post(notice: Notice): void {
    for (const { lanes, letter } of this.#letters(notice)) lanes[laneOf(notice)].add(parcelOf(letter));
  }

  /** Takes up again what waited when the process ended; an alert that nobody took goes to every channel there is now. */
  async #restore(): Promise<void> {
    await this.#takeWaiting();
    const notices = (await this.#rowsOf(undeliveredView)).flatMap((value) => readNotice(value) ?? []);
    // A channel that is new has no row of it yet, and without a row nobody can claim it.
    const rows = notices.flatMap((notice) => this.#letterRows(notice));
    if (this.#shared && rows.length > 0) await this.#options.store.writeViews(tenant, rows);
    for (const notice of notices) {
      this.#noteUndelivered(notice);
      this.#post(notice);
    }
  }

  async #takeWaiting(): Promise<void> {
    for (const { channel, lanes } of this.#routes)
      for (const value of await this.#rowsOf(viewOf(channel))) {
        const letter = readLetter(value);
        if (letter === undefined || this.#unforgotten.has(unforgottenKey(channel, keyOf(letter)))) continue;
        lanes[laneOf(letter.notice)].add(parcelOf(letter));
      }
  }

  #sweepSoon(): void {
    const { sweepEveryMs = defaultSweepEveryMs } = this.#options;
    this.#sweeper = setTimeout(() => {
      this.#sweeping = this.#sweep().finally(() => this.#sweepSoon());
    }, sweepEveryMs).unref();
  }

  /** Looks for what other processes left, and how the alerts stand that they send. */
  async #sweep(): Promise<void> {
    const { store, log } = this.#options;
    try {
      for (const [key, rows] of this.#unforgotten) {
        await store.writeViews(tenant, rows);
        this.#unforgotten.delete(key);
      }
      if (this.figures().waiting < enoughWaiting) await this.#takeWaiting();
      for (const value of await this.#rowsOf(takenView)) this.#noteTaken(value);
      const open = (await this.#rowsOf(undeliveredView)).flatMap((value) => readNotice(value) ?? []);
      const places = new Set(open.map(placeOf));
      for (const [place, { kind }] of this.#undelivered)
        if (kind !== 'ledger.quarantined' && !places.has(place)) this.#undelivered.delete(place);
      for (const notice of open) this.#noteUndelivered(notice);
    } catch (error) {
      log('warn', 'notices-unreadable', { why: textOf(error) });
    }
  }

  async #rowsOf(view: string): Promise<readonly JsonValue[]> {
    const values: JsonValue[] = [];
    let after = '';
    for (;;) {
      const page = await this.#options.store.viewRows(tenant, view, after, 500);
      values.push(...page.map(({ value }) => value));
      const last = page.at(-1);
      if (last === undefined || page.length < 500) return values;
      after = last.key;
    }
  }

  #lane(channel: Channel): NoticeLane<Letter> {
    const { log, sequencer } = this.#options;
    const fields = ({ what }: Parcel<Letter>) => ({
      channel: channel.name,
      kind: what.notice.kind,
      index: what.notice.index,
    });
    return new NoticeLane<Letter>({
      patience: this.#patience(),
      now: () => this.#now(),
      wanted: ({ notice }) => stillTrue(notice, sequencer.state()),
      claim: (parcel, forMs) => this.#claim(channel, parcel, forMs),
      deliver: async ({ notice, recipient }, signal) => {
        const scene = this.#scene();
        // A link without a host leads nowhere; it is known once the server listens.
        if (scene.publicUrl === '') return notSent('the server does not listen yet');
        return channel.deliver(notice, recipient, scene, signal);
      },
      failed: (parcel, why, tries) => {
        this.#counts.failed += 1;
        const level = laneOf(parcel.what.notice) === 'alert' ? 'error' : 'warn';
        log(level, 'notice-failed', { ...fields(parcel), why, tries });
      },
      done: async (parcel, outcome, why) => {
        if (outcome === 'sent') this.#counts.sent += 1;
        if (outcome === 'given-up') {
          this.#counts.givenUp += 1;
          log('error', 'notice-given-up', { ...fields(parcel), why: why ?? '' });
        }
        await this.#forget(channel, parcel, outcome === 'sent');
      },
    });
  }

  async #claim(
    channel: Channel,
    { key, what }: Parcel<Letter>,
    forMs: number,
  ): Promise<'claimed' | 'held' | 'missing'> {
    // Of a quarantine nothing is in the store, and each process speaks for itself.
    if (what.notice.kind === 'ledger.quarantined') return 'claimed';
    try {
      const claimed = await this.#options.store.claimRow(tenant, viewOf(channel), key, { by: this.#by, forMs });
      return claimed === 'missing' && !this.#shared ? 'claimed' : claimed;
    } catch {
      // Told twice is better than not told.
      return 'claimed';
    }
  }

  async #forget(channel: Channel, parcel: Parcel<Letter>, sent: boolean): Promise<void> {
    const { notice } = parcel.what;
    const place = placeOf(notice);
    const rows: ViewWrite[] = [{ view: viewOf(channel), key: parcel.key, value: null }];
    if (sent && notice.kind === 'emergency.invoked' && notice.request !== null) {
      const value = { request: notice.request, channel: channel.name };
      this.#noteTaken(value);
      rows.push({ view: takenView, key: `${place}.${channel.name}`, value });
    }
    if (sent && laneOf(notice) === 'alert') {
      this.#undelivered.delete(place);
      rows.push({ view: undeliveredView, key: place, value: null });
    }
    // Nothing of a quarantine is in the store, which may be what is damaged.
    if (notice.kind === 'ledger.quarantined') return;
    try {
      await this.#options.store.writeViews(tenant, rows);
    } catch (error) {
      if (this.#shared) this.#unforgotten.set(unforgottenKey(channel, parcel.key), rows);
      this.#options.log('warn', 'notices-unwritable', { why: textOf(error) });
    }
  }

  #noteTaken(row: JsonValue): void {
    if (!isObject(row)) return;
    const { request, channel } = row;
    if (typeof request === 'string' && typeof channel === 'string')
      this.#taken.set(request, new Set([...(this.#taken.get(request) ?? []), channel]));
  }

  // Without any channel an emergency reaches nobody: it shows as long as it is open or its review is owed (SPEC M1).
  #untold(): readonly UndeliveredAlert[] {
    const { requests, open, debts } = this.#options.sequencer.state();
    const untold = [...new Set([...open.keys(), ...debts.keys()])].flatMap((id): readonly UndeliveredAlert[] => {
      const change = requests.get(id)?.change;
      return change?.emergency === true ? [{ kind: 'emergency.invoked', request: id, since: change.requested_at }] : [];
    });
    return [...untold, ...this.#undelivered.values()];
  }

  #scene(): NoticeScene {
    const { sequencer, publicUrl, people } = this.#options;
    return { state: sequencer.state(), publicUrl: publicUrl(), people: people() };
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #patience(): Patience {
    return this.#options.patience ?? patience;
  }
}

const unforgottenKey = (channel: Channel, key: string): string => `${channel.name} ${key}`;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 300);
