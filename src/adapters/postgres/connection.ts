// SPDX-License-Identifier: Apache-2.0
import { Socket } from 'node:net';
import { Client, type QueryConfig, type QueryResult } from 'pg';
import type { PostgresServer } from './postgres-address.ts';

/** A statement that is prepared once in each session. */
export type Statement = { readonly name: string; readonly text: string };
export type Value = string | number | null | Uint8Array | readonly string[] | readonly number[] | readonly Uint8Array[];
export type Row = { readonly [column: string]: unknown };
/** `warned`: the server did it, and had something to say about it. */
export type Answer = { readonly rows: readonly Row[]; readonly command: string; readonly warned: boolean };

export type Login = {
  readonly user: string;
  readonly database: string;
  /** Asked at every connection, so that a password can be changed while the process runs. */
  readonly password: () => string | Promise<string>;
  /** Whom to trust that the server is the one named; false is for this machine only. */
  readonly tls: false | { readonly ca?: string };
};

export type Limits = {
  readonly connectMs: number;
  /** How long an answer may take before the connection counts as lost. */
  readonly answerMs: number;
};

const typeIds = { boolean: 16, bytes: 17, int8: 20, int4: 23 } as const;

// The driver reads answers as text, whatever is asked for: bytes come as hexadecimal digits after `\\x`.
const parse = (type: number) => (value: string) => {
  switch (type) {
    case typeIds.boolean:
      return value === 't';
    case typeIds.bytes:
      return new Uint8Array(Buffer.from(value.slice(2), 'hex'));
    case typeIds.int8:
    case typeIds.int4:
      return Number(value);
    default:
      return value;
  }
};

/**
 * One session with one server. Statements are sent as they come, without waiting for the answers to those before; the
 * answers come in the order of asking. When it is lost, everything that was not answered rejects, and so does whatever
 * is asked afterwards: it never connects again by itself, least of all in the middle of a transaction.
 */
export class Connection {
  readonly server: PostgresServer;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #answerMs: number;
  #lost = false;
  /** Whether the server has warned since its last answer. */
  #warned = false;

  private constructor(server: PostgresServer, login: Login, { connectMs, answerMs }: Limits) {
    this.server = server;
    this.#answerMs = answerMs;
    this.#socket = new Socket();
    this.#client = new Client({
      host: server.host,
      port: server.port,
      user: login.user,
      database: login.database,
      password: async () => login.password(),
      ssl: login.tls === false ? false : { ...login.tls, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
      application_name: 'countersign',
      connectionTimeoutMillis: connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      stream: () => this.#socket,
      pipeline: true,
      types: { getTypeParser: parse },
    });
    this.#client.on('error', () => this.destroy());
    this.#client.on('end', () => this.destroy());
    // The server says the severity in its own language; whatever only informs has the code of success.
    this.#client.on('notice', ({ severity, code }) => {
      if (severity === 'WARNING' || code !== '00000') this.#warned = true;
    });
  }

  static async open(server: PostgresServer, login: Login, limits: Limits): Promise<Connection> {
    const connection = new Connection(server, login, limits);
    try {
      await connection.#client.connect();
      connection.#warned = false;
    } catch (error) {
      connection.destroy();
      throw error;
    }
    return connection;
  }

  get lost(): boolean {
    return this.#lost;
  }

  ask({ name, text }: Statement, values: readonly Value[] = [], answerMs = this.#answerMs): Promise<Answer> {
    const given = values.map((value) => (value instanceof Uint8Array ? bufferOf(value) : value));
    const asked = { name, text, values: given, queryMode: 'extended', query_timeout: answerMs };
    return new Promise((resolve, reject) => {
      this.#client.query(asked as QueryConfig, (error: Error | null, result: QueryResult | undefined) => {
        // Called as the answer comes in, so what was said since the answer before belongs to this one.
        const warned = this.#warned;
        this.#warned = false;
        if (error !== null) reject(error);
        else resolve({ rows: (result?.rows ?? []) as readonly Row[], command: result?.command ?? '', warned });
      });
    });
  }

  /** Statements without values, several in one text; for tables that are made. */
  async run(text: string): Promise<void> {
    await this.#client.query(text);
    this.#warned = false;
  }

  /** Ends it after what was asked has been answered. */
  async end(): Promise<void> {
    this.#lost = true;
    await this.#client.end();
  }

  /** Ends it at once: the server rolls back what is open. */
  destroy(): void {
    this.#lost = true;
    this.#socket.destroy();
  }
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
