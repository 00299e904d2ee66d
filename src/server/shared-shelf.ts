// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { instantFromMs } from '../kernel/instant.ts';
import type { JsonValue } from '../kernel/refusal.ts';
import { instant, literal, shape, text, type Check } from '../kernel/shape.ts';
import type { LedgerStore, ViewWrite } from '../ledger/store.ts';
import { tenant } from './ledger-folder.ts';
import { challengeMs, type Session, type SessionShelf } from './session-shelf.ts';

const sessionsView = 'sessions';
const usedView = 'challenges-used';
const sweepEveryMs = 600_000;
const pageSize = 500;

const sessionShape = shape({
  kind: literal('key', 'token'),
  key: text(200),
  principal: text(200),
  expires_at: instant,
});
const usedShape = shape({ until: instant });

const rowOf = ({ origin, expiresAt }: Session): JsonValue => ({
  kind: origin.kind,
  key: origin.kind === 'key' ? origin.key : origin.id,
  principal: origin.kind === 'key' ? origin.principal : '',
  expires_at: expiresAt,
});

/** In the store that several servers share, so that a session that one opened holds at all of them, and ends at all. */
export class SharedShelf implements SessionShelf {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  #sweptAt: number;

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
    this.#sweptAt = now();
  }

  async put(hash: string, session: Session): Promise<void> {
    await this.#store.writeViews(tenant, [{ view: sessionsView, key: hash, value: rowOf(session) }]);
    await this.#sweep();
  }

  async get(hash: string): Promise<Session | undefined> {
    const row = await this.#store.viewRow(tenant, sessionsView, hash);
    const read = row === undefined ? undefined : sessionShape(row, '');
    // A row that is not ours is no session.
    if (read?.ok !== true) return undefined;
    const { kind, key, principal, expires_at } = read.value;
    return { origin: kind === 'key' ? { kind, key, principal } : { kind, id: key }, expiresAt: expires_at };
  }

  async drop(hash: string): Promise<void> {
    await this.#store.writeViews(tenant, [{ view: sessionsView, key: hash, value: null }]);
  }

  /** All may write the row; one gets the claim, which lasts until the challenge is too old for anybody. */
  async use(challenge: string): Promise<boolean> {
    const until = instantFromMs(this.#now() + 2 * challengeMs);
    await this.#store.writeViews(tenant, [{ view: usedView, key: challenge, value: { until } }]);
    const by = randomBytes(16).toString('hex');
    const claimed = await this.#store.claimRow(tenant, usedView, challenge, { by, forMs: 2 * challengeMs });
    return claimed === 'claimed';
  }

  async #sweep(): Promise<void> {
    const now = this.#now();
    if (now - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now;
    const over = instantFromMs(now);
    await this.#clear(sessionsView, sessionShape, ({ expires_at }) => expires_at <= over);
    await this.#clear(usedView, usedShape, ({ until }) => until <= over);
  }

  async #clear<T>(view: string, check: Check<T>, isOver: (value: T) => boolean): Promise<void> {
    let after = '';
    for (;;) {
      const page = await this.#store.viewRows(tenant, view, after, pageSize);
      const gone = page.filter(({ value }) => {
        const read = check(value, '');
        return !read.ok || isOver(read.value);
      });
      const rows = gone.map(({ key }): ViewWrite => ({ view, key, value: null }));
      if (rows.length > 0) await this.#store.writeViews(tenant, rows);
      after = page.at(-1)?.key ?? '';
      if (page.length < pageSize) return;
    }
  }
}
