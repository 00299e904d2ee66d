// SPDX-License-Identifier: Apache-2.0
// SPEC L20: what a log takes from those it asks to cosign, over real connections.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { readWitnessAddress } from '../../src/adapters/witness/witness-address.ts';
import { witnessClient, witnessesOf } from '../../src/adapters/witness/witness-client.ts';
import { cosign, cosigner, formatCosignerKey, verifyCosignatures } from '../../src/crypto/cosignature.ts';
import { ok, type Result } from '../../src/kernel/refusal.ts';
import type { Witness } from '../../src/ledger/witness-port.ts';
import { parseWitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { judgeCheckpoint, parseAddCheckpoint, type Cosigned } from '../../src/ledger/witness.ts';
import { pause } from '../crash/killed-child.ts';
import { log, logKey, site, treeOf, verifierOf, witnessKey, type Site } from './witness-sites.ts';

const at = 1_700_000_000;
const key = verifierOf(witnessKey);
const tree = treeOf(40);

const clientOf = (url: string, timeoutMs = 2000): Witness => {
  const address = readWitnessAddress(url);
  assert.ok(address.ok, address.ok ? '' : address.refusal.message);
  return witnessClient({ key, address: address.value, timeoutMs });
};
const textOf = (note: string): string => note.slice(0, note.indexOf('\n\n') + 1);
const says = (response: ServerResponse, status: number, body: string, type = 'text/plain'): void => {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
};

const open = async (t: TestContext, ...args: Parameters<typeof site>): Promise<Site> => {
  const opened = await site(...args);
  t.after(() => opened.close());
  return opened;
};

/** A witness as the library judges, without a disk. */
const honest = (t: TestContext, kept = new Map<string, Cosigned>()): Promise<Site> =>
  open(t, (body, response) => {
    const request = parseAddCheckpoint(body);
    assert.ok(request.ok);
    const judged = judgeCheckpoint(request.value, [{ origin: log.name, keys: [logKey] }], (origin) => kept.get(origin));
    if (judged.status === 409) says(response, 409, `${judged.size}\n`, 'text/x.tlog.size');
    else if (judged.status !== 200) says(response, judged.status, judged.refusal.message);
    else {
      kept.set(log.name, judged.checkpoint);
      says(response, 200, cosign(judged.text, witnessKey, at));
    }
  });

const held = (given: Result<string>, size: number): void => {
  assert.ok(given.ok, given.ok ? '' : given.refusal.message);
  const checked = verifyCosignatures(tree.noteAt(size) + given.value, [key]);
  assert.ok(checked.ok);
  assert.deepEqual(checked.value.cosignatures, [{ name: key.name, id: key.id, time: at }]);
};
const refusal = (given: Result<string>, code: string, message: RegExp) => {
  assert.ok(!given.ok, given.ok ? given.value : '');
  assert.equal(given.refusal.code, code, given.refusal.message);
  assert.match(given.refusal.message, message);
  assert.match(given.refusal.message, /witness\.example\/w1/, 'it names the witness');
  assert.ok(given.refusal.help !== undefined);
  return given.refusal;
};
const olds = ({ asked }: Site): (string | undefined)[] => asked.map((body) => body.split('\n', 1)[0]);

test('L20: it goes on from what the witness cosigned last, which it remembers', async (t) => {
  const witness = await honest(t);
  const client = clientOf(`${witness.url}/`);
  held(await client.cosign(tree.request(5)), 5);
  held(await client.cosign(tree.request(9)), 9);
  held(await client.cosign(tree.request(9)), 9);
  assert.deepEqual(olds(witness), ['old 0', 'old 5', 'old 9']);
  // A process that starts knows nothing: the witness tells it, and it asks once more.
  held(await clientOf(witness.url).cosign(tree.request(21)), 21);
  assert.deepEqual(olds(witness).slice(3), ['old 0', 'old 9']);
  // And this one was overtaken.
  held(await client.cosign(tree.request(22)), 22);
  assert.deepEqual(olds(witness).slice(5), ['old 9', 'old 21']);
});

test('L20: a witness that has cosigned more than the log has is said so, with both sizes', async (t) => {
  const kept = new Map<string, Cosigned>();
  const witness = await honest(t, kept);
  held(await clientOf(witness.url).cosign(tree.request(30)), 30);
  for (const client of [clientOf(witness.url), clientOf(witness.url)])
    for (const size of [20, 0])
      assert.deepEqual(refusal(await client.cosign(tree.request(size)), 'witness-ahead', /at size 30/).facts, {
        witness: key.name,
        size: 30,
        own: size,
      });
});

test('L20: another history is refused by the witness, and the refusal says that two histories have this name', async (t) => {
  const witness = await honest(t);
  held(await clientOf(witness.url).cosign(tree.request(8)), 8);
  const forked = treeOf(40, 'two');
  for (const size of [8, 13]) {
    const { help, facts } = refusal(
      await clientOf(witness.url).cosign(forked.request(size)),
      'witness-refused',
      /go on/,
    );
    assert.match(help ?? '', /two histories/);
    assert.equal(facts['status'], 422);
  }
});

test('L20: each answer of the specification has its own refusal; no redirect is followed', async (t) => {
  const other = await open(t, (_, response) => says(response, 200, cosign(textOf(tree.noteAt(5)), witnessKey, at)));
  for (const [status, message, help] of [
    [400, /malformed/, /version/],
    [403, /trusts no key/, /verifier key/],
    [404, /does not know/, /verifier key/],
    [422, /does not go on/, /two histories/],
    [500, /status 500/, /later/],
    [301, /status 301/, /redirects/],
    [307, /status 307/, /redirects/],
    [204, /status 204/, /address/],
  ] as const) {
    const witness = await open(t, (_, response) => {
      response.writeHead(status, { location: other.url });
      response.end(status === 204 ? undefined : 'a `word`\u001b[31m\nof its own');
    });
    const given = refusal(await clientOf(witness.url).cosign(tree.request(5)), 'witness-refused', message);
    assert.match(given.help ?? '', help);
    assert.match(given.message, /^[\x20-\x7e]+$/, 'its words are plain');
    if (status !== 204) assert.match(given.message, /`a 'word' \[31m of its own`/);
  }
  assert.deepEqual(other.asked, []);
});

test('L20: no answer, a slow one, a cut one and one without end are refused in time', async (t) => {
  const client = (url: string): Witness => clientOf(url, 300);
  const gone = await site(() => undefined);
  await gone.close();
  refusal(await client(gone.url).cosign(tree.request(5)), 'witness-unreachable', /ECONNREFUSED/);
  const silent = await open(t, () => undefined);
  refusal(await client(silent.url).cosign(tree.request(5)), 'witness-unreachable', /within 300 ms/);
  const trickling = await open(t, (_, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('—'), 20);
    response.on('close', () => clearInterval(timer));
  });
  refusal(await client(trickling.url).cosign(tree.request(5)), 'witness-unreachable', /within 300 ms/);
  const cut = await open(t, (_, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('— w', () => response.destroy());
  });
  refusal(await client(cut.url).cosign(tree.request(5)), 'witness-unreachable', /did not answer/);
  const endless = await open(t, (_, response) => {
    const flow = (): void => {
      while (!response.destroyed && response.write('x'.repeat(8192)));
      if (!response.destroyed) response.once('drain', flow);
    };
    flow();
  });
  refusal(await clientOf(endless.url).cosign(tree.request(5)), 'witness-unreachable', /longer than 16384/);
  const binary = await open(t, (_, response) => response.end(Buffer.from([0xe2, 0x28, 0xa1])));
  refusal(await client(binary.url).cosign(tree.request(5)), 'witness-unreachable', /UTF-8/);
  // Whoever answers with another protocol gets no socket, and is no promise that nobody keeps.
  const switching = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'));
  });
  await new Promise<void>((done) => switching.listen(0, '127.0.0.1', done));
  t.after(() => switching.close());
  const { port } = switching.address() as AddressInfo;
  for (let round = 0; round < 6; round += 1)
    refusal(
      await Promise.race([
        client(`http://127.0.0.1:${port}`).cosign(tree.request(5)),
        pause(2000).then(() => ok('late')),
      ]),
      'witness-unreachable',
      /another protocol/,
    );
  const leaving = new AbortController();
  const asked = clientOf(silent.url, 60_000).cosign(tree.request(5, leaving.signal));
  leaving.abort();
  refusal(await asked, 'witness-unreachable', /nobody waits/);
});

test('L20: what is no cosignature of its key for this very checkpoint is not taken', async (t) => {
  const text = textOf(tree.noteAt(5));
  const good = cosign(text, witnessKey, at);
  const elsewhere = cosigner('witness.example/w1', Buffer.alloc(32, 9));
  const bytes = Buffer.from(good.trim().split(' ')[2] ?? '', 'base64');
  const line = (signature: Uint8Array): string => `— ${key.name} ${Buffer.from(signature).toString('base64')}\n`;
  const changed = Buffer.from(bytes);
  changed[20] = (changed[20] ?? 0) ^ 1;
  const timeless = Buffer.from(bytes);
  timeless.fill(0, 4, 12);
  for (const [body, why] of [
    ['', /not lines of signatures/],
    ['ok\n', /not lines of signatures/],
    [good.trimEnd(), /not lines of signatures/],
    [good.replace('\n', '\r\n'), /not lines of signatures/],
    [`${good}thank you\n`, /not lines of signatures/],
    [`another\n\n${good}`, /not lines of signatures/],
    [`${tree.noteAt(5)}${good}`, /not lines of signatures/],
    [cosign(text, elsewhere, at), /not sign with the key/],
    [tree.noteAt(5).slice(text.length + 1), /not sign with the key/],
    [good + cosign(text, witnessKey, at + 1), /more than once/],
    [cosign(textOf(tree.noteAt(6)), witnessKey, at), /does not hold/],
    [line(changed), /does not hold/],
    [line(timeless), /does not hold/],
    [line(bytes.subarray(0, 40)), /is cut/],
  ] as const) {
    const witness = await open(t, (_, response) => says(response, 200, body));
    refusal(await clientOf(witness.url).cosign(tree.request(5)), 'witness-answer-malformed', why);
  }
  // Lines of keys that nobody asked for are left aside, and go no further.
  const witness = await open(t, (_, response) =>
    says(response, 200, cosign(text, elsewhere, at) + good + cosign(text, cosigner('b', Buffer.alloc(32, 8)), at)),
  );
  const given = await clientOf(witness.url).cosign(tree.request(5));
  assert.ok(given.ok);
  assert.equal(given.value, good);
});

test('L20: a conflict has to name a size, in the type of the specification, and is followed once', async (t) => {
  for (const [body, type] of [
    ['7', 'text/x.tlog.size'],
    ['07\n', 'text/x.tlog.size'],
    ['-1\n', 'text/x.tlog.size'],
    ['99999999999999999999\n', 'text/x.tlog.size'],
    ['3\n', 'text/plain'],
    ['0\n', 'text/x.tlog.size'],
  ] as const) {
    const witness = await open(t, (_, response) => says(response, 409, body, type));
    refusal(await clientOf(witness.url).cosign(tree.request(5)), 'witness-answer-malformed', /conflict/);
    assert.equal(witness.asked.length, 1);
  }
  const restless = await open(t, (_, response, asked) => says(response, 409, `${asked}\n`, 'text/x.tlog.size'));
  refusal(await clientOf(restless.url).cosign(tree.request(5)), 'witness-refused', /somebody else/);
  assert.deepEqual(olds(restless), ['old 0', 'old 1']);
});

test('L20: an open connection that the witness closed meanwhile is no failure', async (t) => {
  const witness = await open(t, (body, response) => {
    assert.ok(body.startsWith('old '));
    response.setHeader('connection', 'keep-alive');
    says(response, 200, cosign(textOf(tree.noteAt(5)), witnessKey, at));
    // Closed right behind the answer, without a word, as servers do that have waited long enough.
    response.on('finish', () => setTimeout(() => response.socket?.resetAndDestroy(), 5));
  });
  const client = clientOf(witness.url);
  for (let round = 0; round < 5; round += 1) {
    held(await client.cosign(tree.request(5)), 5);
    await new Promise((resolve) => setTimeout(resolve, round * 3));
  }
});

test('L20: addresses are https, or this machine; nothing inside the network unless it is named', () => {
  const code = (url: string, allow: readonly string[] = []): string => {
    const read = readWitnessAddress(url, allow);
    return read.ok ? read.value.url.href : read.refusal.code;
  };
  assert.equal(code('https://witness.example/w1'), 'https://witness.example/w1/add-checkpoint');
  assert.equal(code('https://witness.example/w1/'), 'https://witness.example/w1/add-checkpoint');
  assert.equal(code('http://localhost:7'), 'http://localhost:7/add-checkpoint');
  assert.equal(code('https://10.1.2.3/', ['10.0.0.0/8']), 'https://10.1.2.3/add-checkpoint');
  for (const url of [
    'witness.example',
    'http://witness.example/',
    'ftp://witness.example/',
    'https://user:word@witness.example/',
    'https://witness.example/?a',
    'https://witness.example/#a',
    'https://169.254.169.254/',
    'https://10.1.2.3/',
    'https://[fd00::1]/',
  ])
    assert.equal(code(url), 'config-malformed', url);
  assert.equal(code('https://witness.example/', ['ten']), 'config-malformed');
});

test('L20: the witnesses of a policy are asked at the addresses it names', async (t) => {
  const witness = await honest(t);
  const policyOf = (text: string) => {
    const policy = parseWitnessPolicy(text);
    assert.ok(policy.ok);
    return policy.value;
  };
  const clients = witnessesOf(policyOf(`witness w ${formatCosignerKey(key)} ${witness.url}\nquorum w\n`));
  assert.ok(clients.ok);
  const [client] = clients.value;
  assert.ok(client !== undefined && clients.value.length === 1);
  held(await client.cosign(tree.request(5)), 5);
  const nowhere = witnessesOf(policyOf(`witness w ${formatCosignerKey(key)}\nquorum w\n`));
  assert.match(nowhere.ok ? '' : nowhere.refusal.message, /`w` has no address/);
  assert.ok(!witnessesOf(policyOf(`witness w ${formatCosignerKey(key)} ftp://x/\nquorum w\n`)).ok);
});
