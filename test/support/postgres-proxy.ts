// SPDX-License-Identifier: Apache-2.0
// Stands between a store and PostgreSQL, reads what the store asks, and cuts the line at one statement: before the
// server has heard of it, or after it has done it and before its answer is through.
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { PostgresServer } from '../../src/adapters/postgres/postgres-address.ts';

export type Cut = { readonly at: string; readonly when: 'before' | 'after' };

/** Messages that are whole, and the beginning of one that is not. The first of a client has no type. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);
  #typed: boolean;

  constructor(typed: boolean) {
    this.#typed = typed;
  }

  take(chunk: Buffer): readonly Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const whole: Buffer[] = [];
    for (;;) {
      const at = this.#typed ? 1 : 0;
      if (this.#rest.length < at + 4) return whole;
      const length = at + this.#rest.readInt32BE(at);
      if (this.#rest.length < length) return whole;
      whole.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      this.#typed = true;
    }
  }
}

// Parse names its statement first, Bind a portal and then the statement.
const statementOf = (message: Buffer): string | undefined => {
  const [first, second] = message.subarray(5).toString('latin1').split('\0');
  const type = String.fromCharCode(message[0] ?? 0);
  return type === 'P' ? first : type === 'B' ? second : undefined;
};

const typeOf = (message: Buffer): string => String.fromCharCode(message[0] ?? 0);

export class PostgresProxy {
  readonly #target: PostgresServer;
  readonly #listener: Server;
  readonly #lines = new Set<() => void>();
  #cut: Cut | undefined;
  #met = false;
  #open = true;

  private constructor(target: PostgresServer) {
    this.#target = target;
    this.#listener = createServer((client) => this.#join(client));
  }

  static async start(target: PostgresServer): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(target);
    await new Promise<void>((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get server(): PostgresServer {
    const address = this.#listener.address();
    return { host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
  }

  /** Cuts once, at the next such statement; with nothing it takes the last order back. */
  arm(cut?: Cut): void {
    [this.#cut, this.#met] = [cut, false];
  }

  get met(): boolean {
    return this.#met;
  }

  /** Cuts every line, and lets nobody through until `restore`. */
  cutAll(): void {
    this.#open = false;
    for (const end of this.#lines) end();
  }

  restore(): void {
    this.#open = true;
  }

  stop(): Promise<void> {
    this.cutAll();
    return new Promise((resolve) => this.#listener.close(() => resolve()));
  }

  #join(client: Socket): void {
    if (!this.#open) return void client.destroy();
    const { host, port } = this.#target;
    const server = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const end = (): void => {
      client.destroy();
      server.destroy();
      this.#lines.delete(end);
    };
    this.#lines.add(end);
    for (const socket of [client, server]) socket.setNoDelay().on('error', end).on('close', end);
    const [asked, answered] = [new Frames(false), new Frames(true)];
    // One more `ready` than `sync`: the first says that the session has begun.
    let [syncs, readies, cutting, hushed] = [1, 0, false, false];
    client.on('data', (chunk: Buffer) => {
      for (const message of asked.take(chunk)) {
        if (hushed) return;
        if (this.#cut !== undefined && statementOf(message) === `countersign-${this.#cut.at}`) {
          const { when } = this.#cut;
          [this.#cut, this.#met] = [undefined, true];
          if (when === 'before') return end();
          cutting = true;
        }
        server.write(message);
        if (typeOf(message) !== 'S') continue;
        syncs += 1;
        hushed = cutting;
      }
    });
    server.on('data', (chunk: Buffer) => {
      for (const message of answered.take(chunk)) {
        if (typeOf(message) === 'Z') readies += 1;
        if (hushed && readies === syncs) return end();
        if (!cutting) client.write(message);
      }
    });
  }
}
