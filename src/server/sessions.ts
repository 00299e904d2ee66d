// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import { constantTimeEqual, sha256Hex } from '../crypto/digest.ts';
import { addMs, instantFromMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { loginStatement, type Envelope } from '../kernel/statements.ts';
import { authenticate } from '../roster/authenticate.ts';
import { isAmong, signingKey, type Roster } from '../roster/roster.ts';
import type { State } from '../lifecycle/state.ts';

const sessionMs = 3_600_000;
const challengeMs = 300_000;
const maxSessions = 10_000;

/** What a session rests on: a rostered key, or a read token that was pasted into the sign-in page. */
export type SessionOrigin =
  | { readonly kind: 'key'; readonly key: string; readonly principal: string }
  | { readonly kind: 'token'; readonly id: string };
type Session = { readonly origin: SessionOrigin; readonly expiresAt: Instant };

const stale = (why: string): Refused =>
  refuse('challenge-stale', 'H7', `the login does not hold: ${why}`, {}, 'ask for a new challenge and sign that');

/**
 * Challenges and sessions (SPEC H7). A challenge carries its own time and mark of this server, so that nobody can
 * fill the memory by asking for many; only those that were used are remembered, until they would be too old anyway.
 */
export class Sessions {
  readonly #secret = randomBytes(32);
  readonly #sessions = new Map<string, Session>();
  readonly #used = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** 32 hex digits: 5 bytes drawn, 4 of time in seconds, 7 that show that it is ours. */
  challenge(): string {
    const body = Buffer.alloc(9);
    randomBytes(5).copy(body);
    body.writeUInt32BE(Math.floor(this.#now() / 1000) >>> 0, 5);
    return body.toString('hex') + this.#mark(body);
  }

  /** Opens a session for whoever signed the challenge for this server. */
  open(
    state: State,
    envelope: Envelope,
    server: string,
  ): Result<{ readonly token: string; readonly principal: string; readonly expiresAt: Instant }> {
    if (state.identity === null)
      return refuse('genesis-missing', 'N1', 'this ledger has no genesis yet', {}, 'start it with `countersign init`');
    const signed = authenticate(state.roster, state.identity, envelope, loginStatement);
    if (!signed.ok) return signed;
    const { statement, principal, key } = signed.value;
    if (statement.server !== server)
      return stale(`it was signed for \`${statement.server.slice(0, 100)}\`, not for \`${server}\``);
    const used = this.#use(statement.challenge);
    if (used !== undefined) return used;
    return ok({ principal, ...this.start({ kind: 'key', key, principal }) });
  }

  start(origin: SessionOrigin): { readonly token: string; readonly expiresAt: Instant } {
    const token = `css_${randomBytes(32).toString('base64url')}`;
    const expiresAt = addMs(instantFromMs(this.#now()), sessionMs);
    this.#sweep();
    this.#sessions.set(sha256Hex(token), { origin, expiresAt });
    return { token, expiresAt };
  }

  find(secret: string): SessionOrigin | undefined {
    // Found by its digest, which tells nobody anything by the time a look-up takes.
    const session = this.#sessions.get(sha256Hex(secret));
    return session !== undefined && session.expiresAt > instantFromMs(this.#now()) ? session.origin : undefined;
  }

  end(secret: string): void {
    this.#sessions.delete(sha256Hex(secret));
  }

  #mark(body: Uint8Array): string {
    return createHmac('sha256', this.#secret).update(body).digest('hex').slice(0, 14);
  }

  #use(challenge: string): Refused | undefined {
    const body = Buffer.from(challenge.slice(0, 18), 'hex');
    if (!constantTimeEqual(challenge.slice(18), this.#mark(body))) return stale('this server did not draw it');
    const drawnAt = body.readUInt32BE(5) * 1000;
    const now = this.#now();
    if (now - drawnAt > challengeMs || drawnAt - now > challengeMs) return stale('it is older than five minutes');
    for (const [old, at] of this.#used) if (now - at > 2 * challengeMs) this.#used.delete(old);
    if (this.#used.has(challenge)) return stale('it was used before');
    this.#used.set(challenge, now);
    return undefined;
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

/** A session ends with the key it was opened by, and with its principal. */
export const stillHeld = (roster: Roster, { key, principal }: { readonly key: string; readonly principal: string }) =>
  signingKey(roster, key)?.holder === principal && isAmong(roster, principal, [principal]);
