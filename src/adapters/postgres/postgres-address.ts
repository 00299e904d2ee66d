// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

/** A server: a name or address, or the folder of a Unix socket. */
export type PostgresServer = { readonly host: string; readonly port: number };

export type PostgresAddress = {
  /** In the order given; whichever of them is the primary is used. */
  readonly servers: readonly PostgresServer[];
  readonly database: string;
  readonly user: string;
  readonly password: string | null;
  /** The server's certificate is checked, with its name. Without it nothing leaves this machine. */
  readonly tls: boolean;
};

const form =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^@/?#]*)\/(?<database>[^/?#]+)(?:\?(?<query>[^#]*))?$/;

const defaultPort = 5432;

// The address may hold a password, so what was given is never repeated.
const wrong = (why: string): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `the address of the store: ${why}`,
    {},
    'write postgres://USER@HOST:PORT,HOST:PORT/DATABASE; a socket is postgres://USER@/DATABASE?host=/run/postgresql',
  );

const readPort = (text: string): number | undefined =>
  /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) <= 65_535 ? Number(text) : undefined;

const readServers = (hosts: string, defaults: number): Result<readonly PostgresServer[]> => {
  const servers: PostgresServer[] = [];
  for (const one of hosts.split(',')) {
    const match = /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<name>[A-Za-z0-9_.-]+))(?::(?<port>\d+))?$/.exec(one);
    const port = match?.groups?.['port'] === undefined ? defaults : readPort(match.groups['port']);
    const host = match?.groups?.['v6'] ?? match?.groups?.['name'];
    if (host === undefined || port === undefined) return wrong(`\`${one.slice(0, 80)}\` is not a host`);
    servers.push({ host, port });
  }
  return ok(servers);
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** Whether what is sent to that server stays on this machine. */
export const isHere = ({ host }: PostgresServer): boolean =>
  host.startsWith('/') || host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full`, several hosts where there are
 * standbys. Beyond this machine TLS is not a matter of choice: whoever could change an answer on its way would decide
 * for the ledger.
 */
export const parsePostgresAddress = (given: string): Result<PostgresAddress> => {
  const parts = form.exec(given.trim())?.groups;
  if (parts === undefined) return wrong('it does not have the form of one');
  const [user, password, database] = [parts['user'] ?? '', parts['password'], parts['database'] ?? ''].map((part) =>
    part === undefined ? null : decoded(part),
  );
  if (user === undefined || password === undefined || database === undefined)
    return wrong('a percent sign in it is not followed by two hexadecimal digits');
  if (user === null || user === '' || database === null) return wrong('it names no user');
  const query = new URLSearchParams(parts['query'] ?? '');
  for (const name of query.keys())
    if (!['host', 'port', 'sslmode'].includes(name)) return wrong(`it takes no \`${name.slice(0, 40)}\``);
  const port = readPort(query.get('port') ?? String(defaultPort));
  if (port === undefined) return wrong('its port is none');
  const socket = query.get('host');
  if (socket !== null && (parts['hosts'] !== '' || !socket.startsWith('/')))
    return wrong('`host` is for the folder of a socket, and stands alone');
  const servers = socket === null ? readServers(parts['hosts'] ?? '', port) : ok([{ host: socket, port }]);
  if (!servers.ok) return servers;
  const local = servers.value.every(isHere);
  const mode = query.get('sslmode') ?? (local ? 'disable' : 'verify-full');
  if (mode !== 'disable' && mode !== 'verify-full')
    return wrong(`\`sslmode=${mode.slice(0, 40)}\` is not taken: \`verify-full\`, or \`disable\` on this machine`);
  if (mode === 'disable' && !local) return wrong('beyond this machine it takes TLS (`sslmode=verify-full`)');
  return ok({ servers: servers.value, database, user, password, tls: mode === 'verify-full' });
};

/** For people: everything but the password. */
export const formatPostgresAddress = ({ servers, database, user }: PostgresAddress): string => {
  const hosts = servers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return `postgres://${user}@${hosts.join(',')}/${database}`;
};
