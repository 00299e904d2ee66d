// SPDX-License-Identifier: Apache-2.0
// What a server, or something before it, may try on whoever signs: each is refused before anything is signed.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { readCheckpointNote, signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { Desks } from '../cli/desk.ts';
import { startRunning, type Running } from '../server/running.ts';
import { personOf } from '../support/world.ts';
import { startLying, type LyingServer } from './lying-server.ts';

let running: Running;
let lying: LyingServer;
let desks: Desks;
before(async () => {
  running = await startRunning();
  lying = await startLying(running.url);
  desks = new Desks(running);
});
beforeEach(() => {
  lying.lie = (_path, text) => text;
  lying.seen.length = 0;
});
after(async () => {
  await lying.close();
  desks.close();
  await running.close();
});

const approve = (id: string, digest: string, name = 'linus', more: readonly string[] = [], home = name) =>
  desks.run(
    name,
    [
      'approve',
      id,
      '--yes',
      '--digest',
      digest,
      '--as',
      `person:${personOf(name)}`,
      '--token-file',
      desks.write('token', running.token),
      ...more,
    ],
    { COUNTERSIGN_SERVER: lying.url, COUNTERSIGN_HOME: desks.home(home) },
  );
const change = (text: string, with_: (document: JsonObject) => JsonObject): string =>
  JSON.stringify(with_(JSON.parse(text) as JsonObject));
const nothingSigned = (): void =>
  assert.deepEqual(
    lying.seen.filter((line) => line.startsWith('POST') && line.includes('/votes')),
    [],
  );

test('as long as nobody lies, the vote goes through', async () => {
  const { request, change: digest } = await running.ask();
  const done = await approve(request, digest);
  assert.equal(done.code, 0, done.stderr);
});

test('another change document than the signed one, with its own right digest (C23)', async () => {
  const { request, change: digest } = await running.ask();
  let forged = '';
  lying.lie = (path, text) =>
    path === `/v1/requests/${request}`
      ? change(text, (view) => {
          const document = JSON.parse(String(view['change_text'])) as JsonObject;
          const other = canonicalize({ ...document, target: 'production/harmless' });
          forged = digestOf(other);
          return { ...view, change_text: other, change: forged };
        })
      : text;
  for (const named of [digest, forged]) {
    const no = await approve(request, named);
    assert.deepEqual([no.refusal['code'], no.code], ['change-differs', 7], no.stderr);
  }
  nothingSigned();
});

test('only the shown text changed, the digest left as it was', async () => {
  const { request, change: digest } = await running.ask();
  lying.lie = (path, text) =>
    path === `/v1/requests/${request}` ? text.replaceAll('production/shop', 'production/toys') : text;
  const no = await approve(request, digest);
  assert.equal(no.refusal['code'], 'change-differs', no.stderr);
  nothingSigned();
});

test('a reason that the requester never gave (C23)', async () => {
  const { request, change: digest } = await running.ask();
  lying.lie = (path, text) =>
    path === `/v1/requests/${request}` ? change(text, (view) => ({ ...view, reason: 'the CISO wants it' })) : text;
  const no = await approve(request, digest);
  assert.equal(no.refusal['code'], 'change-differs', no.stderr);
  assert.match(String(no.refusal['message']), /reason/);
  nothingSigned();
});

test('words put beside a true reason, as if it had been erased or changed (C23)', async () => {
  const reason = { salt: '7'.repeat(32), text: 'drop the audit table' };
  const body = running.requestBody({ reason: digestOf(canonicalize(reason)) });
  const { envelope, attested } = body;
  const asked = await running.post<{ request: string; change: string }>('/v1/requests', { envelope, attested, reason });
  assert.equal(asked.status, 201);
  const { request, change: digest } = asked.body;
  const erased = { at: '2026-11-24T10:00:00.000Z', why: 'the CISO wants it' };
  for (const over of [{ reason_erased: erased }, { reason_state: 'erased' }, { reason_state: 'altered' }]) {
    lying.lie = (path, text) =>
      path === `/v1/requests/${request}` ? change(text, (view) => ({ ...view, ...over })) : text;
    const no = await approve(request, digest);
    assert.equal(no.refusal['code'], 'change-differs', no.stderr);
    assert.match(String(no.refusal['message']), /reason/);
    assert.doesNotMatch(no.stdout + no.stderr, /requester's words.*CISO/);
  }
  nothingSigned();
  // Where there is no text, what is said of it is the server's word, and called so.
  lying.lie = (path, text) =>
    path === `/v1/requests/${request}`
      ? change(text, (view) => ({ ...view, reason: null, reason_state: 'erased', reason_erased: erased }))
      : text;
  const gone = await approve(request, digest);
  assert.equal(gone.code, 0, gone.stderr);
  assert.match(gone.stderr, /Reason: \(erased on 2026-11-24T10:00:00\.000Z, by the server's word: the CISO wants it\)/);
});

test('the case of another request (A42, T6)', async () => {
  const [one, other] = [await running.ask(), await running.ask()];
  const { body } = await running.get<{ text: string }>(`/v1/requests/${other.request}/case`);
  const text = (body as { text?: string }).text ?? JSON.stringify(body);
  lying.lie = (path, real) => (path === `/v1/requests/${one.request}/case` ? text : real);
  const no = await approve(one.request, other.change);
  assert.equal(no.code === 0, false);
  assert.equal(no.refusal['code'], 'file-malformed', no.stderr);
  nothingSigned();
});

test('a case with another roster or policy, an entry changed, left out, or not proven', async () => {
  const { request, change: digest } = await running.ask();
  const attacks: readonly ((file: JsonObject) => JsonObject)[] = [
    // The roster's text, with one group changed, under its old name.
    (file) => {
      const blobs = Object.entries(file['blobs'] as { [digest: string]: string }).map(([name, base64]) => {
        const text = Buffer.from(base64, 'base64').toString();
        const swapped = text.replace(`"members":["${personOf('radia')}"`, `"members":["${personOf('vint')}"`);
        return [name, Buffer.from(swapped).toString('base64')] as const;
      });
      return { ...file, blobs: Object.fromEntries(blobs) };
    },
    // The same, under its right name, which the genesis does not hold.
    (file) => {
      const blobs = Object.values(file['blobs'] as { [digest: string]: string }).map((base64) => {
        const text = Buffer.from(base64, 'base64').toString().replace(personOf('linus'), personOf('vint'));
        return [digestOf(text), Buffer.from(text).toString('base64')] as const;
      });
      return { ...file, blobs: Object.fromEntries(blobs) };
    },
    (file) => ({
      ...file,
      entries: (file['entries'] as string[]).map((entry) => entry.replaceAll('production/shop', 'production/toys')),
    }),
    (file) => ({
      ...file,
      entries: (file['entries'] as string[]).slice(0, -1),
      proofs: (file['proofs'] as string[]).slice(0, -1),
    }),
    (file) => ({ ...file, proofs: (file['proofs'] as string[][]).map((hashes) => hashes.slice(1)) }),
  ];
  for (const attack of attacks) {
    lying.lie = (path, text) => {
      if (path !== `/v1/requests/${request}/case`) return text;
      const forged = canonicalize(attack(JSON.parse(text) as JsonObject));
      assert.notEqual(forged, text, 'the attack changes something');
      return forged;
    };
    const no = await approve(request, digest);
    assert.notEqual(no.code, 0, no.stderr);
    assert.ok(typeof no.refusal['code'] === 'string' && no.refusal['code'] !== 'unexpected', no.stderr);
  }
  nothingSigned();
});

test('two histories of one ledger: refused loudly, and both signed notes are kept as evidence (T5, W1)', async () => {
  const other = await startRunning();
  try {
    assert.equal(other.pin, running.pin, 'the same founders, the same log key, the same pin');
    for (let at = 0; at < 3; at += 1) await other.ask();
    const seen = await desks.run('radia', ['list'], { COUNTERSIGN_SERVER: other.url });
    assert.equal(seen.code, 0, seen.stderr);
    const { request, change: digest } = await running.ask();
    const no = await approve(request, digest, 'radia');
    assert.ok(['history-forked', 'history-shortened'].includes(String(no.refusal['code'])), no.stderr);
    assert.equal(no.code, 7);
    nothingSigned();
    const { evidence } = no.refusal['facts'] as { evidence: string };
    const notes = ['seen.note', 'shown.note'].map((name) => readFileSync(join(evidence, name), 'utf8'));
    assert.deepEqual(
      readdirSync(evidence).filter((name) => name !== 'fork.json'),
      ['seen.note', 'shown.note'],
    );
    const roots = notes.map((note) => readCheckpointNote(note)).map((read) => (read.ok ? read.value.root : ''));
    assert.notEqual(roots[0], roots[1]);
  } finally {
    await other.close();
  }
});

test('an older copy of the ledger, or a checkpoint that somebody else signed (T3, T4, S7)', async () => {
  const { request, change: digest } = await running.ask();
  const old = await running.info();
  await running.ask();
  assert.equal((await desks.run('grace', ['list'])).code, 0);
  // The old checkpoint is genuine; but the server cannot show that it has what was seen since.
  lying.lie = (path, text) =>
    path === '/v1/ledger'
      ? JSON.stringify({
          ...(JSON.parse(text) as JsonObject),
          size: old.size,
          root: old.root,
          checkpoint: old.checkpoint,
        })
      : path.startsWith('/v1/ledger/consistency')
        ? JSON.stringify({ from: old.size, to: old.size + 1, hashes: ['0'.repeat(64)], checkpoint: old.checkpoint })
        : text;
  const rolled = await approve(request, digest, 'linus', [], 'grace');
  assert.equal(rolled.refusal['code'], 'history-forked', rolled.stderr);
  const stranger = noteSigner(old.origin, new Uint8Array(32).fill(9));
  lying.lie = (path, text) =>
    path === '/v1/ledger'
      ? JSON.stringify({
          ...(JSON.parse(text) as JsonObject),
          checkpoint: signCheckpoint({ origin: old.origin, size: 999, root: '0'.repeat(64) }, stranger),
        })
      : text;
  const unsigned = await approve(request, digest, 'linus', [], 'grace');
  assert.equal(unsigned.refusal['code'], 'note-unsigned', unsigned.stderr);
  nothingSigned();
});

test('another ledger than the pin, or another genesis behind it', async () => {
  const { request, change: digest } = await running.ask();
  lying.lie = (path, text) =>
    path === '/v1/ledger/entries/0' ? text.replace('countersign.dev/genesis', 'countersign.dev/Genesis') : text;
  const genesis = await approve(request, digest, 'linus', [], 'fresh');
  assert.equal(genesis.refusal['code'], 'ledger-elsewhere', genesis.stderr);
  const elsewhere = await startRunning({ nonce: 'f'.repeat(32) });
  try {
    const no = await desks.run('linus', ['list'], { COUNTERSIGN_SERVER: elsewhere.url });
    assert.deepEqual([no.refusal['code'], no.code], ['ledger-elsewhere', 7], no.stderr);
  } finally {
    await elsewhere.close();
  }
  nothingSigned();
});

test('a receipt that proves another statement, or nothing, is no receipt (W4)', async () => {
  const [mine, other] = [await running.ask(), await running.ask()];
  const theirs = await running.vote(other.request, 'linus');
  lying.lie = (path, text) =>
    path === `/v1/requests/${mine.request}/votes`
      ? change(text, (answer) => ({ ...answer, receipt: theirs.body.receipt }))
      : text;
  const no = await approve(mine.request, mine.change);
  assert.deepEqual([no.refusal['code'], no.code], ['receipt-invalid', 7], no.stderr);
});

test('a login for another server is not signed (T7)', async () => {
  const no = await desks.run('vint', ['list'], { COUNTERSIGN_SERVER: lying.url });
  assert.equal(no.refusal['code'], 'ledger-elsewhere', no.stderr);
  assert.ok(!lying.seen.includes('POST /v1/sessions'));
});

test('bidi and lookalikes in the content are shown for what they are; bytes that are no text are not signed (A35)', async () => {
  const attach = async (bytes: Uint8Array | string) => {
    const content = digestOf(bytes);
    const body = running.requestBody({ content });
    const answer = await running.post<{ request: string; change: string }>('/v1/requests', {
      ...body,
      attachments: { [content]: Buffer.from(bytes).toString('base64') },
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body;
  };
  const tricky = await attach('pay \u202ereversed\u202c to p\u0430ypal\u200b\u001b[8m');
  const shown = await approve(tricky.request, tricky.change);
  assert.equal(shown.code, 0, shown.stderr);
  assert.ok(shown.stderr.includes('pay \\u{202e}reversed\\u{202c} to p\\u{430}ypal\\u{200b}\\u{1b}[8m'), shown.stderr);
  // oxlint-disable-next-line no-control-regex -- these must not reach the terminal
  assert.doesNotMatch(shown.stderr, /[\u001b\u202e\u200b]/);
  const bytes = Uint8Array.of(0x7f, 0x45, 0xff, 0xfe, 0, 1);
  const binary = await attach(bytes);
  const unseen = await approve(binary.request, binary.change);
  assert.deepEqual([unseen.refusal['code'], unseen.code], ['change-not-shown', 7], unseen.stderr);
  const wrong = await approve(binary.request, binary.change, 'linus', ['--content', desks.write('mine', 'other')]);
  assert.equal(wrong.refusal['code'], 'vote-not-confirmed');
  const own = await approve(binary.request, binary.change, 'linus', ['--content', desks.write('mine', bytes)]);
  assert.equal(own.code, 0, own.stderr);
  const missing = await attach('hello');
  lying.lie = (path, text) => {
    if (path !== `/v1/requests/${missing.request}/case`) return text;
    const file = JSON.parse(text) as JsonObject;
    const blobs = { ...(file['blobs'] as JsonObject) } as { [digest: string]: string };
    delete blobs[digestOf('hello')];
    return canonicalize({ ...file, blobs });
  };
  const hidden = await approve(missing.request, missing.change);
  assert.notEqual(hidden.code, 0);
});
