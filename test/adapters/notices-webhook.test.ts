// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { readWebhookTarget } from '../../src/adapters/webhook/webhook-address.ts';
import { webhookSender } from '../../src/adapters/webhook/webhook-sender.ts';
import { parseWebhookSecrets, signWebhook } from '../../src/adapters/webhook/webhook-signature.ts';
import { receiver, secretText } from './notices-receivers.ts';

const target = (url: string, allow: readonly string[] = []) => {
  const read = readWebhookTarget(url, allow);
  assert.ok(read.ok, read.ok ? '' : read.refusal.message);
  return read.value;
};
const secrets = (text: string) => {
  const parsed = parseWebhookSecrets(text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.refusal.message);
  return parsed.value;
};
const refusesAddress = (url: string, allow: readonly string[] = []): void => {
  const read = readWebhookTarget(url, allow);
  assert.equal(read.ok ? 'taken' : read.refusal.code, 'config-malformed', url);
};

const vectors = join(
  process.env['COUNTERSIGN_TEST_DATA'] ?? join(import.meta.dirname, '../../../shared/data'),
  'vectors/standard-webhooks/sign.json',
);
const noVectors = !existsSync(vectors) && process.env['CI'] !== 'true' && 'the vectors are not here';

test('the signature is that of the Standard Webhooks vector', { skip: noVectors }, () => {
  const vector = JSON.parse(readFileSync(vectors, 'utf8')) as { [name: string]: string } & { timestamp: number };
  const { secret = '', msgId = '', payload = '', signature } = vector;
  assert.equal(signWebhook(secrets(secret), msgId, vector.timestamp, payload), signature);
});

test('two secrets sign while one replaces the other; malformed ones are refused and never repeated in the message', () => {
  const both = secrets(`${secretText}\nwhsec_${Buffer.alloc(32, 7).toString('base64')}\n`);
  assert.match(signWebhook(both, 'a', 1, '{}'), /^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$/);
  for (const wrong of [
    '',
    'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whsec_short',
    'whsec_@@@@',
    `whsec_${'A'.repeat(200)}`,
  ]) {
    const parsed = parseWebhookSecrets(wrong);
    assert.equal(parsed.ok ? 'taken' : parsed.refusal.code, 'config-malformed');
    assert.ok(parsed.ok || wrong === '' || !JSON.stringify(parsed.refusal).includes(wrong));
  }
});

test('SPEC M3: https, or http to this machine; nothing inside the network, however it is written', () => {
  target('https://hooks.example.org/in');
  target('http://127.0.0.1:8080/in');
  target('http://[::1]:8080/in');
  target('http://localhost:8080/in');
  for (const url of [
    'http://hooks.example.org/in',
    'ftp://hooks.example.org/',
    'file:///etc/passwd',
    'not an address',
    'https://user:word@hooks.example.org/',
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://[fe80::1]/',
    'https://[fd00:ec2::254]/',
    'https://192.168.1.1/',
    'https://172.20.0.1/',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://2852039166/',
    'https://0xa9fea9fe/',
    'https://0251.0376.0251.0376/',
    'https://[::ffff:169.254.169.254]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://[2002:a9fe:a9fe::]/',
    'https://255.255.255.255/',
  ])
    refusesAddress(url);
  target('https://10.20.3.4/in', ['10.20.0.0/16']);
  refusesAddress('https://10.21.3.4/in', ['10.20.0.0/16']);
  for (const wrong of ['10.0.0.0/33', '10.0.0.0/x', 'ten', '10.0.0.0/8/8'])
    refusesAddress('https://a.example/', [wrong]);
});

test('a name is judged by where it leads when it is sent, so that it cannot be turned inward later', async () => {
  const heard = await receiver();
  try {
    // A name that was taken for one of the world outside, and leads to this machine when it is looked up.
    const { allows: outside } = target('https://hooks.example.org/');
    const { url } = target(`http://localhost:${heard.port}/`);
    const sender = webhookSender({ target: { url, allows: outside }, secrets: secrets(secretText) });
    assert.deepEqual(await sender.send({ id: 'a', payload: '{}' }), {
      sent: false,
      final: false,
      why: 'the address leads inside the network',
    });
    const { allows } = target('https://hooks.example.org/');
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '::1', '127.0.0.1', 'fe80::1', '169.254.169.254', 'x'])
      assert.equal(allows(address), false, address);
    assert.ok(allows('93.184.216.34') && allows('2606:2800:220:1::1'));
    assert.equal(target('http://localhost:1/').allows('93.184.216.34'), false);
    assert.equal(heard.messages.length, 0);
  } finally {
    await heard.close();
  }
});

test('a message arrives whole, signed, with id and time', async () => {
  const heard = await receiver();
  try {
    const sender = webhookSender({ target: target(`${heard.url}/in?x=1`), secrets: secrets(secretText) });
    assert.deepEqual(await sender.send({ id: 'msg_1', payload: '{"naïve":"Łódź"}' }), { sent: true });
    assert.deepEqual(
      heard.messages.map(({ id, body, verified, path }) => ({ id, body, verified, path })),
      [{ id: 'msg_1', body: '{"naïve":"Łódź"}', verified: true, path: '/in?x=1' }],
    );
  } finally {
    await heard.close();
  }
});

test('a redirect is not followed, an error is tried again, 410 is final, a huge or endless answer holds nobody', async () => {
  const other = await receiver();
  const heard = await receiver();
  try {
    const sender = webhookSender({ target: target(heard.url), secrets: secrets(secretText), timeoutMs: 300 });
    const send = () => sender.send({ id: 'a', payload: '{}' });
    heard.answer = (response) => void response.writeHead(302, { location: other.url }).end();
    assert.deepEqual(await send(), { sent: false, final: false, why: 'the receiver answered 302' });
    assert.equal(other.messages.length, 0);
    heard.answer = (response) => void response.writeHead(503).end();
    assert.deepEqual(await send(), { sent: false, final: false, why: 'the receiver answered 503' });
    heard.answer = (response) => void response.writeHead(410).end();
    assert.deepEqual(await send(), { sent: false, final: true, why: 'the receiver answered 410' });
    heard.answer = (response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(more));
    };
    assert.deepEqual(await send(), { sent: true });
    heard.answer = () => {};
    assert.deepEqual(await send(), { sent: false, final: false, why: 'no answer within 300 ms' });
  } finally {
    await heard.close();
    await other.close();
  }
  const sender = webhookSender({ target: target(heard.url), secrets: secrets(secretText) });
  assert.deepEqual(await sender.send({ id: 'a', payload: '{}' }), { sent: false, final: false, why: 'ECONNREFUSED' });
});

test('a receiver that switches to another protocol is a failure like any other, and is not waited for', async (t) => {
  const switching = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'));
  });
  await new Promise<void>((done) => switching.listen(0, '127.0.0.1', done));
  t.after(() => switching.close());
  const { port } = switching.address() as AddressInfo;
  const sender = webhookSender({
    target: target(`http://127.0.0.1:${port}/in`),
    secrets: secrets(secretText),
    timeoutMs: 300,
  });
  const sent = sender.send({ id: 'a', payload: '{}' });
  const late = new Promise((resolve) => setTimeout(resolve, 2000, 'late').unref());
  assert.deepEqual(await Promise.race([sent, late]), {
    sent: false,
    final: false,
    why: 'the receiver answered 101',
  });
});

test('plain bytes in the place of TLS fail, and nothing is sent', async () => {
  const got: Buffer[] = [];
  const plain = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      got.push(Buffer.from(bytes));
      socket.end('HTTP/1.1 200 OK\r\n\r\n');
    });
  });
  await new Promise<void>((done) => plain.listen(0, '127.0.0.1', done));
  const { port } = plain.address() as { port: number };
  try {
    const sender = webhookSender({ target: target(`https://127.0.0.1:${port}/`), secrets: secrets(secretText) });
    const delivery = await sender.send({ id: 'a', payload: '{"secret":1}' });
    assert.equal(delivery.sent, false);
    assert.doesNotMatch(Buffer.concat(got).toString('latin1'), /secret/);
  } finally {
    await new Promise((done) => plain.close(done));
  }
});
