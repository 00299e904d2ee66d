// SPDX-License-Identifier: Apache-2.0
// TLS as an operator configures it, in `countersign.yaml`, with a real certificate (SPEC H5, H6).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startServer, type RunningServer } from '../../src/server/serve.ts';
import { found } from './running.ts';

let dir: string;
let token: string;
let server: RunningServer;
before(async () => {
  ({ dir, token } = await found());
  const [certificate, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const subject = [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:gate.example.org,DNS:evil.example.org,IP:127.0.0.1',
  ];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...algorithm, ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  writeFileSync(
    join(dir, 'countersign.yaml'),
    'listen: {host: 0.0.0.0, port: 0}\npublic-url: https://gate.example.org\ntls: {certificate: cert.pem, key: key.pem}\n',
  );
  const started = await startServer({ dir, log: () => undefined });
  assert.ok(started.ok, started.ok ? '' : started.refusal.message);
  server = started.value;
});
after(async () => {
  await server.stop();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly text: string };
const ask = (path: string, headers: Record<string, string> = {}, form?: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: server.port,
        path,
        method: form === undefined ? 'GET' : 'POST',
        headers: { host: 'gate.example.org', ...headers },
        ca: readFileSync(join(dir, 'cert.pem')),
        agent: false,
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8');
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      },
    );
    sent.on('error', reject);
    sent.end(form);
  });

test('it answers over TLS, under its public address, and tells browsers to stay with TLS', async () => {
  const answer = await ask('/v1/roster', { authorization: `Bearer ${token}` });
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['strict-transport-security']), /max-age/);
  assert.equal(server.url, 'https://gate.example.org');
  assert.match((await ask('/v1/challenge')).text, /"server":"https:\/\/gate.example.org"/);
});

test("a browser's session is a cookie for this host and TLS alone", async () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://gate.example.org' };
  const answer = await ask('/sign-in', form, `token=${token}`);
  assert.equal(answer.status, 303, answer.text);
  const [cookie = ''] = answer.headers['set-cookie'] as string[];
  assert.match(cookie, /^__Host-countersign=css_[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure$/);
  const pair = cookie.split(';')[0] ?? '';
  assert.equal((await ask('/v1/requests', { cookie: pair })).status, 200);
  const unprotected = pair.replace('__Host-', '');
  assert.equal((await ask('/v1/requests', { cookie: unprotected })).status, 401, 'one that another host could set');
  assert.equal((await ask('/v1/requests', { cookie: pair, host: 'evil.example.org' })).status, 403);
});

test('plain HTTP gets no answer', async () => {
  const came = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(server.port, '127.0.0.1', () => socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
  assert.doesNotMatch(came, /alive/);
});
