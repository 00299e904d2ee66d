// SPDX-License-Identifier: Apache-2.0
// The pages as a real server serves them: signed in with a key, signed with stock OpenSSH, told by a webhook.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Accepted, Challenge, Session, Submitted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { receiver, secretText, type Receiver } from '../adapters/notices-receivers.ts';
import { keyOf, sign } from '../support/world.ts';
import { textIn } from './page-sample.ts';
import { found, serveFolder, type Running } from './running.ts';

let running: Running;
let heard: Receiver;
let home: string;

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'countersign-served-'));
  heard = await receiver();
  const { dir, token, pin } = await found();
  writeFileSync(join(dir, 'webhook.secret'), secretText, { mode: 0o600 });
  writeFileSync(
    join(dir, 'countersign.yaml'),
    `notices:\n  webhooks:\n    - url: ${heard.url}\n      secret-file: webhook.secret\n`,
    { mode: 0o600 },
  );
  running = await serveFolder(dir, token, pin);
});
after(async () => {
  await running.close();
  await heard.close();
  rmSync(home, { recursive: true, force: true });
});

/** A session of this person's key, pasted into the sign-in page: gives the cookie that a browser would keep. */
const signIn = async (name: string): Promise<string> => {
  const { body } = await running.get<Challenge>('/v1/challenge');
  const statement = {
    type: 'countersign.dev/login/v0',
    ...running.common(name),
    challenge: body.challenge,
    server: body.server,
  };
  const session = await running.post<Session>('/v1/sessions', { envelope: sign(statement, name) });
  assert.equal(session.status, 201, JSON.stringify(session.body));
  const answer = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: running.url },
    body: new URLSearchParams({ token: session.body.token, next: '/' }),
  });
  assert.equal(answer.status, 303);
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
};
const page = (path: string, cookie = ''): Promise<Response> =>
  fetch(running.url + path, { redirect: 'manual', headers: { accept: 'text/html', cookie } });

/** Runs a command of a page as it is printed, with `countersign` on the path. */
const runPrinted = async (served: string, pattern: RegExp): Promise<string> => {
  const printed = textIn(pattern.exec(served)?.[1] ?? '');
  const bin = join(home, 'bin');
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, '.ssh', 'id_ed25519'), formatOpenSshPrivateKey(keyOf('linus'), 'linus'), { mode: 0o600 });
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  writeFileSync(join(bin, 'countersign'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: home, COUNTERSIGN_HOME: join(home, 'countersign') };
  // Not in step: the server that it talks to is this very process.
  return (await promisify(execFile)('sh', ['-c', printed], { cwd: home, env })).stdout;
};

test('the command on the sign-in page, run as it is printed, gives a token that signs a browser in', async () => {
  const served = await (await page('/sign-in')).text();
  const token = (await runPrinted(served, /<code>(countersign login [\s\S]*?)<\/code>/)).trim();
  assert.match(token, /^css_/);
  const answer = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: running.url },
    body: new URLSearchParams({ token, next: '/' }),
  });
  assert.equal(answer.status, 303);
});

test('whoever is not signed in is sent to sign in, and back to the request afterwards', async () => {
  const { request } = await running.ask();
  const answer = await page(`/requests/${request}`);
  assert.equal(answer.status, 303);
  const there = answer.headers.get('location') ?? '';
  assert.equal(there, `/sign-in?next=${encodeURIComponent(`/requests/${request}`)}`);
  assert.match(await (await page(there)).text(), new RegExp(`name="next" value="/requests/${request}"`));
});

test('an address where nothing is answers a browser with a page and a program with a problem', async () => {
  for (const path of ['/nothing', '/v1/nothing', '/requests']) {
    const seen = await page(path);
    assert.equal(seen.status, 404, path);
    assert.match(seen.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(seen.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src/);
    const text = await seen.text();
    assert.match(text, /There is no such thing here/);
    assert.match(text, /route-unknown/);
    const read = await running.get(path, { accept: 'application/json' });
    assert.deepEqual([read.status, read.body.code], [404, 'route-unknown']);
  }
  const wrong = await fetch(`${running.url}/sign-out`, { headers: { accept: 'text/html,*/*' } });
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST']);
  assert.match(await wrong.text(), /<h1>/);
});

test('a page comes with a policy that lets no script run, and is kept in no cache', async () => {
  const answer = await page('/', await signIn('linus'));
  assert.equal(answer.status, 200);
  const policy = answer.headers.get('content-security-policy') ?? '';
  const nonce = /style-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
  assert.match(policy, /^default-src 'none'/);
  assert.ok((await answer.text()).includes(`<style nonce="${nonce}">`));
  assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
});

test('what the content of a request is stands on its page, from what was attached to it', async () => {
  const content = Buffer.from(canonicalize({ argv: ['deploy', '--to', 'shop'] }));
  const body = running.requestBody({ content: digestOf(content) });
  const attachments = { [digestOf(content)]: content.toString('base64') };
  const asked = await running.post<Submitted>('/v1/requests', { ...body, attachments });
  assert.equal(asked.status, 201, JSON.stringify(asked.body));
  const served = await (await page(`/requests/${asked.body.request}`, await signIn('linus'))).text();
  assert.match(textIn(served), /argv\[0\] "deploy" argv\[1\] "--to" argv\[2\] "shop"/);
  assert.match(served, /ssh-keygen/);
});

test('a vote signed with the line of the served page by stock ssh-keygen fills the seat, and the webhook told of it all', async () => {
  const { request } = await running.ask();
  const cookie = await signIn('linus');
  assert.match(await (await page('/', cookie)).text(), new RegExp(`Waiting for you[\\s\\S]*${request}`));
  const served = await (await page(`/requests/${request}`, cookie)).text();
  const line = (/<code>(printf [\s\S]*?&quot;approve&quot;[\s\S]*?)<\/code>/.exec(served)?.[1] ?? '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, '.ssh', 'id_ed25519'), formatOpenSshPrivateKey(keyOf('linus'), 'linus'), { mode: 0o600 });
  execFileSync('sh', ['-c', line], { cwd: home, env: { PATH: process.env['PATH'] ?? '', HOME: home }, stdio: 'pipe' });
  const envelope = {
    statement: readFileSync(join(home, 'vote.json'), 'utf8'),
    signature: readFileSync(join(home, 'vote.json.sig'), 'utf8'),
  };
  const voted = await running.post<Accepted>(`/v1/requests/${request}/votes`, { envelope });
  assert.equal(voted.status, 201, JSON.stringify(voted.body));
  assert.equal(voted.body.status, 'met');
  assert.match(await (await page(`/requests/${request}`, cookie)).text(), /You have voted on this revision already/);
  const wanted = ['request.waiting', 'request.met'];
  const told = (): string[] =>
    heard.messages
      .filter(({ body }) => body.includes(request))
      .map(({ body }) => /"type":"([^"]+)"/.exec(body)?.[1] ?? '');
  for (let tries = 0; tries < 400 && told().length < wanted.length; tries += 1)
    await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(told(), wanted);
  assert.ok(heard.messages.every(({ verified, body }) => verified && body.includes(`"url":"${running.url}/requests/`)));
  assert.match((await running.get<{ text: string }>('/metrics')).body.text, /notices/);
});
