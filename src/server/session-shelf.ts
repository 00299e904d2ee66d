// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, type Instant } from '../kernel/instant.ts';

/** What a session rests on: a rostered key, or a read token that was pasted into the sign-in page. */
export type SessionOrigin =
  | { readonly kind: 'key'; readonly key: string; readonly principal: string }
  | { readonly kind: 'token'; readonly id: string };
export type Session = { readonly origin: SessionOrigin; readonly expiresAt: Instant };

/** How long a challenge may be signed and sent back. */
export const challengeMs = 300_000;
const maxSessions = 10_000;

/** Where sessions are kept, by the digest of their secret, and challenges that were used. */
export type SessionShelf = {
  readonly put: (hash: string, session: Session) => Promise<void>;
  readonly get: (hash: string) => Promise<Session | undefined>;
  readonly drop: (hash: string) => Promise<void>;
  /** True for whoever uses it first. */
  readonly use: (challenge: string) => Promise<boolean>;
};

/** In the memory of this process: enough where it is the only one. */
export class OwnShelf implements SessionShelf {
  readonly #sessions = new Map<string, Session>();
  readonly #used = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async put(hash: string, session: Session): Promise<void> {
    this.#sweep();
    this.#sessions.set(hash, session);
  }

  async get(hash: string): Promise<Session | undefined> {
    return this.#sessions.get(hash);
  }

  async drop(hash: string): Promise<void> {
    this.#sessions.delete(hash);
  }

  async use(challenge: string): Promise<boolean> {
    const now = this.#now();
    for (const [old, at] of this.#used) if (now - at > 2 * challengeMs) this.#used.delete(old);
    if (this.#used.has(challenge)) return false;
    this.#used.set(challenge, now);
    return true;
  }

  #sweep(): void {
    const now = instantFromMs(this.#now());
    if (this.#sessions.size < maxSessions) return;
    for (const [hash, { expiresAt }] of this.#sessions) if (expiresAt <= now) this.#sessions.delete(hash);
    for (const hash of this.#sessions.keys()) {
      if (this.#sessions.size < maxSessions) return;
      this.#sessions.delete(hash);
    }
  }
}
