// SPDX-License-Identifier: Apache-2.0
import type { LedgerInfo } from '../contract/api.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { challengeAnswer, readAnswer, sessionAnswer } from './answers.ts';
import { callJson } from './server-call.ts';
import type { Signer } from './signer.ts';
import { signStatement } from './statements.ts';
import type { KeptSession, SessionStore } from './trust-store.ts';

type Setting = {
  readonly server: string;
  readonly info: Pick<LedgerInfo, 'ledger' | 'tenant'>;
  readonly signer?: Signer | undefined;
  readonly as?: string | undefined;
  readonly token?: string | undefined;
  readonly sessions: SessionStore;
};

/** A right to read. It never authorises a command: those stand on their own signature. */
export type Session = {
  readonly token: () => Promise<Result<string>>;
  readonly renew: () => Promise<Result<string>>;
  readonly principal: () => Promise<Result<string>>;
};

const isoNow = (): string => new Date().toISOString();

export const openSession = (setting: Setting): Session => {
  const { server, signer, sessions } = setting;
  const print = signer?.key.fingerprint;
  const kept = (): KeptSession | undefined =>
    print === undefined ? sessions.anyOpen(server, isoNow()) : sessions.read(server, print);
  const renew = async (): Promise<Result<string>> => {
    if (signer === undefined)
      return refuse(
        'sign-in-needed',
        'W7',
        `reading from \`${server}\` needs a session or a token`,
        { server },
        'give `--key FILE`, run `countersign login --key FILE`, or give `--token-file FILE`',
      );
    const opened = await signIn(setting, signer, kept()?.principal);
    return opened.ok ? ok(opened.value.token) : opened;
  };
  return {
    renew,
    token: async () => {
      if (setting.token !== undefined) return ok(setting.token);
      const session = kept();
      if (session !== undefined && session.expires_at > isoNow()) return ok(session.token);
      return renew();
    },
    principal: async () => {
      if (setting.as !== undefined) return ok(setting.as);
      const known = kept()?.principal;
      if (known !== undefined) return ok(known);
      const token = await renew();
      if (!token.ok) return token;
      return ok(kept()?.principal ?? '');
    },
  };
};

// Who a key belongs to stands in the roster, which only a session lets one read. So the first try names nobody, and
// the refusal says whose key it is. A lie here gains nothing: a login lets one read, and every other statement is
// checked against the roster again.
const nobody = 'person:p_nobody';

const signIn = async (setting: Setting, signer: Signer, known: string | undefined): Promise<Result<KeptSession>> => {
  const by = setting.as ?? known ?? nobody;
  const first = await attempt(setting, signer, by);
  if (first.ok || setting.as !== undefined || first.refusal.code !== 'key-of-another') return first;
  const holder = first.refusal.facts['holder'];
  if (typeof holder !== 'string' || !/^(person|machine):[a-z0-9_-]{1,64}$/.test(holder)) return first;
  return attempt(setting, signer, holder);
};

const attempt = async (setting: Setting, signer: Signer, by: string): Promise<Result<KeptSession>> => {
  const { server, info, sessions } = setting;
  const drawn = readAnswer(challengeAnswer, await callJson({ server, method: 'GET', path: '/v1/challenge' }));
  if (!drawn.ok) return drawn;
  // Else somebody in the middle could have a challenge of another server signed, and read there (T7).
  if (drawn.value.server !== server)
    return refuse(
      'ledger-elsewhere',
      'W1',
      `the server at \`${server}\` calls itself \`${drawn.value.server}\``,
      { address: server, public_url: drawn.value.server },
      'use the address that the server calls its own (`--server`), or mend its `public-url`',
    );
  const envelope = await signStatement(signer, {
    type: 'countersign.dev/login/v0',
    ledger: info.ledger,
    tenant: info.tenant,
    by,
    challenge: drawn.value.challenge,
    server: drawn.value.server,
  });
  if (!envelope.ok) return envelope;
  const session = readAnswer(
    sessionAnswer,
    await callJson({ server, method: 'POST', path: '/v1/sessions', body: { envelope: envelope.value } }),
  );
  if (!session.ok) return session;
  const kept: KeptSession = { ...session.value };
  await sessions.keep(server, signer.key.fingerprint, kept);
  return ok(kept);
};
