// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { smtpSender, type Mail, type SmtpOptions } from '../../src/adapters/smtp/smtp-sender.ts';
import { mailServer } from './notices-receivers.ts';

const mail = (over: Partial<Mail> = {}): Mail => ({
  id: 'msg-1-2',
  to: ['grace@example.org'],
  subject: '[Countersign] waits for you: deploy.production on production/shop (strict)',
  text: 'A request waits.\n.\nFrom here on: Łódź\n',
  ...over,
});
const options = (port: number, over: Partial<SmtpOptions> = {}): SmtpOptions => ({
  host: '127.0.0.1',
  port,
  from: 'countersign@example.org',
  user: null,
  password: null,
  starttls: true,
  timeoutMs: 2000,
  ...over,
});

/** A certificate for localhost, made by openssl for this run. */
const certificate = (): { readonly key: string; readonly cert: string } | undefined => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-smtp-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT' && process.env['CI'] !== 'true') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
const pair = certificate();
const noOpenssl = pair === undefined && 'openssl is not here to make a certificate';

test('a mail reaches a server on this machine in plain text, with a Message-ID that stays the same', async () => {
  const server = await mailServer();
  const sender = smtpSender(options(server.port));
  try {
    assert.deepEqual(await sender.send(mail()), { sent: true });
    assert.deepEqual(await sender.send(mail()), { sent: true });
    const [first, second] = server.mails;
    assert.deepEqual(first?.to, ['grace@example.org']);
    for (const part of [
      /^Message-ID: <msg-1-2@example\.org>$/m,
      /^Auto-Submitted: auto-generated$/m,
      /^Subject: \[Countersign\] waits for you: deploy\.production on/m,
      /^Content-Type: text\/plain; charset=utf-8$/m,
    ])
      assert.match((first?.raw ?? '').replaceAll('\r', ''), part);
    assert.match(second?.raw ?? '', /Message-ID: <msg-1-2@example\.org>/);
    assert.doesNotMatch(first?.raw ?? '', /text\/html/);
  } finally {
    sender.close();
    await server.close();
  }
});

test('SPEC M4: nothing becomes a header: line breaks, bidi marks and second addresses are refused', async () => {
  const server = await mailServer();
  const sender = smtpSender(options(server.port));
  try {
    for (const wrong of [
      mail({ subject: 'a\r\nBcc: all@example.org' }),
      mail({ subject: 'a\nb' }),
      mail({ subject: 'a\u2028b' }),
      mail({ subject: 'a\u202eb' }),
      mail({ subject: 'x'.repeat(501) }),
      mail({ to: ['a@example.org, b@example.org'] }),
      mail({ to: ['a@example.org\r\nBcc: b@example.org'] }),
      mail({ to: ['"x" <a@example.org>'] }),
      mail({ to: [] }),
      mail({ id: 'a>\r\nX: y' }),
    ])
      assert.deepEqual(await sender.send(wrong), {
        sent: false,
        final: true,
        why: 'a header of the mail would hold what does not belong there',
      });
    assert.equal(server.mails.length, 0);
  } finally {
    sender.close();
    await server.close();
  }
});

test('a full mailbox is tried again, an unknown one is not, and neither names the address', async () => {
  const server = await mailServer();
  const sender = smtpSender(options(server.port));
  try {
    server.refuse.set('grace@example.org', 452);
    assert.deepEqual(await sender.send(mail()), { sent: false, final: false, why: 'mail EENVELOPE 452' });
    server.refuse.set('grace@example.org', 550);
    assert.deepEqual(await sender.send(mail()), { sent: false, final: true, why: 'mail EENVELOPE 550' });
  } finally {
    sender.close();
    await server.close();
  }
  const gone = await smtpSender(options(server.port)).send(mail());
  assert.deepEqual(gone, { sent: false, final: false, why: 'mail ESOCKET' });
});

test('with a password TLS comes first, even on this machine; a server without it gets neither', async () => {
  const server = await mailServer({ disabledCommands: ['STARTTLS'] });
  const sender = smtpSender(options(server.port, { user: 'countersign', password: 'a secret' }));
  try {
    const delivery = await sender.send(mail());
    assert.equal(delivery.sent, false);
    assert.deepEqual([server.logins, server.mails], [[], []]);
    assert.ok(!JSON.stringify(delivery).includes('a secret'));
  } finally {
    sender.close();
    await server.close();
  }
});

test('TLS holds when the certificate does, after STARTTLS and from the first byte', { skip: noOpenssl }, async () => {
  const { key = '', cert = '' } = pair ?? {};
  for (const starttls of [true, false]) {
    const server = await mailServer({ key, cert, secure: !starttls });
    const secret = { host: 'localhost', starttls, user: 'countersign', password: 'a secret' };
    const trusting = smtpSender(options(server.port, { ...secret, ca: cert }));
    const careful = smtpSender(options(server.port, secret));
    try {
      assert.deepEqual(await trusting.send(mail()), { sent: true });
      assert.deepEqual(server.logins, [{ user: 'countersign', password: 'a secret', secure: true }]);
      assert.equal(server.mails[0]?.secure, true);
      assert.equal((await careful.send(mail())).sent, false, 'a certificate that nobody vouches for is refused');
      assert.equal(server.logins.length, 1);
    } finally {
      trusting.close();
      careful.close();
      await server.close();
    }
  }
});
