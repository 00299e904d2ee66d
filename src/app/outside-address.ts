// SPDX-License-Identifier: Apache-2.0
import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

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
export const network = (
  text: string,
): readonly [address: string, bits: number, family: 'ipv4' | 'ipv6'] | undefined => {
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

export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');
export const namesLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && contains(loopbackList, host));

/** Whether an address may be reached for a host: loopback for loopback's names, nothing inside the network unless it is named. */
export const reachable = (host: string, allowNetworks: readonly string[]): ((address: string) => boolean) => {
  const allowed = listOf(allowNetworks);
  const loopback = namesLoopback(host);
  return (address) =>
    isIP(address) !== 0 &&
    (loopback ? contains(loopbackList, address) : !contains(innerList, address) || contains(allowed, address));
};

/** Looks a name up and refuses addresses that may not be reached: after the name was resolved, so that it cannot change. */
export const guardedLookup =
  (allows: (address: string) => boolean): LookupFunction =>
  (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      const good = error === null ? found.filter(({ address }) => allows(address)) : [];
      const [first] = good;
      if (error !== null) done(error, '');
      else if (first === undefined) done(new Error('the address leads inside the network'), '');
      else if (options.all === true) done(null, good);
      else done(null, first.address, first.family);
    });
  };
