// SPDX-License-Identifier: Apache-2.0
// SPEC S2, S6: OpenSSH's own test signatures, one for each key type.
import assert from 'node:assert/strict';
import { parseSshPublicKey } from '../../src/crypto/ssh-key.ts';
import { parseArmoredSignature, verifySshSignature } from '../../src/crypto/sshsig.ts';
import { readVector, readVectorText, vectorTest } from '../vectors.ts';

const expected = [
  { name: 'ed25519', type: 'ssh-ed25519', presence: false, verification: false },
  { name: 'ecdsa', type: 'ecdsa-sha2-nistp256', presence: false, verification: false },
  { name: 'rsa', type: 'ssh-rsa', presence: false, verification: false },
  { name: 'ed25519_sk', type: 'sk-ssh-ed25519@openssh.com', presence: true, verification: false },
  { name: 'ecdsa_sk', type: 'sk-ecdsa-sha2-nistp256@openssh.com', presence: true, verification: false },
  { name: 'ecdsa_sk_webauthn', type: 'sk-ecdsa-sha2-nistp256@openssh.com', presence: true, verification: false },
] as const;

for (const { name, type, presence, verification } of expected)
  vectorTest(`openssh's ${name} signature holds, for its message and namespace only`, 'sshsig', () => {
    const key = parseSshPublicKey(readVectorText(`sshsig/${name}.pub`).trim());
    const signature = parseArmoredSignature(readVectorText(`sshsig/${name}.sig`));
    assert.ok(key.ok && signature.ok);
    assert.equal(key.value.type, type);
    assert.equal(signature.value.key.fingerprint, key.value.fingerprint);
    const namespace = readVectorText('sshsig/namespace');
    const message = readVector('sshsig/signed-data');
    const verified = verifySshSignature({ signature: signature.value, message, namespace });
    assert.ok(verified.ok, verified.ok ? '' : verified.refusal.message);
    assert.equal(verified.value.presence, presence);
    assert.equal(verified.value.verification, verification);
    assert.equal(verified.value.webauthn !== null, name === 'ecdsa_sk_webauthn');
    const other = verifySshSignature({
      signature: signature.value,
      message: Buffer.concat([message, Buffer.from('!')]),
      namespace,
    });
    assert.ok(!other.ok && other.refusal.code === 'signature-invalid');
    const elsewhere = verifySshSignature({ signature: signature.value, message, namespace: 'other' });
    assert.ok(!elsewhere.ok && elsewhere.refusal.code === 'signature-namespace');
  });

vectorTest('a post-quantum key that OpenSSH knows and we do not is refused by its name', 'sshsig', () => {
  const key = parseSshPublicKey(readVectorText('sshsig/mldsa44-ed25519.pub').trim());
  assert.ok(!key.ok);
  assert.equal(key.refusal.code, 'key-type-unsupported');
  assert.match(key.refusal.message, /mldsa44/);
  const signature = parseArmoredSignature(readVectorText('sshsig/mldsa44-ed25519.sig'));
  assert.ok(!signature.ok);
  assert.equal(signature.refusal.code, 'key-type-unsupported');
  assert.match(signature.refusal.message, /mldsa44/);
});

vectorTest('SPEC S5: a passkey assertion wrapped as SSHSIG says where it was made', 'sshsig', () => {
  const [, namespaces = '', type = '', base64 = ''] = readVectorText('sshsig/generated-webauthn/allowed_signers')
    .trim()
    .split(' ');
  const namespace = /"(.*)"/.exec(namespaces)?.[1] ?? '';
  const key = parseSshPublicKey(`${type} ${base64}`);
  const signature = parseArmoredSignature(readVectorText('sshsig/generated-webauthn/doc.sig'));
  assert.ok(key.ok && signature.ok);
  assert.equal(key.value.application, 'sod.example.org');
  const message = readVector('sshsig/generated-webauthn/doc');
  const verified = verifySshSignature({ signature: signature.value, message, namespace });
  assert.ok(verified.ok);
  assert.equal(verified.value.presence, true);
  assert.deepEqual(verified.value.webauthn, {
    origin: 'https://sod.example.org',
    crossOrigin: false,
    topOrigin: null,
    backupEligible: true,
    backupState: true,
  });
});
