// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import type { WireReader } from './ssh-wire.ts';

/** What the browser said about where a passkey was used. stock ssh-keygen looks at the first only; we look at all (T8). */
export type WebauthnContext = {
  readonly origin: string;
  readonly crossOrigin: boolean;
  readonly topOrigin: string | null;
  readonly backupEligible: boolean;
  readonly backupState: boolean;
};

type Input = { readonly reader: WireReader; readonly data: Buffer; readonly rpIdHash: Buffer; readonly flags: number };
type Webauthn = { readonly context: WebauthnContext; readonly clientDataHash: Buffer; readonly extensions: Buffer };

const flagBackupEligible = 0x08;
const flagBackupState = 0x10;
const flagExtensions = 0x80;
const flagAttested = 0x40;

const invalid = (why: string) =>
  refuse(
    'signature-invalid',
    'S5',
    `the passkey signature does not hold: ${why}`,
    {},
    'sign again on the page that showed you the change',
  );

/**
 * Reads the tail of a `webauthn-sk-ecdsa-sha2-nistp256@openssh.com` signature (openssh PROTOCOL.u2f, "WebAuthn"):
 * string origin || string clientDataJSON || string extensions. The challenge in the client data is the SSHSIG data
 * itself, so that a passkey assertion is a signature over one statement in one namespace (SPEC S5).
 */
export const readWebauthn = ({ reader, data, flags }: Input): Result<Webauthn> => {
  const origin = reader.text();
  const clientData = reader.string();
  const extensions = reader.string();
  reader.end();
  if ((flags & flagAttested) !== 0) return invalid('it is an enrolment, not an assertion');
  if (((flags & flagExtensions) !== 0) !== extensions.length > 0) return invalid('flags and extensions disagree');
  const parsed = parseJson(clientData, { maxBytes: 8192, numbers: 'any' });
  if (!parsed.ok) return parsed;
  if (!isObject(parsed.value)) return invalid('the client data is not an object');
  const context = readClientData(parsed.value, origin, data);
  if (!context.ok) return context;
  const backup = { backupEligible: (flags & flagBackupEligible) !== 0, backupState: (flags & flagBackupState) !== 0 };
  if (backup.backupState && !backup.backupEligible) return invalid('it is backed up and may not be');
  return ok({
    context: { ...context.value, ...backup },
    clientDataHash: hash('sha256', clientData, 'buffer'),
    extensions,
  });
};

const readClientData = (
  clientData: JsonObject,
  origin: string,
  data: Buffer,
): Result<Pick<WebauthnContext, 'origin' | 'crossOrigin' | 'topOrigin'>> => {
  const { type, challenge, crossOrigin = false, topOrigin = null } = clientData;
  if (type !== 'webauthn.get') return invalid(`the client data is of type \`${String(type).slice(0, 40)}\``);
  if (clientData['origin'] !== origin) return invalid('the origin in the client data is another one');
  if (challenge !== data.toString('base64url')) return invalid('the challenge is for other bytes');
  if (typeof crossOrigin !== 'boolean' || (topOrigin !== null && typeof topOrigin !== 'string'))
    return invalid('the client data is malformed');
  return ok({ origin, crossOrigin, topOrigin });
};
