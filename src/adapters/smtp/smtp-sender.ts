// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { notSent, sent, type Delivery } from '../../app/delivery.ts';

export type SmtpOptions = {
  readonly host: string;
  readonly port: number;
  /** Address that mail comes from. */
  readonly from: string;
  readonly user: string | null;
  readonly password: string | null;
  /** True: begin in the clear and change to TLS before anything else. False: TLS from the first byte. */
  readonly starttls: boolean;
  /** Certificates to trust beside the system's, PEM; for tests and mail servers with a certificate of their own. */
  readonly ca?: string;
  readonly timeoutMs?: number;
};

export type Mail = {
  /** The same when it is sent again: it makes the Message-ID. Letters, digits, dots and dashes. */
  readonly id: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
};

export type SmtpSender = {
  /** Sends one mail; never rejects. */
  readonly send: (mail: Mail) => Promise<Delivery>;
  readonly close: () => void;
};

const loopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
// A line break in a header begins another header; nothing that does not show belongs there either.
const headerSafe = (text: string): boolean => !/[\p{C}\p{Zl}\p{Zp}]/u.test(text) && text.length <= 500;
const oneAddress = (text: string): boolean =>
  /^[^\s,;:<>()[\]"\\@]+@[^\s,;:<>()[\]"\\@]+$/.test(text) && headerSafe(text);

/**
 * Sends plain-text mail over SMTP. TLS with a certificate that holds is required, except to this very machine, where
 * it may go in the clear when no password is sent.
 */
export const smtpSender = (options: SmtpOptions): SmtpSender => {
  const { host, port, from, user, password, starttls, ca, timeoutMs = 15_000 } = options;
  const clear = loopback(host) && password === null && starttls;
  const transport = createTransport({
    host,
    port,
    secure: !starttls,
    requireTLS: starttls && !clear,
    ignoreTLS: clear,
    tls: { minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) },
    ...(user === null || password === null ? {} : { auth: { user, pass: password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // Content never names a file or an address to be fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    close: () => transport.close(),
    send: async ({ id, to, subject, text }) => {
      if (
        !headerSafe(subject) ||
        !/^[A-Za-z0-9.-]{1,200}$/.test(id) ||
        to.length === 0 ||
        ![from, ...to].every(oneAddress)
      )
        return notSent('a header of the mail would hold what does not belong there', true);
      try {
        await transport.sendMail({
          from,
          to: [...to],
          subject,
          text,
          messageId: `<${id}@${from.slice(from.indexOf('@') + 1)}>`,
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        });
        return sent;
      } catch (error) {
        return failureOf(error);
      }
    },
  };
};

// What a mail server writes may name the address; its codes say enough.
const failureOf = (error: unknown): Delivery => {
  const { code, responseCode, command } = error as { code?: unknown; responseCode?: unknown; command?: unknown };
  const status = typeof responseCode === 'number' ? responseCode : 0;
  const why = ['mail', typeof code === 'string' ? code : 'failed', status > 0 ? String(status) : ''].join(' ').trim();
  // 550, 551 and 553 to RCPT TO: there is no such mailbox, and waiting makes none.
  return notSent(why, command === 'RCPT TO' && [550, 551, 553].includes(status));
};
