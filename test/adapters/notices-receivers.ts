// SPDX-License-Identifier: Apache-2.0
// Real receivers of notices on loopback: an HTTP server that checks signatures by itself, and a mail server.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export const secretText = `whsec_${Buffer.alloc(24, 3).toString('base64')}`;

export type Heard = {
  readonly id: string;
  readonly body: string;
  readonly path: string;
  readonly verified: boolean;
};

export type Receiver = {
  readonly url: string;
  readonly port: number;
  readonly messages: Heard[];
  /** How the next messages are answered. */
  answer: (response: ServerResponse, heard: Heard) => void;
  readonly close: () => Promise<void>;
};

/** Reads the signature as the Standard Webhooks specification says, without any of our code. */
const verify = (id: string, timestamp: string, body: string, header: string): boolean => {
  const key = Buffer.from(secretText.slice('whsec_'.length), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  const recent = Math.abs(Date.now() / 1000 - Number(timestamp)) < 300;
  return (
    recent &&
    header.split(' ').some((one) => {
      const mac = Buffer.from(one.replace(/^v1,/, ''), 'base64');
      return mac.length === wanted.length && timingSafeEqual(mac, wanted);
    })
  );
};

export const receiver = async (): Promise<Receiver> => {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const header = (name: string): string => String(request.headers[name] ?? '');
      const body = Buffer.concat(parts).toString('utf8');
      const id = header('webhook-id');
      const verified = verify(id, header('webhook-timestamp'), body, header('webhook-signature'));
      const heard = { id, body, path: request.url ?? '', verified };
      self.messages.push(heard);
      self.answer(response, heard);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const self: Receiver = {
    url: `http://127.0.0.1:${port}`,
    port,
    messages: [],
    answer: (response) => void response.writeHead(204).end(),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return self;
};

export type Delivered = { readonly to: readonly string[]; readonly raw: string; readonly secure: boolean };
export type MailServer = {
  readonly port: number;
  readonly mails: Delivered[];
  readonly logins: { readonly user: string; readonly password: string; readonly secure: boolean }[];
  /** Codes to answer a recipient with; none means accepted. */
  readonly refuse: Map<string, number>;
  readonly close: () => Promise<void>;
};

/** Without options it speaks in the clear and asks for no password. */
export const mailServer = async (options: SMTPServerOptions = {}): Promise<MailServer> => {
  const mails: Delivered[] = [];
  const logins: MailServer['logins'] = [];
  const refuse = new Map<string, number>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.key === undefined ? ['AUTH', 'STARTTLS'] : [],
    disableReverseLookup: true,
    closeTimeout: 1000,
    onAuth: ({ username, password }, { secure }, done) => {
      logins.push({ user: username ?? '', password: password ?? '', secure });
      done(null, { user: username ?? '' });
    },
    onRcptTo: ({ address }, _session, done) => {
      const code = refuse.get(address);
      done(code === undefined ? null : Object.assign(new Error('no'), { responseCode: code }));
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        mails.push({
          to: session.envelope.rcptTo.map(({ address }) => address),
          raw: Buffer.concat(parts).toString('utf8'),
          secure: session.secure,
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  const listening = await new Promise<AddressInfo>((done) => {
    const inner = server.listen(0, '127.0.0.1', () => done(inner.address() as AddressInfo));
  });
  return {
    port: listening.port,
    mails,
    logins,
    refuse,
    close: () => new Promise((done) => server.close(() => done())),
  };
};
