// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../../kernel/base64.ts';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

const prefix = 'whsec_';
const mostSecrets = 3;

const malformed = (why: string): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `a webhook secret ${why}`,
    {},
    'write one secret a line; `printf \'whsec_%s\\n\' "$(openssl rand -base64 24)"` makes one',
  );

/**
 * Reads the text of a secret file: one `whsec_<base64>` a line, at most three. While a secret is being replaced both
 * stand there, and every message is signed with each. The text itself goes into no message.
 */
export const parseWebhookSecrets = (text: string): Result<readonly Uint8Array[]> => {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length === 0 || lines.length > mostSecrets) return malformed(`file holds ${lines.length} lines`);
  const secrets: Uint8Array[] = [];
  for (const line of lines) {
    if (!line.startsWith(prefix)) return malformed(`does not begin with \`${prefix}\``);
    const bytes = decodeBase64(line.slice(prefix.length));
    if (!bytes.ok) return malformed('is not base64');
    if (bytes.value.length < 24 || bytes.value.length > 64) return malformed(`has ${bytes.value.length} bytes`);
    secrets.push(bytes.value);
  }
  return ok(secrets);
};

/**
 * The header `webhook-signature` (Standard Webhooks 1.0): `v1,` and the base64 of HMAC-SHA256 over
 * `<id>.<timestamp>.<payload>`, one for each secret, with a space between. `timestamp` is seconds since 1970.
 */
export const signWebhook = (secrets: readonly Uint8Array[], id: string, timestamp: number, payload: string): string =>
  secrets
    .map((secret) => createHmac('sha256', secret).update(`${id}.${timestamp}.${payload}`, 'utf8').digest())
    .map((mac) => `v1,${encodeBase64(mac)}`)
    .join(' ');
