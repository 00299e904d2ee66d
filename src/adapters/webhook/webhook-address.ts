// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { hostOf, namesLoopback, network, reachable } from '../../app/outside-address.ts';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

const malformed = (what: string, why: string, help: string): Refused =>
  refuse('config-malformed', 'H9', `the webhook ${what} ${why}`, {}, help);

/** Where a webhook may go. `allows` is asked for each address that the name leads to, at the time of sending. */
export type WebhookTarget = { readonly url: URL; readonly allows: (address: string) => boolean };

/**
 * Reads a webhook's address (SPEC M3): https, or http to loopback; no user or password in it. An address inside the
 * network is only taken when `allowNetworks` (CIDR) names it, so that a webhook cannot be turned on a metadata service.
 */
export const readWebhookTarget = (text: string, allowNetworks: readonly string[] = []): Result<WebhookTarget> => {
  const wrong = allowNetworks.find((one) => network(one) === undefined);
  if (wrong !== undefined)
    return malformed(`network \`${wrong.slice(0, 60)}\``, 'is none', 'write it like `10.20.0.0/16`');
  if (!URL.canParse(text)) return malformed('address', 'is no URL', 'write it like `https://hooks.example.org/in`');
  const url = new URL(text);
  const host = hostOf(url);
  const loopback = namesLoopback(host);
  // The address may carry a secret in its path; a message names the host alone.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
    return malformed(`for \`${host}\``, `does not use https`, 'use https; plain http is for this machine alone');
  if (url.username !== '' || url.password !== '')
    return malformed(`for \`${host}\``, 'has a user or password in its address', 'the signature authenticates it');
  const allows = reachable(host, allowNetworks);
  if (isIP(host) !== 0 && !allows(host))
    return malformed(
      `for \`${host}\``,
      'leads inside the network',
      'name that network under `allow-networks` if it is meant',
    );
  return ok({ url, allows });
};
