// SPDX-License-Identifier: Apache-2.0
// Just enough of an HTTP/1.1 client to load a server with: the machine is shared with what is measured, and a full client
// takes a third of it. Answers must say their length, as ours do.
import { connect, type Socket } from 'node:net';

export type Send = (path: string, body: string) => Promise<string>;

const headEnd = Buffer.from('\r\n\r\n');

/** One connection that is kept open, one request at a time on it. */
class Connection {
  readonly #socket: Socket;
  #answer: { readonly resolve: (body: string) => void; readonly reject: (error: Error) => void } | undefined;
  #received: Buffer = Buffer.alloc(0);

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#answer?.reject(error));
    this.#socket.on('close', () => this.#answer?.reject(new Error('the server closed the connection')));
    this.#socket.unref();
  }

  send(head: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
      this.#socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(headEnd);
    if (end < 0) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
    const from = end + headEnd.length;
    if (this.#received.length < from + length) return;
    const body = this.#received.toString('utf8', from, from + length);
    this.#received = Buffer.alloc(0);
    const answer = this.#answer;
    this.#answer = undefined;
    if (/^HTTP\/1\.1 2\d\d /.test(head)) answer?.resolve(body);
    else answer?.reject(new Error(`${head.split('\r\n', 1)[0]}: ${body}`));
  }
}

/** Sends POST requests over at most so many connections; one more is a mistake of the caller. */
export const httpSender = (url: string, token: string, connections: number): Send => {
  const { hostname, port, host } = new URL(url);
  const free = Array.from({ length: connections }, () => new Connection(hostname, Number(port)));
  const common = `host: ${host}\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\n`;
  return async (path, body) => {
    const connection = free.pop();
    if (connection === undefined) throw new Error(`more than ${connections} requests at a time`);
    const answer = await connection.send(`POST ${path} HTTP/1.1\r\n${common}`, body);
    free.push(connection);
    return answer;
  };
};
