// SPDX-License-Identifier: Apache-2.0
// SPEC L14 L20: a witness over HTTP (c2sp.org/tlog-witness), and the cases of another one (torchwood's litewitness).
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { formatVerifierKey, noteSigner, noteVerifier, signNote } from '../../src/crypto/signed-note.ts';
import { parseWitnessedLogs } from '../../src/ledger/witnessed-logs.ts';
import { formatAddCheckpoint } from '../../src/ledger/witness.ts';
import { makeWitnessFolder } from '../../src/server/witness-folder.ts';
import { startWitness } from '../../src/server/witness-server.ts';
import { log, treeOf } from '../adapters/witness-sites.ts';
import { readVectorText, vectorTest } from '../vectors.ts';
import { add, office, timeOf } from './witness-office.ts';

const tree = treeOf(64);
const body = (old: number, size: number): string =>
  formatAddCheckpoint({ old, proof: tree.proof(old, size), note: tree.noteAt(size) });
const at = (seconds: number) => () => seconds * 1000 + 999;
const monitored = (url: string, origin: string): Promise<Response> => fetch(`${url}/${sha256Hex(origin)}/checkpoint`);

vectorTest('the cases of litewitness hold over HTTP, with 404 for an unknown log', 'tlog-witness', async (t) => {
  const script = readVectorText('tlog-witness/torchwood-litewitness.txtar');
  const publicKey = Buffer.from(/add-sigsum-log -key=([0-9a-f]{64})/.exec(script)?.[1] ?? '', 'hex');
  const origin = /sigsum\.org\/v1\/tree\/[0-9a-f]{64}/.exec(script)?.[0] ?? '';
  const key = noteVerifier(origin, publicKey);
  assert.ok(key.ok);
  const desk = office(t, [formatVerifierKey(key.value)]);
  const { url } = await desk.start();
  const cases = [...script.matchAll(/```\n([\s\S]*?)```\nHTTP (\d{3})\n\[Asserts\]\nbody (.*)\n/g)];
  assert.equal(cases.length, 9);
  for (const [nr, [, sent = '', status = '', told = '']] of cases.entries()) {
    const answer = await add(url, sent);
    assert.equal(answer.status, told.includes('unknown log') ? 404 : Number(status), `case ${nr + 1}: ${told}`);
    if (answer.status === 409) assert.equal(told, `== ${JSON.stringify(answer.body)}`);
    if (answer.status === 200) timeOf(sent.slice(sent.indexOf('\n\n') + 2), answer.body, desk.key);
  }
  assert.match(await (await monitored(url, origin)).text(), /\n5\n/);
});

vectorTest('a log whose key has another name than its origin is known by both', 'tlog-witness', async (t) => {
  const script = readVectorText('tlog-witness/torchwood-sumdb.txtar');
  const vkey = /-key (sum\.golang\.org\S+)/.exec(script)?.[1] ?? '';
  const [sent = ''] = /(?<=```\n)old 0[\s\S]*?(?=```)/.exec(script) ?? [];
  const desk = office(t, [vkey]);
  const first = await desk.start();
  assert.equal((await add(first.url, sent)).status, 404);
  await first.stop();
  writeFileSync(join(desk.dir, 'logs'), `log ${vkey}\norigin go.sum database tree\n`);
  const { url } = await desk.start();
  const answer = await add(url, sent);
  assert.equal(answer.status, 200);
  timeOf(sent.slice(sent.indexOf('\n\n') + 2), answer.body, desk.key);
});

test('L14: status, content type and body of every answer are those of the specification', async (t) => {
  const desk = office(t);
  const { url } = await desk.start({ now: at(1_700_000_000) });
  const origin = log.name;
  assert.equal((await monitored(url, origin)).status, 404);
  const first = await add(url, body(0, 8));
  assert.deepEqual([first.status, first.type], [200, 'text/plain; charset=utf-8']);
  assert.match(first.body, /^— witness\.example\/w1 [A-Za-z0-9+/]+=*\n$/);
  assert.equal(timeOf(tree.noteAt(8), first.body, desk.key), 1_700_000_000);
  assert.deepEqual(await add(url, body(0, 13)), { status: 409, type: 'text/x.tlog.size', body: '8\n' });
  const other = treeOf(64, 'two');
  for (const [status, sent] of [
    [400, ''],
    [400, 'old 8\n'],
    [400, Buffer.from([0xff, 0xfe])],
    [400, `\ufeff${body(8, 13)}`],
    [400, formatAddCheckpoint({ old: 14, proof: [], note: tree.noteAt(13) })],
    [403, formatAddCheckpoint({ old: 8, proof: [], note: tree.noteAt(13).replace('\n13\n', '\n14\n') })],
    [404, formatAddCheckpoint({ old: 0, proof: [], note: signNote('elsewhere\n1\nx\n', [log]) })],
    [413, 'x'.repeat(65 * 1024)],
    [422, formatAddCheckpoint({ old: 8, proof: tree.proof(8, 12), note: tree.noteAt(13) })],
    [422, formatAddCheckpoint({ old: 8, proof: [], note: other.noteAt(8) })],
  ] as const) {
    const answer = await add(url, sent);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.type, /^text\/plain/);
    assert.match(answer.body, /^[^\n]+\n$/);
  }
  // What monitors fetch: the log's signature that was verified and the witness's own, nobody else's.
  const stranger = noteSigner('stranger.example', Buffer.alloc(32, 7));
  const noteBoth = `${tree.noteAt(13)}${signNote('x\n', [stranger]).slice(3)}`;
  const second = await add(url, formatAddCheckpoint({ old: 8, proof: tree.proof(8, 13), note: noteBoth }));
  assert.equal(second.status, 200);
  const kept = await monitored(url, origin);
  assert.equal(kept.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(await kept.text(), tree.noteAt(13) + second.body);
  for (const [method, path, status] of [
    ['GET', '/livez', 200],
    ['HEAD', '/livez', 200],
    ['POST', '/livez', 405],
    ['GET', '/add-checkpoint', 405],
    ['POST', `/${sha256Hex(origin)}/checkpoint`, 405],
    ['GET', `/${sha256Hex('x')}/checkpoint`, 404],
    ['GET', '/', 404],
    ['POST', '/sign-subtree', 404],
  ] as const)
    assert.equal((await fetch(url + path, { method })).status, status, `${method} ${path}`);
  // Two roots of one size are told loudly, with both notes: they prove that the log showed two histories.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.match(desk.logged(), /"event":"two-histories".*log\.example\/a\\n8\\n.*log\.example\/a\\n8\\n/);
});

test('L14: many at a time for one log are taken one after another, and of two roots of one size one wins', async (t) => {
  const desk = office(t);
  const { url } = await desk.start();
  const other = treeOf(64, 'two');
  const rival = formatAddCheckpoint({ old: 0, proof: [], note: other.noteAt(9) });
  const answers = await Promise.all([body(0, 9), rival, body(0, 9), rival, body(0, 20)].map((sent) => add(url, sent)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1, 'the first of them wins');
  assert.ok(answers.every(({ status, body: told }) => status === 200 || (status === 409 && /^(9|20)\n$/.test(told))));
  const [, size, root] = (await (await monitored(url, log.name)).text()).split('\n');
  const won = [tree, other].find((one) => one.noteAt(Number(size)).includes(root ?? '-')) ?? assert.fail('neither won');
  // Everybody goes on from wherever they believe, until they are told that others are further: sizes only grow.
  let [last, cosigned] = [Number(size), 0];
  const press = async (to: number): Promise<void> => {
    for (let old = Number(size); old <= to; ) {
      const sent = formatAddCheckpoint({ old, proof: won.proof(old, to), note: won.noteAt(to) });
      const { status, body: told } = await add(url, sent);
      if (status === 200) {
        assert.ok(to >= last, `${to} after ${last}`);
        [last, cosigned] = [to, cosigned + 1];
        return;
      }
      assert.equal(status, 409, told);
      old = Number(told);
    }
  };
  await Promise.all(Array.from({ length: 40 }, (_, nr) => press(21 + nr)));
  assert.equal(last, 60, 'the largest of them is never beaten');
  assert.ok(cosigned > 1);
  assert.match(await (await monitored(url, log.name)).text(), /^log\.example\/a\n60\n/);
});

test('L20: no time is earlier than one that was given, of whatever log, and after a start as well', async (t) => {
  const elsewhere = noteSigner('log.example/b', Buffer.alloc(32, 3));
  const desk = office(t, [formatVerifierKey(log), formatVerifierKey(elsewhere)]);
  let now = 1_700_000_100;
  const clock = (): number => now * 1000;
  const first = await desk.start({ now: clock });
  const time = async (url: string, old: number, size: number): Promise<number> => {
    const answer = await add(url, body(old, size));
    assert.equal(answer.status, 200, answer.body);
    return timeOf(tree.noteAt(size), answer.body, desk.key);
  };
  assert.equal(await time(first.url, 0, 8), now);
  now -= 2;
  assert.equal(await time(first.url, 8, 9), now + 2, 'a step of two seconds is held');
  now -= 1;
  const refused = await add(first.url, body(9, 10));
  assert.equal(refused.status, 503);
  assert.match(refused.body, /clock of the witness is 3 seconds behind/);
  const empty = `${elsewhere.name}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`;
  assert.equal((await add(first.url, `old 0\n\n${signNote(empty, [elsewhere])}`)).status, 503, 'nor for another log');
  await first.stop();
  const again = await desk.start({ now: clock });
  assert.equal((await add(again.url, body(9, 10))).status, 503, 'it remembers its last time');
  now += 10;
  assert.equal(await time(again.url, 9, 10), now);
});

test('L20: it goes on after a start where it was, and the same within a second is the same signature', async (t) => {
  const desk = office(t);
  const first = await desk.start({ now: at(1_700_000_000) });
  const one = await add(first.url, body(0, 8));
  const file = join(desk.dir, 'state', sha256Hex(log.name));
  const { ino } = statSync(file);
  assert.deepEqual(await add(first.url, body(8, 8)), one);
  assert.equal(statSync(file).ino, ino, 'nothing was written for it');
  await first.stop();
  const again = await desk.start({ now: at(1_700_000_007) });
  assert.equal((await add(again.url, body(0, 8))).status, 409);
  const same = await add(again.url, body(8, 8));
  assert.equal(timeOf(tree.noteAt(8), same.body, desk.key), 1_700_000_007, 'the same is cosigned anew');
  assert.notEqual(statSync(file).ino, ino);
  assert.equal((await add(again.url, body(8, 30))).status, 200);
});

test('L20: what is damaged or gone stops it; it never begins again from nothing', async (t) => {
  const desk = office(t);
  const running = await desk.start();
  assert.equal((await add(running.url, body(0, 8))).status, 200);
  const refusesToStart = async (code: string, message: RegExp): Promise<void> => {
    const started = await startWitness({ dir: desk.dir, log: () => undefined, fatal: () => undefined });
    assert.ok(!started.ok);
    assert.equal(started.refusal.code, code, started.refusal.message);
    assert.match(started.refusal.message, message);
  };
  await refusesToStart('store-locked', /in use by process/);
  await running.stop();
  const [origins, state] = [join(desk.dir, 'state', 'origins'), join(desk.dir, 'state', sha256Hex(log.name))];
  const change = async (file: string, to: string | undefined, code: string, message: RegExp): Promise<void> => {
    const [before, mode] = [readFileSync(file), statSync(file).mode];
    if (to === undefined) rmSync(file);
    else writeFileSync(file, to);
    await refusesToStart(code, message);
    writeFileSync(file, before, { mode });
  };
  const note = readFileSync(state, 'utf8');
  for (const to of [undefined, '', note.slice(0, -10), note.replace('\n8\n', '\n7\n'), tree.noteAt(8), 'x'])
    await change(state, to, 'witness-state-damaged', /state/);
  for (const to of [undefined, 'x\n', sha256Hex(log.name), `${sha256Hex(log.name)}\n${sha256Hex('never')}\n`])
    await change(origins, to, 'witness-state-damaged', /state/);
  const [key, vkey] = [join(desk.dir, 'witness.key'), join(desk.dir, 'witness.vkey')];
  await change(key, undefined, 'witness-missing', /no witness/);
  await change(key, 'x', 'key-malformed', /key/);
  await change(vkey, undefined, 'log-key-mismatch', /cannot be read/);
  await change(vkey, 'x\n', 'log-key-mismatch', /no verifier key/);
  await change(vkey, `${running.vkey.replace('w1', 'w2')}\n`, 'log-key-mismatch', /no verifier key/);
  await change(join(desk.dir, 'logs'), undefined, 'config-malformed', /logs/);
  await change(join(desk.dir, 'logs'), 'log x\n', 'witness-policy-malformed', /line 1/);
  const again = await desk.start();
  assert.equal((await add(again.url, body(0, 9))).body, '8\n', 'put back, it serves again');
  await again.stop();
  // A crash between the checkpoint and the list leaves a file that no list names: it counts.
  writeFileSync(origins, '');
  const unlisted = await desk.start();
  assert.equal((await add(unlisted.url, body(0, 9))).body, '8\n');
  assert.equal((await add(unlisted.url, body(8, 9))).status, 200);
  assert.equal(readFileSync(origins, 'utf8'), `${sha256Hex(log.name)}\n`);
});

test('L20: a disk that fails ends it, and nothing was answered', async (t) => {
  const desk = office(t);
  const failures: unknown[] = [];
  const running = await desk.start({ fatal: (error) => failures.push(error) });
  assert.equal((await add(running.url, body(0, 8))).status, 200);
  // Where the new file should go there is a folder: writing fails, whoever the user is.
  const blocked = `${join(desk.dir, 'state', sha256Hex(log.name))}.new`;
  mkdirSync(blocked);
  const answers = await Promise.all([body(8, 9), body(8, 10), body(8, 9)].map((sent) => add(running.url, sent)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [503, 503, 503],
  );
  assert.equal(failures.length, 1);
  rmSync(blocked, { recursive: true });
  assert.equal((await add(running.url, body(8, 9))).status, 503, 'it has to be started again');
  await running.stop();
  const again = await desk.start();
  assert.equal((await add(again.url, body(8, 9))).status, 200);
});

test('H10: slow and greedy senders hold nobody else up', async (t) => {
  const desk = office(t);
  const { url, port } = await desk.start({ perAddress: 4 });
  const slow = Array.from({ length: 4 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\nold 0');
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const held = await add(url, body(0, 8));
  assert.equal(held.status, 503, 'this address has enough under way');
  for (const socket of slow) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await add(url, body(0, 8))).status, 200);
  // A body without a length and without an end is cut off at the limit.
  const endless = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let told = '';
    socket.on('data', (chunk) => {
      told += chunk.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(told));
    socket.write('POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let nr = 0; nr < 20; nr += 1) socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`);
  });
  assert.match(endless, /^HTTP\/1\.1 413 /);
});

test('H5: beyond this machine only with TLS or behind a proxy that is named', async (t) => {
  const desk = office(t);
  const started = await startWitness({ dir: desk.dir, host: '0.0.0.0', fatal: () => undefined });
  assert.equal(started.ok ? '' : started.refusal.code, 'listen-without-tls');
});

test('L20: the list of logs is read strictly', () => {
  const vkey = formatVerifierKey(log);
  const second = formatVerifierKey(noteSigner(log.name, Buffer.alloc(32, 5)));
  const read = parseWitnessedLogs(`# logs\n\n\tlog  ${vkey} https://log.example/\nlog ${second}\n`);
  assert.ok(read.ok);
  assert.deepEqual(
    read.value.map(({ origin, keys }) => [origin, keys.length]),
    [[log.name, 2]],
  );
  for (const [text, line, why] of [
    [`log ${vkey}`, 1, /cut/],
    [`log ${vkey}\r\n`, 1, /control/],
    ['log\n', 1, /log <vkey>/],
    ['log x\n', 1, /verifier key/],
    [`log ${vkey} a b\n`, 1, /log <vkey>/],
    [`witness ${vkey}\n`, 1, /log <vkey>/],
    ['origin x\n', 1, /behind/],
    [`log ${vkey}\norigin\n`, 2, /first line/],
    [`log ${vkey}\norigin x\norigin y\n`, 3, /behind/],
    [`log ${vkey}\nlog ${vkey}\n`, 2, /same key/],
    ['# \ud800\n', 1, /UTF-8/],
  ] as const) {
    const refused = parseWitnessedLogs(text);
    assert.ok(!refused.ok, text);
    assert.equal(refused.refusal.facts['line'], line);
    assert.match(refused.refusal.message, why);
  }
});

test('L20: a folder that holds a witness is never founded again', (t) => {
  const desk = office(t);
  assert.equal(statSync(join(desk.dir, 'witness.key')).mode & 0o077, 0);
  assert.ok(existsSync(join(desk.dir, 'state', 'origins')));
  assert.deepEqual(readdirSync(desk.dir).toSorted(), ['logs', 'state', 'witness.key', 'witness.vkey']);
  const keep = (): never => assert.fail('nothing may be written');
  const again = makeWitnessFolder(desk.dir, 'witness.example/w1', [], keep);
  assert.match(again.ok ? '' : again.refusal.message, /holds a witness already/);
  rmSync(join(desk.dir, 'witness.key'));
  assert.ok(!makeWitnessFolder(desk.dir, 'witness.example/w1', [], keep).ok, 'nor where one was');
  assert.equal(makeWitnessFolder(`${desk.dir}-2`, 'a name', [], keep).ok, false);
  assert.equal(makeWitnessFolder(`${desk.dir}-2`, 'a', ['x'], keep).ok, false);
  assert.ok(!existsSync(`${desk.dir}-2`), 'nothing is left of it');
});
