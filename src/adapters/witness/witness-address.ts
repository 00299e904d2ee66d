// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { hostOf, namesLoopback, network, reachable } from '../../app/outside-address.ts';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

const malformed = (what: string, why: string, help: string): Refused =>
  refuse('config-malformed', 'L20', `the address of the witness${what} ${why}`, {}, help);

/** Where to ask a witness. `allows` is asked for each address that the name leads to, at the time of asking. */
export type WitnessAddress = { readonly url: URL; readonly allows: (address: string) => boolean };

/**
 * Reads a witness's submission prefix (c2sp.org/tlog-witness), such as `https://witness.example/w1`: https, or http to
 * this machine; no user, password, query or fragment. As for webhooks, an address inside the network is only taken when
 * `allowNetworks` (CIDR) names it.
 */
export const readWitnessAddress = (text: string, allowNetworks: readonly string[] = []): Result<WitnessAddress> => {
  const wrong = allowNetworks.find((one) => network(one) === undefined);
  if (wrong !== undefined)
    return malformed('', `allows \`${wrong.slice(0, 60)}\`, which is no network`, 'write it like `10.20.0.0/16`');
  const shown = ` \`${text.slice(0, 200)}\``;
  if (!URL.canParse(text)) return malformed(shown, 'is no URL', 'write it like `https://witness.example/w1`');
  const prefix = new URL(text);
  const host = hostOf(prefix);
  if (prefix.protocol !== 'https:' && !(prefix.protocol === 'http:' && namesLoopback(host)))
    return malformed(shown, 'does not use https', 'use https; plain http is for this machine alone');
  if (prefix.username !== '' || prefix.password !== '' || prefix.search !== '' || prefix.hash !== '')
    return malformed(shown, 'has more than host, port and path', 'give the submission prefix alone');
  const allows = reachable(host, allowNetworks);
  if (isIP(host) !== 0 && !allows(host))
    return malformed(shown, 'leads inside the network', 'name that network under `allow-networks` if it is meant');
  const url = new URL(`${prefix.href.replace(/\/+$/, '')}/add-checkpoint`);
  return ok({ url, allows });
};
