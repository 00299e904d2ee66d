// SPDX-License-Identifier: Apache-2.0
// SPEC S2, S6: keys and signatures go both ways between us and stock OpenSSH.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  formatOpenSshPrivateKey,
  generateEd25519,
  parseOpenSshPrivateKey,
  type PrivateKey,
} from '../../src/crypto/openssh-private-key.ts';
import { parseSshPublicKey } from '../../src/crypto/ssh-key.ts';
import {
  formatArmoredSignature,
  parseArmoredSignature,
  parseSshSignature,
  signSsh,
  verifySshSignature,
} from '../../src/crypto/sshsig.ts';
import { keygenFingerprint, keygenSign, keygenVerify, makeKey, publicLineOf } from './ssh-keygen.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const read = (file: string): PrivateKey => {
  const key = parseOpenSshPrivateKey(readFileSync(file, 'utf8'));
  assert.ok(key.ok, key.ok ? '' : key.refusal.message);
  return key.value;
};
const codeOf = (text: string): string | undefined => {
  const key = parseOpenSshPrivateKey(text);
  return key.ok ? undefined : key.refusal.code;
};

const namespace = 'countersign-vote@v1';
const message = '{"decision":"approve"}';
const kinds: readonly (readonly [string, readonly string[]])[] = [
  ['ed25519', []],
  ['ecdsa', ['-b', '256']],
  ['rsa', ['-b', '2048']],
  ['rsa', ['-b', '3072']],
];

for (const [type, more] of kinds) {
  const name = [type, ...more].join(' ');
  describe(`a ${name} key that ssh-keygen made`, () => {
    let file = '';
    before(() => {
      file = makeKey(folder, type, more);
    });

    it('is read, and has the fingerprint that ssh-keygen shows', () => {
      const key = read(file);
      const line = parseSshPublicKey(publicLineOf(file));
      assert.ok(line.ok);
      assert.equal(key.public.fingerprint, keygenFingerprint(file));
      assert.equal(key.public.line, line.value.line);
    });

    it('signs what ssh-keygen -Y verify takes, for this message and namespace only', () => {
      const key = read(file);
      const armored = formatArmoredSignature(signSsh({ key, message, namespace }));
      const claim = { line: key.public.line, namespace, message, armored };
      assert.ok(keygenVerify(folder, claim));
      assert.ok(!keygenVerify(folder, { ...claim, message: `${message} ` }));
      assert.ok(!keygenVerify(folder, { ...claim, namespace: 'countersign-veto@v1' }));
    });

    it('its ssh-keygen -Y sign signatures hold here, with either hash, and not in another namespace', () => {
      for (const hash of ['sha512', 'sha256']) {
        const signature = parseArmoredSignature(keygenSign(file, namespace, message, ['-O', `hashalg=${hash}`]));
        assert.ok(signature.ok);
        assert.equal(signature.value.hashAlgorithm, hash);
        assert.ok(verifySshSignature({ signature: signature.value, message, namespace }).ok);
        const elsewhere = verifySshSignature({ signature: signature.value, message, namespace: 'countersign-veto@v1' });
        assert.ok(!elsewhere.ok && elsewhere.refusal.code === 'signature-namespace');
        const other = verifySshSignature({ signature: signature.value, message: 'other', namespace });
        assert.ok(!other.ok && other.refusal.code === 'signature-invalid');
      }
    });
  });
}

describe('keys of our own making', () => {
  it('are files that ssh-keygen reads and signs with', () => {
    const key = generateEd25519();
    const text = formatOpenSshPrivateKey(key, 'made here');
    const again = parseOpenSshPrivateKey(text);
    assert.ok(again.ok);
    assert.equal(again.value.public.fingerprint, key.public.fingerprint);
    const signature = parseSshSignature(signSsh({ key: again.value, message, namespace }));
    assert.ok(signature.ok && verifySshSignature({ signature: signature.value, message, namespace }).ok);
  });
});

describe('private key files that are refused', () => {
  it('a passphrase: by a code of its own, with the way out', () => {
    const file = makeKey(folder, 'ed25519', ['-a', '1'], 'correct horse');
    const key = parseOpenSshPrivateKey(readFileSync(file, 'utf8'));
    assert.ok(!key.ok);
    assert.equal(key.refusal.code, 'key-encrypted');
    assert.match(key.refusal.help ?? '', /ssh-add/);
  });

  it('PEM of other kinds, other curves, garbage, and files that were cut', () => {
    const file = makeKey(folder, 'ed25519');
    const text = readFileSync(file, 'utf8');
    const pem = makeKey(folder, 'rsa', ['-b', '2048', '-m', 'PEM']);
    assert.equal(codeOf(readFileSync(pem, 'utf8')), 'key-malformed');
    assert.equal(codeOf(readFileSync(makeKey(folder, 'ecdsa', ['-b', '384']), 'utf8')), 'key-type-unsupported');
    const lines = text.trimEnd().split('\n');
    for (const wrong of [
      '',
      'x',
      text.slice(0, 200),
      text.replace('BEGIN OPENSSH', 'BEGIN'),
      lines.toSpliced(2, 1).join('\n'),
      `${text}more`,
      publicLineOf(file),
    ])
      assert.equal(codeOf(wrong), 'key-malformed', wrong.slice(0, 60));
    assert.equal(codeOf(text.replaceAll('\n', '\r\n')), undefined, 'Windows line ends are read');
  });

  it('a file whose public half is another key', () => {
    const [mine, other] = [generateEd25519(), generateEd25519()];
    const mixed = formatOpenSshPrivateKey({ public: other.public, signKey: mine.signKey }, '');
    assert.equal(codeOf(mixed), 'key-malformed');
  });

  it('no damaged byte makes it throw', () => {
    for (const [type, more] of kinds.slice(0, 3)) {
      const lines = readFileSync(makeKey(folder, type, more), 'utf8')
        .trim()
        .split('\n');
      const bytes = Buffer.from(lines.slice(1, -1).join(''), 'base64');
      const step = Math.max(1, Math.floor(bytes.length / 60));
      for (let at = 0; at < bytes.length; at += step) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ 0x41;
        const text = [lines[0], damaged.toString('base64'), lines.at(-1)].join('\n');
        parseOpenSshPrivateKey(text);
        const cut = [lines[0], bytes.subarray(0, at).toString('base64'), lines.at(-1)].join('\n');
        assert.ok(!parseOpenSshPrivateKey(cut).ok, `cut at ${at}`);
      }
    }
  });
});
