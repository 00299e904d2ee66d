// SPDX-License-Identifier: Apache-2.0
// Bytes that are read in two ways, or not at all; names that are not what they look like; more than anybody needs.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import type { Submitted } from '../../src/contract/api.ts';
import { routes, type Route } from '../../src/contract/routes.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { keyOf, policyOf } from '../support/world.ts';
import { Desks } from '../cli/desk.ts';
import { startLying, type Lie } from '../client/lying-server.ts';
import { principalOf, startRunning, type Running } from '../server/running.ts';
import { headOf, oneSeatAction, refused, votesOf, worked } from './stage.ts';

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(oneSeatAction()) });
});
after(() => running.close());

const posts = Object.values<Route>(routes).filter(({ method, form }) => method === 'POST' && form !== true);
const addressOf = ({ path }: Route, id: string): string =>
  path.replace('{id}', path.includes('/permits/') || path.includes('/executions/') ? `pmt_${'0'.repeat(26)}` : id);
const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

test('T14: duplicate keys, deep nesting, lone surrogates, odd numbers, other encodings and no JSON at all are refused at every POST', async () => {
  const { request: id } = await running.ask();
  const head = await headOf(running);
  const bodies: readonly (string | Uint8Array)[] = [
    '{"envelope":{"statement":"{}","signature":"AA=="},"envelope":{"statement":"{}","signature":"AA=="}}',
    '{"envelope":{"statement":"{}","statement":"{}","signature":"AA=="}}',
    `{"envelope":${deep(100)}}`,
    `{"envelope":${deep(100_000)}}`,
    '{"envelope":{"statement":"\\ud800","signature":"AA=="}}',
    '{"envelope":{"statement":"\\udc00\\ud800","signature":"AA=="}}',
    '{"envelope":1e400}',
    '{"envelope":9007199254740993}',
    '{"envelope":-0.1e-9}',
    '{"__proto__":{"envelope":{}}}',
    '{"constructor":{"prototype":{}}}',
    '[]',
    'null',
    '"envelope"',
    '',
    '{',
    '{} {}',
    "{'envelope':1}",
    '{"envelope":1,}',
    '{"envelope":NaN}',
    '\u00a0{}',
    Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
    Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from([0xfe, 0xff, 0, 0x7b, 0, 0x7d]),
  ];
  const codes = [
    'json-malformed',
    'json-duplicate-key',
    'json-too-deep',
    'json-lone-surrogate',
    'json-unsafe-number',
    'shape-mismatch',
  ];
  for (const route of posts)
    for (const body of bodies) {
      const response = await fetch(running.url + addressOf(route, id), {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${running.token}` },
        body,
      });
      const problem = (await response.json()) as { code: string };
      assert.equal(response.status, 400, `${route.path} ${String(body).slice(0, 60)}`);
      assert.ok(codes.includes(problem.code), problem.code);
    }
  assert.equal(await headOf(running), head);
});

test('T14: a signed statement that is not canonical, or that two readers could read differently, is refused though its signature holds', async () => {
  const { request: id } = await running.ask();
  const { statement } = (await running.voteBody(id, 'linus')).envelope;
  const vote = JSON.parse(statement) as JsonObject;
  const send = async (text: string) =>
    running.post(`/v1/requests/${id}/votes`, {
      envelope: {
        statement: text,
        signature: encodeBase64(signSsh({ key: keyOf('linus'), message: text, namespace: 'countersign-vote@v1' })),
      },
    });
  const texts: readonly (readonly [string, ...string[]])[] = [
    [`${statement}\n`, 'json-not-canonical', 'json-malformed'],
    [` ${statement}`, 'json-not-canonical', 'json-malformed'],
    [JSON.stringify(vote, null, 1), 'json-not-canonical'],
    [JSON.stringify(Object.fromEntries(Object.entries(vote).toReversed())), 'json-not-canonical'],
    [statement.replace('"approve"', '"\\u0061pprove"'), 'json-not-canonical'],
    [statement.replace('"revision":1', '"revision":1.0'), 'json-unsafe-number'],
    [statement.replace('"revision":1', '"revision":1e0'), 'json-unsafe-number'],
    [statement.replace('{"by"', '{"by":"person:p_grace0","by"'), 'json-duplicate-key'],
    [statement.replace('"decision":"approve"', '"decision":"reject","decision":"approve"'), 'json-duplicate-key'],
    [statement.replace('"comment":null', '"comment":"\\ud800"'), 'json-lone-surrogate'],
    [statement.replace('"comment":null', `"comment":${deep(40)}`), 'json-too-deep'],
    [canonicalize({ ...vote, extra: true }), 'shape-mismatch'],
    [canonicalize({ ...vote, revision: '1' }), 'shape-mismatch'],
    [canonicalize({ ...vote, seats: 'platform' }), 'shape-mismatch'],
    [canonicalize({ ...vote, type: 'countersign.dev/vote/v1' }), 'shape-mismatch'],
    [canonicalize(Object.fromEntries(Object.entries(vote).filter(([name]) => name !== 'seen'))), 'shape-mismatch'],
    [canonicalize({ ...vote, comment: 'x'.repeat(48_000) }), 'shape-mismatch', 'json-too-large'],
  ];
  for (const [text, ...codes] of texts) refused(await send(text), ...codes);
  assert.deepEqual(await votesOf(running, id), []);
  worked(await send(statement));
});

test('T14: a signature with leftover, missing, swapped or other bytes is refused', async () => {
  const { request: id } = await running.ask();
  const { statement, signature } = (await running.voteBody(id, 'linus')).envelope;
  const blob = Buffer.from(signature, 'base64');
  const send = async (given: string) =>
    running.post(`/v1/requests/${id}/votes`, { envelope: { statement, signature: given } });
  const codes = [
    'signature-malformed',
    'signature-invalid',
    'signature-namespace',
    'base64-malformed',
    'key-malformed',
    'key-type-unsupported',
    'shape-mismatch',
    'key-unknown',
  ];
  for (const damaged of [
    Buffer.concat([blob, Buffer.from([0])]),
    blob.subarray(0, -1),
    Buffer.concat([Buffer.from('SSHSIG'), blob]),
    Buffer.from(blob.toString('latin1').replace('ssh-ed25519', 'ssh-rsaaaaa'), 'latin1'),
    Buffer.from(blob.toString('latin1').replace('sha512', 'sha1\0\0'), 'latin1'),
    Buffer.alloc(16_000, 1),
  ])
    refused(await send(damaged.toString('base64')), ...codes);
  for (let at = 0; at < blob.length; at += 7) {
    const flipped = Buffer.from(blob);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    refused(await send(flipped.toString('base64')), ...codes);
  }
  for (const text of [
    signature.replace(/=*$/, ''),
    `${signature}\n`,
    `${signature} `,
    signature.toLowerCase(),
    '',
    '-----BEGIN SSH SIGNATURE-----',
  ])
    if (text !== signature) refused(await send(text), ...codes);
  assert.deepEqual(await votesOf(running, id), []);
});

test('H10 T14: bodies and headers beyond their bounds are cut off, at every POST, and the server stays', async () => {
  const { request: id } = await running.ask();
  const head = await headOf(running);
  const big = JSON.stringify({ envelope: { statement: 'x'.repeat(1_100_000), signature: 'AA==' } });
  for (const route of posts) {
    const answer = await running.post(addressOf(route, id), big);
    refused(answer, route.path === '/v1/requests' ? 'shape-mismatch' : 'body-too-large');
  }
  const huge = await running.post('/v1/requests', 'x'.repeat(25 * 1024 * 1024)).catch(() => undefined);
  if (huge !== undefined) refused(huge, 'body-too-large');
  const reason = { salt: '0'.repeat(32), text: 'x'.repeat(8001) };
  refused(await running.post('/v1/requests', { ...running.requestBody(), reason }), 'shape-mismatch');
  const attachments = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [digestOf(String(at)), Buffer.from(String(at)).toString('base64')]),
  );
  refused(await running.post('/v1/requests', { ...running.requestBody(), attachments }), 'attachment-too-large');
  const wide = await fetch(`${running.url}/v1/ledger`, { headers: { 'x-wide': 'x'.repeat(20_000) } }).catch(
    () => undefined,
  );
  if (wide !== undefined) assert.ok(wide.status >= 400);
  assert.equal(await headOf(running), head);
});

const raw = async (lines: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(running.url);
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('error', reject);
    socket.setTimeout(3000, () => socket.destroy());
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });

test('A34: a request smuggled in another, or cut short, is not taken for one', async () => {
  const { request: id } = await running.ask();
  const vote = JSON.stringify(await running.voteBody(id, 'linus'));
  const head = await headOf(running);
  const post = `POST /v1/requests/${id}/votes HTTP/1.1`;
  const common = ['Host: 127.0.0.1', 'Content-Type: application/json'];
  const both = await raw([post, ...common, 'Content-Length: 2', 'Transfer-Encoding: chunked', '', '0', '', vote]);
  assert.match(both, /^HTTP\/1\.1 4/);
  const twice = await raw([post, ...common, 'Content-Length: 2', `Content-Length: ${vote.length}`, '', vote]);
  assert.match(twice, /^HTTP\/1\.1 4/);
  await raw([post, ...common, 'Connection: close', `Content-Length: ${vote.length + 50}`, '', vote.slice(0, -5)]).catch(
    () => '',
  );
  assert.equal(await headOf(running), head);
  assert.deepEqual(await votesOf(running, id), []);
});

test('A35 C23: what a reason or a name holds is text on the page: no script, no hidden turn, no other page', async () => {
  const text =
    '</p><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil\u202c \u200b {{7*7}} javascript:alert(3) \u0007\u001b[2J';
  const reason = { salt: '3'.repeat(32), text };
  const { envelope, attested } = (() => {
    const body = running.requestBody({ reason: digestOf(canonicalize(reason)) });
    return { envelope: body.envelope, attested: body['attested'] };
  })();
  const { request: id } = worked(
    await running.post<{ request: string }>('/v1/requests', { envelope, attested, reason }),
  );
  const signedIn = await fetch(`${running.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `token=${running.token}`,
  });
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  for (const path of ['/', `/requests/${id}`]) {
    const page = await fetch(running.url + path, { headers: { cookie } });
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.equal(/<script|<img|<iframe|<[a-z][^>]*\son[a-z]+=/i.exec(html), null);
    for (const unseen of ['\u202e', '\u202c', '\u200b', '\u0007', '\u001b'])
      assert.ok(!html.includes(unseen), `U+${unseen.codePointAt(0)?.toString(16) ?? ''} stands on the page`);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /script-src (?!'none')/);
    if (path !== '/') assert.ok(html.includes('&lt;script&gt;'));
  }
  const wrong = await fetch(`${running.url}/requests/%3Cscript%3Ealert(1)%3C%2Fscript%3E`, { headers: { cookie } });
  assert.doesNotMatch(await wrong.text(), /<script/i);
});

test('C23 A35: a server that shows a voter another change, another reason or another request gets no signature', async () => {
  const reason = { salt: '4'.repeat(32), text: 'a harmless change' };
  const body = running.requestBody({ reason: digestOf(canonicalize(reason)) });
  const asked = worked(
    await running.post<Submitted>('/v1/requests', { envelope: body.envelope, attested: body['attested'], reason }),
  );
  const other = await running.ask({ facts: { service: 'till', risk: 1 } });
  const liar = await startLying(running.url);
  const desks = new Desks({ url: liar.url, pin: running.pin });
  try {
    const token = desks.write('token', running.token);
    const more = ['--yes', '--as', principalOf('linus'), '--token-file', token];
    const approve = async (digest: string) =>
      desks.run('linus', ['approve', asked.request, '--digest', digest, ...more]);
    const swap = (text: string): string => text.replaceAll('production/shop', 'production/shed');
    const lies: readonly (readonly [Lie, string, readonly string[]])[] = [
      [(path, text) => (path.endsWith(asked.request) ? swap(text) : text), asked.change, ['change-differs']],
      [(_path, text) => text.replaceAll('a harmless change', 'approved by all'), asked.change, ['change-differs']],
      [(path, text) => (path.endsWith('/case') ? swap(text) : text), asked.change, ['replay-differs']],
      [(_path, text) => text, other.change, ['vote-not-confirmed']],
    ];
    for (const [lie, digest, codes] of lies) {
      liar.lie = lie;
      const ran = await approve(digest);
      assert.notEqual(ran.code, 0, ran.stdout);
      assert.ok(
        codes.includes(String(ran.refusal['code'])),
        `${String(ran.refusal['code'])}, not ${codes.join(' or ')}`,
      );
    }
    assert.ok(
      !liar.seen.some((line) => line.startsWith('POST') && line.endsWith('/votes')),
      'nothing was signed and sent',
    );
    assert.deepEqual(await votesOf(running, asked.request), []);
    liar.lie = (_path, text) => text;
    const honest = await approve(asked.change);
    assert.equal(honest.code, 0, honest.stderr);
  } finally {
    desks.close();
    await liar.close();
  }
});
