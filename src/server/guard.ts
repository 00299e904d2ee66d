// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { refuse, type Refused } from '../kernel/refusal.ts';

/** Addresses and networks, such as `10.0.0.5` and `10.1.0.0/16`. Undefined for what is neither. */
export const parseNetworks = (texts: readonly string[]): BlockList | undefined => {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
    const width = bits === undefined ? undefined : Number(bits);
    if (family === undefined) return undefined;
    if (width === undefined) list.addAddress(address, family);
    else if (!/^\d{1,3}$/.test(bits ?? '') || width > (family === 'ipv4' ? 32 : 128)) return undefined;
    else list.addSubnet(address, width, family);
  }
  return list;
};

const plain = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

export const isListed = (list: BlockList, address: string): boolean => {
  const bare = plain(address);
  if (isIPv4(bare)) return list.check(bare, 'ipv4');
  return isIPv6(bare) && list.check(bare, 'ipv6');
};

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(plain(host));

/**
 * Who sent it: the peer, or what a trusted proxy says of it, read from the right so that nothing the sender wrote
 * itself is believed.
 */
export const addressOf = (incoming: IncomingMessage, trusted: BlockList): string => {
  const peer = plain(incoming.socket.remoteAddress ?? 'unknown');
  if (!isListed(trusted, peer)) return peer;
  const header = incoming.headers['x-forwarded-for'];
  const named = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((part) => part.trim());
  const sender = named.findLast((address) => address !== '' && !isListed(trusted, address));
  return sender !== undefined && (isIPv4(sender) || isIPv6(sender)) ? plain(sender) : peer;
};

/** What one address may have under way at a time (SPEC H10). */
export class InFlight {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  enter(address: string): Refused | undefined {
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#most)
      return refuse(
        'overloaded',
        'H10',
        `${count} requests of this address are under way already`,
        { under_way: count },
        'wait for their answers, then try again',
      );
    this.#counts.set(address, count + 1);
    return undefined;
  }

  leave(address: string): void {
    const count = (this.#counts.get(address) ?? 1) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}

/** Names under which this server may be called, each with its port where it has one. */
export const allowedHosts = (publicUrl: string, host: string, port: number): ReadonlySet<string> => {
  const names = new Set([new URL(publicUrl).host]);
  const own = isLoopback(host) ? ['localhost', '127.0.0.1', '[::1]'] : [isIPv6(host) ? `[${host}]` : host];
  for (const name of own) names.add(`${name}:${port}`);
  return names;
};

const foreign = (what: string, value: string): Refused =>
  refuse(
    'origin-foreign',
    'H6',
    `${what} \`${value.slice(0, 100)}\` is not this server's`,
    {},
    'use the address that the server calls its own (`public-url`)',
  );

/**
 * Refuses what a browser was made to send (SPEC H6): a command from another site's page, or a cookie under another
 * host's name (DNS rebinding). Programs send neither header and no cookie, and are not concerned.
 */
export const checkBrowser = (
  { method, headers }: IncomingMessage,
  hosts: ReadonlySet<string>,
  publicUrl: string,
  byCookie: boolean,
): Refused | undefined => {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const changes = method !== 'GET' && method !== 'HEAD';
  const browser = origin !== undefined || site !== undefined;
  if ((byCookie || (changes && browser)) && !hosts.has((headers.host ?? '').toLowerCase()))
    return foreign('host', headers.host ?? 'none');
  if (!changes) return undefined;
  if (origin !== undefined && origin !== new URL(publicUrl).origin && !isOwnOrigin(origin, hosts))
    return foreign('origin', origin);
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return foreign('a page of site', site);
  return undefined;
};

const isOwnOrigin = (origin: string, hosts: ReadonlySet<string>): boolean => {
  const host = /^https?:\/\/([^/]+)$/.exec(origin)?.[1];
  return host !== undefined && hosts.has(host.toLowerCase());
};
