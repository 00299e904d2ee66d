// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatArmoredSignature } from '../../src/crypto/sshsig.ts';
import { openSigner, readPublicKey } from '../../src/client/signer.ts';
import { makeKey, publicLine, scratch, sshKeygenVerifies, startAgent } from './ssh-tools.ts';

const namespace = 'countersign-vote@v1';
const text = '{"decision":"approve","what":"é"}';

const types = [
  ['ed25519', ['ed25519']],
  ['ecdsa', ['ecdsa', '-b', '256']],
  ['rsa', ['rsa', '-b', '2048']],
] as const;

for (const [name, type] of types)
  test(`what a ${name} key file signs, stock ssh-keygen verifies; in its own namespace only`, async (t) => {
    const folder = scratch(t);
    const file = makeKey(folder, name, type);
    const signer = await openSigner(file, { env: {}, input: false });
    assert.ok(signer.ok);
    const blob = await signer.value.sign(text, namespace);
    assert.ok(blob.ok);
    const given = { folder, line: publicLine(file), text, armored: formatArmoredSignature(blob.value) };
    assert.ok(sshKeygenVerifies({ ...given, namespace }));
    assert.ok(!sshKeygenVerifies({ ...given, namespace: 'countersign-login@v1' }));
    assert.ok(!sshKeygenVerifies({ ...given, namespace, text: `${text} ` }));
  });

test('a real agent signs with each kind of key, chosen by fingerprint or by public key file', async (t) => {
  const folder = scratch(t);
  const files = types.map(([name, type]) => makeKey(folder, name, type));
  const env = { SSH_AUTH_SOCK: await startAgent(t, folder, files) };
  for (const file of files) {
    const key = readPublicKey(`${file}.pub`);
    assert.ok(key.ok);
    for (const spec of [`agent:${key.value.fingerprint}`, key.value.fingerprint, `${file}.pub`]) {
      const signer = await openSigner(spec, { env, input: false });
      assert.ok(signer.ok, spec);
      assert.equal(signer.value.key.fingerprint, key.value.fingerprint);
      const blob = await signer.value.sign(text, namespace);
      assert.ok(blob.ok);
      assert.ok(
        sshKeygenVerifies({
          folder,
          line: key.value.line,
          namespace,
          text,
          armored: formatArmoredSignature(blob.value),
        }),
      );
    }
  }
  const vague = await openSigner('agent', { env, input: false });
  assert.ok(!vague.ok);
  assert.match(vague.refusal.message, /holds 3 keys/);
  const other = await openSigner(`agent:SHA256:${'A'.repeat(43)}`, { env, input: false });
  assert.ok(!other.ok && other.refusal.code === 'signer-unavailable');
});

test('an agent with one key needs no choice; one that is gone is a clear no', async (t) => {
  const folder = scratch(t);
  const file = makeKey(folder, 'only', ['ed25519']);
  const env = { SSH_AUTH_SOCK: await startAgent(t, folder, [file]) };
  const signer = await openSigner('agent', { env, input: false });
  assert.ok(signer.ok);
  assert.ok((await signer.value.sign(text, namespace)).ok);
  for (const gone of [{}, { SSH_AUTH_SOCK: join(folder, 'nobody') }]) {
    const none = await openSigner('agent', { env: gone, input: false });
    assert.ok(!none.ok && none.refusal.code === 'signer-unavailable');
  }
});

test('an agent that answers with a signature over other bytes is not believed', async (t) => {
  const folder = scratch(t);
  const file = makeKey(folder, 'k', ['ed25519']);
  const real = await startAgent(t, folder, [file]);
  const { connect } = await import('node:net');
  const socket = join(folder, 'liar.sock');
  const liar = createServer((client) => {
    client.on('data', (message: Buffer) => {
      // Turns one bit of what is to be signed, and passes everything on.
      const changed = Buffer.from(message);
      if (changed[4] === 13) changed[changed.length - 10] = (changed[changed.length - 10] ?? 0) ^ 1;
      const upstream = connect(real, () => upstream.write(changed));
      upstream.on('data', (answer) => client.write(answer));
      client.on('close', () => upstream.destroy());
    });
    client.on('error', () => {});
  });
  await new Promise<void>((resolve) => liar.listen(socket, resolve));
  t.after(() => liar.close());
  const signer = await openSigner('agent', { env: { SSH_AUTH_SOCK: socket }, input: false });
  assert.ok(signer.ok);
  const blob = await signer.value.sign(text, namespace);
  assert.ok(!blob.ok && blob.refusal.code === 'signature-invalid');
});

test('a key behind a passphrase goes through ssh-keygen, and without input it is a clear no', async (t) => {
  const folder = scratch(t);
  const file = makeKey(folder, 'locked', ['ed25519'], 'correct horse');
  const refused = await openSigner(file, { env: { PATH: process.env['PATH'] }, input: false });
  assert.ok(refused.ok);
  const no = await refused.value.sign(text, namespace);
  assert.ok(!no.ok && no.refusal.code === 'signer-unavailable');
  // With a program that knows the passphrase, stock ssh-keygen asks that and signs.
  const askpass = join(folder, 'askpass');
  writeFileSync(askpass, '#!/bin/sh\necho correct horse\n');
  chmodSync(askpass, 0o700);
  const env = { PATH: process.env['PATH'], SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' };
  const signer = await openSigner(file, { env, input: true });
  assert.ok(signer.ok);
  const blob = await signer.value.sign(text, namespace);
  assert.ok(blob.ok, blob.ok ? '' : blob.refusal.message);
  const line = readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  assert.ok(sshKeygenVerifies({ folder, line, namespace, text, armored: formatArmoredSignature(blob.value) }));
});

test('a key file that is missing, or is no key, names the file', async (t) => {
  const folder = scratch(t);
  const missing = await openSigner(join(folder, 'nothing'), { env: {}, input: false });
  assert.ok(!missing.ok && missing.refusal.message.includes('nothing'));
  writeFileSync(join(folder, 'junk'), 'hello');
  const junk = await openSigner(join(folder, 'junk'), { env: {}, input: false });
  assert.ok(!junk.ok);
});
