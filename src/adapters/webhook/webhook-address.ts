// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIP } from 'node:net';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

// Addresses that lead into a network or a machine instead of to a receiver: this host, private, shared, link-local
// with the metadata services of clouds, benchmarks, documentation, multicast, and forms that wrap another address.
const inner = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/9',
  'ff00::/8',
] as const;

/** `10.0.0.0/8` or one address; undefined when it is neither. */
const network = (text: string): readonly [address: string, bits: number, family: 'ipv4' | 'ipv6'] | undefined => {
  const [address = '', length, ...more] = text.split('/');
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (version === 0 || more.length > 0 || bits < 0 || bits > most) return undefined;
  return [address, bits, version === 6 ? 'ipv6' : 'ipv4'];
};

const listOf = (networks: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const text of networks) {
    const parsed = network(text);
    if (parsed !== undefined) list.addSubnet(...parsed);
  }
  return list;
};

const innerList = listOf(inner);
const loopbackList = listOf(['127.0.0.0/8', '::1']);
const contains = (list: BlockList, address: string): boolean =>
  list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');
const namesLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && contains(loopbackList, host));

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
  const allowed = listOf(allowNetworks);
  const allows = (address: string): boolean =>
    isIP(address) !== 0 &&
    (loopback ? contains(loopbackList, address) : !contains(innerList, address) || contains(allowed, address));
  if (isIP(host) !== 0 && !allows(host))
    return malformed(
      `for \`${host}\``,
      'leads inside the network',
      'name that network under `allow-networks` if it is meant',
    );
  return ok({ url, allows });
};
