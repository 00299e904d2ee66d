// SPDX-License-Identifier: Apache-2.0
import type { IncomingHttpHeaders } from 'node:http';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { State } from '../lifecycle/state.ts';
import { stillHeld, type Sessions } from './sessions.ts';
import type { TokenList } from './tokens.ts';

/** Who reads. `principal` is null for a read token, which is nobody in particular. */
export type Reader = {
  readonly principal: string | null;
  /** Names the reader in idempotency keys: a token's id, or the principal. */
  readonly name: string;
  /** The secret came in a cookie, so that a browser may have been made to send it. */
  readonly byCookie: boolean;
};

export const cookieName = (secure: boolean): string => (secure ? '__Host-countersign' : 'countersign');

const signInNeeded = (why: string): Refused =>
  refuse(
    'sign-in-needed',
    'H1',
    why,
    {},
    'sign in with `countersign login`, or send `Authorization: Bearer` with a token of `countersign token create`',
  );

/** The secret that a request carries, in its header or its cookie; never in its address. */
export const secretIn = (
  headers: IncomingHttpHeaders,
  secure: boolean,
): { readonly secret: string; readonly byCookie: boolean } | undefined => {
  const bearer = /^Bearer ([A-Za-z0-9_-]{10,200})$/i.exec(headers.authorization ?? '');
  if (headers.authorization !== undefined)
    return bearer === null ? undefined : { secret: bearer[1] ?? '', byCookie: false };
  for (const part of (headers.cookie ?? '').split(';')) {
    const [name, value = ''] = part.trim().split('=', 2);
    if (name === cookieName(secure) && /^[A-Za-z0-9_-]{10,200}$/.test(value)) return { secret: value, byCookie: true };
  }
  return undefined;
};

/** Finds out who reads (SPEC H1). Reading is all that this ever allows. */
export const findReader = async (
  headers: IncomingHttpHeaders,
  secure: boolean,
  tokens: TokenList,
  sessions: Sessions,
  state: () => State,
): Promise<Result<Reader>> => {
  const carried = secretIn(headers, secure);
  if (carried === undefined) return signInNeeded('reading this needs a token or a session');
  const { secret, byCookie } = carried;
  const session = secret.startsWith('css_') ? await sessions.find(secret) : undefined;
  if (session?.kind === 'key' && stillHeld(state().roster, session))
    return ok({ principal: session.principal, name: session.principal, byCookie });
  if (session?.kind === 'token' && tokens.holds(session.id))
    return ok({ principal: null, name: `token:${session.id}`, byCookie });
  const token = secret.startsWith('cst_') && !byCookie ? tokens.find(secret) : undefined;
  if (token !== undefined) return ok({ principal: null, name: `token:${token.id}`, byCookie });
  return signInNeeded('the token or session is not valid, or not any more');
};
