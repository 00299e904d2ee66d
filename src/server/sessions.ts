// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import { constantTimeEqual, sha256Hex } from '../crypto/digest.ts';
import { addMs, instantFromMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { loginStatement, type Envelope } from '../kernel/statements.ts';
import { authenticate } from '../roster/authenticate.ts';
import { isAmong, signingKey, type Roster } from '../roster/roster.ts';
import type { State } from '../lifecycle/state.ts';
import { challengeMs, type SessionOrigin, type SessionShelf } from './session-shelf.ts';

const sessionMs = 3_600_000;

const stale = (why: string): Refused =>
  refuse('challenge-stale', 'H7', `the login does not hold: ${why}`, {}, 'ask for a new challenge and sign that');

/**
 * Challenges and sessions (SPEC H7). A challenge carries its own time and a mark of this server, and of those that share
 * its secret, so that nobody can fill the memory by asking for many; only those that were used are remembered, until
 * they would be too old anyway.
 */
export class Sessions {
  readonly #now: () => number;
  readonly #shelf: SessionShelf;
  readonly #secret: Uint8Array;

  constructor(now: () => number, shelf: SessionShelf, secret: Uint8Array) {
    this.#now = now;
    this.#shelf = shelf;
    this.#secret = secret;
  }

  /** 32 hex digits: 5 bytes drawn, 4 of time in seconds, 7 that show that it is ours. */
  challenge(): string {
    const body = Buffer.alloc(9);
    randomBytes(5).copy(body);
    body.writeUInt32BE(Math.floor(this.#now() / 1000) >>> 0, 5);
    return body.toString('hex') + this.#mark(body);
  }

  /** Opens a session for whoever signed the challenge for this server. */
  async open(
    state: State,
    envelope: Envelope,
    server: string,
  ): Promise<Result<{ readonly token: string; readonly principal: string; readonly expiresAt: Instant }>> {
    if (state.identity === null)
      return refuse('genesis-missing', 'N1', 'this ledger has no genesis yet', {}, 'start it with `countersign init`');
    const signed = authenticate(state.roster, state.identity, envelope, loginStatement);
    if (!signed.ok) return signed;
    const { statement, principal, key } = signed.value;
    if (statement.server !== server)
      return stale(`it was signed for \`${statement.server.slice(0, 100)}\`, not for \`${server}\``);
    const used = await this.#use(statement.challenge);
    if (used !== undefined) return used;
    return ok({ principal, ...(await this.start({ kind: 'key', key, principal })) });
  }

  async start(origin: SessionOrigin): Promise<{ readonly token: string; readonly expiresAt: Instant }> {
    const token = `css_${randomBytes(32).toString('base64url')}`;
    const expiresAt = addMs(instantFromMs(this.#now()), sessionMs);
    await this.#shelf.put(sha256Hex(token), { origin, expiresAt });
    return { token, expiresAt };
  }

  async find(secret: string): Promise<SessionOrigin | undefined> {
    // Found by its digest, which tells nobody anything by the time a look-up takes.
    const session = await this.#shelf.get(sha256Hex(secret));
    return session !== undefined && session.expiresAt > instantFromMs(this.#now()) ? session.origin : undefined;
  }

  end(secret: string): Promise<void> {
    return this.#shelf.drop(sha256Hex(secret));
  }

  #mark(body: Uint8Array): string {
    return createHmac('sha256', this.#secret).update(body).digest('hex').slice(0, 14);
  }

  async #use(challenge: string): Promise<Refused | undefined> {
    const body = Buffer.from(challenge.slice(0, 18), 'hex');
    if (!constantTimeEqual(challenge.slice(18), this.#mark(body))) return stale('this server did not draw it');
    const drawnAt = body.readUInt32BE(5) * 1000;
    const now = this.#now();
    if (now - drawnAt > challengeMs || drawnAt - now > challengeMs) return stale('it is older than five minutes');
    return (await this.#shelf.use(challenge)) ? undefined : stale('it was used before');
  }
}

/** A session ends with the key it was opened by, and with its principal. */
export const stillHeld = (roster: Roster, { key, principal }: { readonly key: string; readonly principal: string }) =>
  signingKey(roster, key)?.holder === principal && isAmong(roster, principal, [principal]);
