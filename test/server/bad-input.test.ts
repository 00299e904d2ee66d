// SPDX-License-Identifier: Apache-2.0
// What bad input gets over HTTP: a code, a message that names the input, help, and no trace of it where it must not be.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { Accepted, Problem, Submitted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { addMs } from '../../src/kernel/instant.ts';
import type { CompiledFact } from '../../src/policy/compiled.ts';
import { day, deployAction, fingerprintOf, personOf, policyOf, sign } from '../support/world.ts';
import { startRunning, type HttpAnswer, type Running } from './running.ts';

let running: Running;
before(async () => {
  const place: CompiledFact = { type: 'path', source: { kind: 'requester' }, max: null };
  const digest: CompiledFact = {
    type: 'digest',
    source: { kind: 'adapter', adapter: 'file-digest', argument: 'place' },
    max: null,
  };
  running = await startRunning({
    policy: policyOf(
      deployAction({ timing: { answer_within_ms: day, permit_valid_ms: 900_000, review_within_ms: 3 * day } }),
      deployAction({ name: 'publish.file', facts: { ...deployAction().facts, place, digest } }),
    ),
  });
});
after(() => running.close());

const size = async (): Promise<number> => (await running.info()).size;

/** A refusal with this code; `entry` says whether it is on record. */
const refused = (
  answer: HttpAnswer<object>,
  status: number,
  code: string,
  named: RegExp,
  entry: 'recorded' | 'unrecorded' = 'unrecorded',
): void => {
  const problem: Problem = answer.body;
  assert.deepEqual([answer.status, problem.code], [status, code], JSON.stringify(problem));
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.match(problem.detail, named);
  assert.match(problem.rule, /^[A-Z]\d+$/);
  assert.equal(typeof problem.title, 'string');
  assert.equal(problem.index === null ? 'unrecorded' : 'recorded', entry);
};

test('an unknown action is refused, and on record for whoever asked (LC2)', async () => {
  const answer = await running.post('/v1/requests', running.requestBody({ action: 'launch.rocket' }));
  refused(answer, 404, 'action-unknown', /`launch.rocket`/, 'recorded');
});

test('a missing, a mistyped and an unexpected fact are refused by name', async () => {
  const post = (facts: object) => running.post('/v1/requests', running.requestBody({ facts } as never));
  refused(await post({ risk: 10 }), 422, 'fact-missing', /`service`/, 'recorded');
  refused(await post({ service: 7, risk: 10 }), 422, 'fact-mistyped', /`service`/, 'recorded');
  refused(await post({ service: 'shop', risk: 10, tested: true }), 422, 'fact-unexpected', /`tested`/, 'recorded');
});

test('an adapter that the server does not have refuses the request and says where to configure it', async () => {
  const answer = await running.post(
    '/v1/requests',
    running.requestBody({ action: 'publish.file', facts: { service: 'shop', risk: 1, place: 'a.tar' } }),
  );
  refused(answer, 503, 'fact-source-failed', /`file-digest`/);
  assert.match((answer.body as Problem).help ?? '', /countersign.yaml/);
});

test('a stranger leaves no entry: unknown key, suspended or foreign ledger (H2)', async () => {
  const before = await size();
  const statement = { ...running.common('ada'), by: 'person:p_nobody' };
  const body = running.requestBody({ ...statement }, 'ada');
  refused(await running.post('/v1/requests', body), 422, 'key-of-another', /person:p_nobody/);
  const stranger = { envelope: sign(JSON.parse(running.requestBody().envelope.statement) as never, 'stranger') };
  refused(await running.post('/v1/requests', stranger), 401, 'key-unknown', /SHA256:/);
  const elsewhere = running.requestBody({ ledger: `sha256:${'0'.repeat(64)}` });
  refused(await running.post('/v1/requests', elsewhere), 422, 'statement-elsewhere', /sha256:0000/);
  assert.equal(await size(), before);
});

test('a wrong key, a wrong namespace and a malformed signature are told apart', async () => {
  const { envelope } = running.requestBody();
  const statement = JSON.parse(envelope.statement) as never;
  const wrong = await running.post('/v1/requests', { envelope: sign(statement, 'bob') });
  refused(wrong, 422, 'key-of-another', /person:p_bob0/);
  const namespace = await running.post('/v1/requests', { envelope: sign(statement, 'ada', 'countersign-vote@v1') });
  refused(namespace, 422, 'signature-namespace', /countersign-vote@v1/);
  const other = running.requestBody().envelope.signature;
  const swapped = await running.post('/v1/requests', { envelope: { ...envelope, signature: other } });
  refused(swapped, 422, 'signature-invalid', /not signed by this key/);
  for (const signature of [
    'AAAA',
    'no base64!',
    '-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n',
  ]) {
    const answer = await running.post('/v1/requests', { envelope: { ...envelope, signature } });
    assert.equal(answer.status >= 400 && answer.status < 500, true);
    assert.match((answer.body as Problem).code, /^(signature-malformed|base64-malformed)$/);
  }
});

test('a statement that is not canonical, or of another kind, is refused and not repaired (K3)', async () => {
  const { envelope } = running.requestBody();
  const spaced = `${envelope.statement} `;
  const answer = await running.post('/v1/requests', { envelope: { ...envelope, statement: spaced } });
  refused(answer, 400, 'json-not-canonical', /canonical/);
  const asked = await running.ask();
  const vote = await running.voteBody(asked.request, 'linus');
  refused(await running.post('/v1/requests', vote), 400, 'shape-mismatch', /`|field/);
});

test('bodies: wrong type, not JSON, duplicate keys, unknown and missing fields, too large (H3)', async () => {
  const raw = (body: string, headers: Record<string, string> = {}) => running.post('/v1/requests', body, headers);
  const plain = await raw('{}', { 'content-type': 'text/plain' });
  refused(plain, 415, 'content-type-wrong', /text\/plain/);
  refused(
    await raw('{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    415,
    'content-type-wrong',
    /gzip/,
  );
  refused(await raw('{"envelope":'), 400, 'json-malformed', /character/);
  refused(await raw('{"envelope":1,"envelope":2}'), 400, 'json-duplicate-key', /`envelope`/);
  refused(
    await raw('{"envelope":{"statement":"x","signature":"y","extra":1}}'),
    400,
    'shape-mismatch',
    /`envelope.extra`/,
  );
  refused(await raw('{}'), 400, 'shape-mismatch', /`envelope`/);
  refused(await raw('[]'), 400, 'shape-mismatch', /body/);
  refused(await raw('1e400'), 400, 'json-unsafe-number', /1e400/);
  const large = await running.post(`/v1/requests/req_${'0'.repeat(26)}/votes`, `{"a":"${'x'.repeat(1_100_000)}"}`);
  refused(large, 413, 'body-too-large', /1048576/);
});

test('a document of many megabytes is read, and one beyond 16 MiB refused (L7)', async () => {
  const content = Buffer.alloc(6 * 1024 * 1024, 'x');
  const body = {
    ...running.requestBody({ content: digestOf(content) }),
    attachments: { [digestOf(content)]: content.toString('base64') },
  };
  const answer = await running.post<Submitted>('/v1/requests', body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body).slice(0, 300));
  const wrong = { ...running.requestBody(), attachments: { [digestOf('a')]: Buffer.from('b').toString('base64') } };
  refused(await running.post('/v1/requests', wrong), 422, 'attachment-mismatch', /sha256:/);
  const huge = Buffer.alloc(17 * 1024 * 1024, 'y');
  const beyond = {
    ...running.requestBody({ content: digestOf(huge) }),
    attachments: { [digestOf(huge)]: huge.toString('base64') },
  };
  refused(await running.post('/v1/requests', beyond), 413, 'attachment-too-large', /16777216/);
  const missing = running.requestBody({ content: digestOf('nowhere') });
  refused(await running.post('/v1/requests', missing), 422, 'attachment-missing', /sha256:/);
});

test('a stranger cannot fill the memory: few large bodies at a time, and none that hides its length (H10)', async () => {
  // Whoever sends on after the answer may find the connection closed before reading it.
  const hidden = await fetch(`${running.url}/v1/requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Blob(['x'.repeat(2 * 1024 * 1024)]).stream(),
    duplex: 'half',
  }).catch(() => 'cut off');
  assert.equal(typeof hidden === 'string' ? 413 : hidden.status, 413);
  const { port } = new URL(running.url);
  const head =
    'POST /v1/requests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n';
  const sockets: Socket[] = [];
  const answer = await new Promise<string>((resolve) => {
    for (let at = 0; at < 9; at += 1) {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(head));
      socket.on('error', () => undefined).on('data', (bytes) => resolve(bytes.toString('utf8')));
      sockets.push(socket);
    }
  });
  for (const socket of sockets) socket.destroy();
  assert.match(answer, /^HTTP\/1.1 503 [\s\S]*"code":"overloaded"/);
});

test('a text that was not committed to is refused, and nothing is recorded', async () => {
  const body = { ...running.requestBody(), reason: { salt: '1'.repeat(32), text: 'another reason' } };
  refused(await running.post('/v1/requests', body), 422, 'attachment-mismatch', /commitment/);
});

test('unknown requests, permits and entries answer alike, whatever form they have', async () => {
  for (const id of [`req_${'0'.repeat(26)}`, 'req_1', '..%2f..', 'x'.repeat(300)]) {
    refused(await running.get(`/v1/requests/${id}`), 404, 'request-unknown', /there is no request/);
    refused(await running.post(`/v1/requests/${id}/permit`, {}), 404, 'request-unknown', /there is no request/);
  }
  const permit = `pmt_${'0'.repeat(26)}`;
  const body = running.consumptionBody(permit, `sha256:${'0'.repeat(64)}`);
  refused(await running.post(`/v1/permits/${permit}/consume`, body), 404, 'permit-unknown', /pmt_0000/, 'recorded');
  refused(await running.get('/v1/ledger/entries/999999'), 404, 'entry-unknown', /999999/);
  refused(await running.get('/v1/ledger/entries/-1'), 404, 'entry-unknown', /-1/);
  refused(await running.get(`/v1/ledger/blobs/sha256:${'0'.repeat(64)}`), 404, 'entry-unknown', /sha256:0000/);
});

test('a vote for a stale revision, twice, for another request or change, or too late is refused', async () => {
  const asked = await running.ask();
  const send = async (over: object, by = 'linus', id = asked.request): Promise<HttpAnswer<object>> =>
    running.post(`/v1/requests/${id}/votes`, await running.voteBody(asked.request, by, over as never));
  refused(await send({ revision: 2 }), 409, 'revision-stale', /revision 2/, 'recorded');
  refused(await send({ change: digestOf('other') }), 403, 'vote-wrong-change', /sha256:/, 'recorded');
  refused(await send({ not_after: addMs(running.now(), -1000) }), 403, 'vote-expired', /valid until/, 'recorded');
  refused(await send({ seen: { size: 1, root: '0'.repeat(64) } }), 422, 'seen-not-in-history', /size 1/, 'recorded');
  refused(await send({}, 'ada'), 403, 'vote-by-producer', /p_ada0/, 'recorded');
  refused(await send({}, 'vint'), 403, 'vote-not-entitled', /p_vint0/, 'recorded');
  const other = await running.ask();
  const copied = await running.voteBody(asked.request, 'linus');
  refused(await running.post(`/v1/requests/${other.request}/votes`, copied), 403, 'vote-wrong-request', /req_/);
  assert.equal((await running.vote(asked.request, 'linus')).status, 201);
  refused(
    await running.post(`/v1/requests/${asked.request}/votes`, copied),
    409,
    'vote-already-cast',
    /linus/,
    'recorded',
  );
});

test('the same request statement twice is refused (G6)', async () => {
  const body = running.requestBody();
  assert.equal((await running.post('/v1/requests', body)).status, 201);
  refused(await running.post('/v1/requests', body), 409, 'statement-replayed', /request statement/, 'recorded');
});

test('a permit is of no use for another change, point, key or address', async () => {
  const { request, permit } = await running.permitted();
  const path = `/v1/permits/${permit.permit}/consume`;
  const body = (over: object, by = 'deployer') =>
    running.consumptionBody(permit.permit, request.change, over as never, by);
  refused(await running.post(path, body({ change: digestOf('x') })), 403, 'permit-wrong-change', /sha256:/, 'recorded');
  refused(await running.post(path, body({ audience: 'other' })), 403, 'permit-wrong-audience', /`other`/, 'recorded');
  refused(await running.post(path, body({}, 'ci')), 403, 'permit-wrong-executor', /SHA256:/, 'recorded');
  refused(
    await running.post(`/v1/permits/pmt_${'1'.repeat(26)}/consume`, body({})),
    422,
    'address-mismatch',
    new RegExp(permit.permit),
  );
  const early = await running.post(`/v1/executions/${permit.permit}/result`, running.resultBody(permit.permit));
  refused(early, 409, 'result-not-expected', /permitted/, 'recorded');
});

test('a veto and a withdrawal are each taken at their own address only', async () => {
  const asked = await running.ask();
  const veto = await running.stopBody(asked.request, 'grace', 'veto');
  refused(await running.post(`/v1/requests/${asked.request}/withdraw`, veto), 422, 'address-mismatch', /veto/);
  const withdrawal = await running.stopBody(asked.request, 'bob', 'withdrawal');
  const foreign = await running.post(`/v1/requests/${asked.request}/withdraw`, withdrawal);
  refused(foreign, 403, 'withdraw-not-allowed', /p_bob0/, 'recorded');
  const stopped = await running.post<Accepted>(`/v1/requests/${asked.request}/veto`, veto);
  assert.deepEqual([stopped.status, stopped.body.status], [200, 'vetoed']);
  refused(await running.vote(asked.request, 'linus'), 409, 'request-vetoed', /over: vetoed/, 'recorded');
});

test('an armored signature is taken, and kept raw', async () => {
  const { envelope, ...rest } = running.requestBody();
  const lines = envelope.signature.match(/.{1,70}/g) ?? [];
  const armored = `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`;
  const answer = await running.post<Submitted>('/v1/requests', {
    ...rest,
    envelope: { ...envelope, signature: armored },
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.ok(answer.body.receipt.entry.includes(`"signature":"${envelope.signature}"`));
});

test('addresses, methods and queries that are none are problems too (H4)', async () => {
  refused(await running.get('/v1/nothing'), 404, 'route-unknown', /`\/v1\/nothing`/);
  const wrong = await running.get('/v1/sessions');
  refused(wrong, 405, 'method-wrong', /GET/);
  assert.equal(wrong.headers.get('allow'), 'POST');
  refused(await running.get('/v1/requests?status=open'), 400, 'shape-mismatch', /`status`/);
  refused(await running.get('/v1/requests?state=open&state=met'), 400, 'shape-mismatch', /`state`/);
  refused(await running.get('/v1/requests?state=done'), 400, 'shape-mismatch', /`state`/);
  refused(await running.get('/v1/requests?cursor=zzz'), 400, 'shape-mismatch', /`cursor`/);
  refused(await running.get('/v1/requests?limit=1000'), 400, 'shape-mismatch', /`limit`/);
});

test('idempotency: the same again, another body, another principal, and a bad key', async () => {
  const headers = { 'idempotency-key': 'first-try' };
  const body = running.requestBody();
  const first = await running.post<Submitted>('/v1/requests', body, headers);
  const again = await running.post<Submitted>('/v1/requests', body, headers);
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.deepEqual([again.body.request, again.body.receipt.entry], [first.body.request, first.body.receipt.entry]);
  const other = await running.post('/v1/requests', running.requestBody(), headers);
  refused(other, 422, 'idempotency-conflict', /first-try/);
  const bob = await running.post('/v1/requests', running.requestBody({}, 'bob'), headers);
  assert.equal(bob.status, 201, 'a key belongs to whoever signed');
  refused(
    await running.post('/v1/requests', body, { 'idempotency-key': 'a b' }),
    400,
    'shape-mismatch',
    /Idempotency-Key/,
  );
  const vote = await running.voteBody(first.body.request, 'linus');
  const both = await Promise.all([
    running.post(`/v1/requests/${first.body.request}/votes`, vote, headers),
    running.post(`/v1/requests/${first.body.request}/votes`, vote, headers),
  ]);
  // The second found the first still under way, or its answer; either way there is one vote.
  for (const { status, body } of both)
    assert.ok(status === 201 || body.code === 'idempotency-in-flight', JSON.stringify(body));
  assert.ok(both.some(({ status }) => status === 201));
  assert.equal((await running.show(first.body.request)).votes.length, 1);
  const permit = await running.post<{ file: string }>(`/v1/requests/${first.body.request}/permit`, {}, headers);
  const resent = await running.post<{ file: string }>(`/v1/requests/${first.body.request}/permit`, {}, headers);
  assert.equal(permit.status, 200);
  assert.equal(resent.body.file, permit.body.file);
});

test('an expired request is over whether or not a timer ran (Q7)', async () => {
  const body = running.requestBody({ not_after: addMs(running.now(), 700) });
  const asked = await running.post<Submitted>('/v1/requests', body);
  assert.equal(asked.status, 201);
  const vote = await running.voteBody(asked.body.request, 'linus');
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.equal((await running.show(asked.body.request)).status, 'expired');
  refused(
    await running.post(`/v1/requests/${asked.body.request}/votes`, vote),
    409,
    'request-expired',
    /expired/,
    'recorded',
  );
});

test('a statement about an executor or enforcement point that is none is refused', async () => {
  const audience = await running.post('/v1/requests', running.requestBody({ audience: 'moon' }));
  refused(audience, 403, 'audience-unknown', /`moon`/, 'recorded');
  const executor = await running.post('/v1/requests', running.requestBody({ executor: fingerprintOf('ada') }));
  refused(executor, 403, 'executor-not-allowed', /SHA256:/, 'recorded');
  const asker = await running.post('/v1/requests', running.requestBody({}, 'vint'));
  refused(asker, 403, 'ask-not-allowed', new RegExp(personOf('vint')), 'recorded');
});

test('no answer tells of files or stacks', async () => {
  const answers = await Promise.all([
    running.get('/v1/nothing'),
    running.post('/v1/requests', '{'),
    running.get(`/v1/requests/${encodeURIComponent('${7*7}')}`),
  ]);
  for (const { body } of answers) assert.doesNotMatch(canonicalize(body), /\.ts:|node:|\/src\/|at .* \(/);
});
