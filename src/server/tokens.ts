// SPDX-License-Identifier: Apache-2.0
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256, sha256Hex } from '../crypto/digest.ts';
import { canonicalize, parseJson } from '../kernel/canonical-json.ts';
import { addMs, instantFromMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { instant, listOf, literal, matching, shape, text, type Checked } from '../kernel/shape.ts';
import { checkPrivate } from './log-key.ts';

/**
 * Read tokens of a data folder, `DIR/tokens.json`. Only their SHA-256 is kept:
 *
 *     {"tokens":[{"created_at":"…","expires_at":"…","hash":"9f86…","id":"tok_5d41402a","label":"pipeline","scope":"read"}]}
 */
const tokenShape = shape({
  id: matching(/^tok_[0-9a-f]{8}$/, 'a token id'),
  label: text(100),
  scope: literal('read'),
  hash: matching(/^[0-9a-f]{64}$/, 'a SHA-256 in hex'),
  created_at: instant,
  expires_at: instant,
});
const fileShape = shape({ tokens: listOf(tokenShape, 1000) });
export type Token = Checked<typeof tokenShape>;

const fileOf = (dir: string): string => join(dir, 'tokens.json');

const malformed = (file: string, why: string): Refused =>
  refuse('config-malformed', 'H9', `the tokens in \`${file}\` cannot be read: ${why}`, { file }, 'mint them again');

/** All tokens, expired ones too; none when there is no file yet. */
export const readTokens = (dir: string): Result<readonly Token[]> => {
  const file = fileOf(dir);
  try {
    const open = checkPrivate(file);
    if (open !== undefined) return open;
    const parsed = parseJson(readFileSync(file));
    const checked = parsed.ok ? fileShape(parsed.value, '') : parsed;
    return checked.ok ? ok(checked.value.tokens) : malformed(file, checked.refusal.message);
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT' ? ok([]) : malformed(file, 'it cannot be opened');
  }
};

const writeTokens = (dir: string, tokens: readonly Token[]): void => {
  const file = fileOf(dir);
  const handle = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeFileSync(handle, canonicalize({ tokens }));
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.new`, file);
};

export type Minted = { readonly token: string; readonly id: string; readonly expiresAt: Instant };

/** Mints a token for reading and nothing else. The token itself is shown once and kept nowhere. */
export const mintToken = (
  dir: string,
  { label, validMs, nowMs = Date.now() }: { readonly label: string; readonly validMs: number; readonly nowMs?: number },
): Result<Minted> => {
  const tokens = readTokens(dir);
  if (!tokens.ok) return tokens;
  const token = `cst_${randomBytes(32).toString('base64url')}`;
  const [now, id] = [instantFromMs(nowMs), `tok_${randomBytes(4).toString('hex')}`];
  const kept = {
    id,
    label,
    scope: 'read',
    hash: sha256Hex(token),
    created_at: now,
    expires_at: addMs(now, validMs),
  } as const;
  writeTokens(dir, [...tokens.value.filter((one) => one.expires_at > now), kept]);
  return ok({ token, id, expiresAt: kept.expires_at });
};

/** Takes a token away; tells whether it was there. */
export const revokeToken = (dir: string, id: string): Result<boolean> => {
  const tokens = readTokens(dir);
  if (!tokens.ok) return tokens;
  const left = tokens.value.filter((token) => token.id !== id);
  if (left.length < tokens.value.length) writeTokens(dir, left);
  return ok(left.length < tokens.value.length);
};

const rereadEveryMs = 1000;

/** The tokens of a folder as a running server knows them: read again when the file changes, so that revoking works. */
export class TokenList {
  readonly #dir: string;
  readonly #now: () => number;
  #tokens: readonly Token[] = [];
  #version = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(dir: string, now: () => number) {
    this.#dir = dir;
    this.#now = now;
  }

  /** The token that is valid now; undefined for anything else. An unreadable file is an empty list (INV4). */
  find(secret: string): Token | undefined {
    this.#reread();
    const hash = sha256(secret);
    const now = instantFromMs(this.#now());
    let found: Token | undefined;
    // All of them are compared, each in constant time.
    for (const token of this.#tokens) if (timingSafeEqual(Buffer.from(token.hash, 'hex'), hash)) found = token;
    return found !== undefined && found.expires_at > now && found.scope === 'read' ? found : undefined;
  }

  /** Whether the token with this id is still valid. */
  holds(id: string): boolean {
    this.#reread();
    const now = instantFromMs(this.#now());
    return this.#tokens.some((token) => token.id === id && token.expires_at > now);
  }

  #reread(): void {
    const now = this.#now();
    if (Math.abs(now - this.#lookedAt) < rereadEveryMs) return;
    this.#lookedAt = now;
    const version = versionOf(fileOf(this.#dir));
    if (version === this.#version) return;
    const tokens = readTokens(this.#dir);
    this.#tokens = tokens.ok ? tokens.value : [];
    this.#version = version;
  }
}

const versionOf = (file: string): string => {
  try {
    const { mtimeMs, size, ino, ctimeMs } = statSync(file);
    return [mtimeMs, ctimeMs, size, ino].join(' ');
  } catch {
    return 'none';
  }
};
