// SPDX-License-Identifier: Apache-2.0
// SPEC S5: what a passkey signature must show. Stock `ssh-keygen -Y verify` checks the key and the challenge alone;
// where it takes what we refuse, the test shows both.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  formatArmoredSignature,
  parseSshSignature,
  verifySshSignature,
  type VerifiedSignature,
} from '../../src/crypto/sshsig.ts';
import type { JsonObject, Result } from '../../src/kernel/refusal.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { loginStatement } from '../../src/kernel/statements.ts';
import { authenticate } from '../../src/roster/authenticate.ts';
import { keygenVerify } from './ssh-keygen.ts';
import { assertSecurityKey, assertWebauthn, flag, softwareKey, type Assertion } from './software-authenticator.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const key = softwareKey();
const namespace = 'countersign-vote@v1';
const message = '{"decision":"approve"}';
const usual = { message, namespace };

const ours = (blob: Uint8Array, text = message): Result<VerifiedSignature> => {
  const signature = parseSshSignature(blob);
  return signature.ok ? verifySshSignature({ signature: signature.value, message: text, namespace }) : signature;
};
const stock = (blob: Uint8Array, text = message): boolean =>
  keygenVerify(folder, { line: key.public.line, namespace, message: text, armored: formatArmoredSignature(blob) });
const taken = (blob: Uint8Array): VerifiedSignature => {
  const result = ours(blob);
  assert.ok(result.ok, result.ok ? '' : result.refusal.message);
  return result.value;
};
const refused = (blob: Uint8Array, words: RegExp, code = 'signature-invalid'): void => {
  const result = ours(blob);
  assert.ok(!result.ok, 'it was taken');
  assert.match(result.refusal.message, words);
  assert.equal(result.refusal.code, code);
};

describe('a passkey assertion', () => {
  it('holds here and for stock ssh-keygen, and says who was there and where', () => {
    const blob = assertWebauthn(key, usual);
    assert.ok(stock(blob));
    const { presence, verification, webauthn } = taken(blob);
    assert.deepEqual([presence, verification], [true, true]);
    assert.deepEqual(webauthn, {
      origin: 'https://countersign.example',
      crossOrigin: false,
      topOrigin: null,
      backupEligible: false,
      backupState: false,
    });
  });

  it('without presence is refused here, while stock ssh-keygen takes it', () => {
    const blob = assertWebauthn(key, { ...usual, flags: 0 });
    assert.ok(stock(blob));
    refused(blob, /nobody was present/);
    refused(assertWebauthn(key, { ...usual, flags: flag.verified }), /nobody was present/);
  });

  it('without verification holds, and says so: such a vote counts as a plain key', () => {
    const { presence, verification } = taken(assertWebauthn(key, { ...usual, flags: flag.present }));
    assert.deepEqual([presence, verification], [true, false]);
  });

  it('says that it was made inside another page, which stock ssh-keygen does not look at', () => {
    const framed = assertWebauthn(key, {
      ...usual,
      clientData: { crossOrigin: true, topOrigin: 'https://evil.example' },
    });
    assert.ok(stock(framed));
    const { webauthn } = taken(framed);
    assert.equal(webauthn?.crossOrigin, true);
    assert.equal(webauthn?.topOrigin, 'https://evil.example');
  });

  it('for other bytes, of another type, or with another origin beside it, is refused', () => {
    const wrong: readonly (readonly [Assertion, RegExp])[] = [
      [{ ...usual, clientData: { challenge: Buffer.from('x').toString('base64url') } }, /challenge is for other bytes/],
      [{ ...usual, clientData: { challenge: undefined } }, /challenge is for other bytes/],
      [{ ...usual, clientData: { type: 'webauthn.create' } }, /type `webauthn\.create`/],
      [{ ...usual, clientData: { type: 'payment.get' } }, /type `payment\.get`/],
      [{ ...usual, outerOrigin: 'https://other.example' }, /origin in the client data is another one/],
      [{ ...usual, clientData: { crossOrigin: 'false' } }, /client data is malformed/],
      [{ ...usual, clientData: { topOrigin: 7 } }, /client data is malformed/],
    ];
    for (const [assertion, words] of wrong) refused(assertWebauthn(key, assertion), words);
    const other = ours(assertWebauthn(key, usual), 'other');
    assert.ok(!other.ok);
    assert.ok(!stock(assertWebauthn(key, usual), 'other'));
  });

  it('whose client data could be read as two things is refused, while stock ssh-keygen takes it', () => {
    const twice = assertWebauthn(key, {
      ...usual,
      clientDataText: (text) => text.replace('}', ',"crossOrigin":true}'),
    });
    assert.ok(stock(twice));
    refused(twice, /stands twice/, 'json-duplicate-key');
    refused(
      assertWebauthn(key, { ...usual, clientDataText: (text) => `${text} x` }),
      /after the document/,
      'json-malformed',
    );
    refused(assertWebauthn(key, { ...usual, clientDataText: () => '[]' }), /not an object/);
  });

  it('that is an enrolment, or whose flags and extensions disagree, is refused', () => {
    refused(assertWebauthn(key, { ...usual, flags: flag.present | flag.attested }), /enrolment/);
    refused(assertWebauthn(key, { ...usual, flags: flag.present | flag.extensions }), /extensions disagree/);
    refused(assertWebauthn(key, { ...usual, extensions: Buffer.from([0xa0]) }), /extensions disagree/);
    const fine = assertWebauthn(key, {
      ...usual,
      flags: flag.present | flag.extensions,
      extensions: Buffer.from([0xa0]),
    });
    taken(fine);
  });

  it('says whether the passkey may leave its device, and refuses flags that contradict each other', () => {
    const synced = taken(
      assertWebauthn(key, { ...usual, flags: flag.present | flag.backupEligible | flag.backupState }),
    );
    assert.deepEqual([synced.webauthn?.backupEligible, synced.webauthn?.backupState], [true, true]);
    const eligible = taken(assertWebauthn(key, { ...usual, flags: flag.present | flag.backupEligible }));
    assert.deepEqual([eligible.webauthn?.backupEligible, eligible.webauthn?.backupState], [true, false]);
    const impossible = assertWebauthn(key, { ...usual, flags: flag.present | flag.backupState });
    assert.ok(stock(impossible));
    refused(impossible, /backed up and may not be/);
  });

  it('does not pass for a plain signature of the same key, nor the other way round', () => {
    const webauthn = assertWebauthn(key, usual);
    const plain = assertSecurityKey(key, usual);
    const [a, b] = [parseSshSignature(webauthn), parseSshSignature(plain)];
    assert.ok(a.ok && b.ok);
    for (const [signature, format] of [
      [a.value, b.value.format],
      [b.value, a.value.format],
      [a.value, 'ecdsa-sha2-nistp256'],
    ] as const)
      assert.ok(!verifySshSignature({ signature: { ...signature, format }, message, namespace }).ok, format);
  });
});

describe('a signature by a security key', () => {
  it('holds with presence, here and for stock ssh-keygen; without it only there', () => {
    const touched = assertSecurityKey(key, usual);
    assert.ok(stock(touched));
    assert.deepEqual(
      [taken(touched).presence, taken(touched).verification, taken(touched).webauthn],
      [true, false, null],
    );
    assert.equal(taken(assertSecurityKey(key, { ...usual, flags: flag.present | flag.verified })).verification, true);
    const untouched = assertSecurityKey(key, { ...usual, flags: 0 });
    assert.ok(stock(untouched));
    refused(untouched, /nobody was present/);
  });
});

describe('who spoke, by a passkey', () => {
  const login = {
    type: 'countersign.dev/login/v0',
    ledger: `sha256:${'0'.repeat(64)}`,
    tenant: 'main',
    by: 'person:p_ada0',
    challenge: '0'.repeat(32),
    server: 'https://countersign.example',
  };
  const statement = canonicalize(login);
  const records = new Map<string, JsonObject>([
    ['person/p_ada0', { status: 'active', attributes: {} }],
    [
      `key/${key.public.fingerprint}`,
      { status: 'active', holder: 'person:p_ada0', line: key.public.line, level: 'hardware', distrusted_from: null },
    ],
    ['origin/https://countersign.example', { operator: 'us', independent: false }],
    ['origin/https://others.example', { operator: 'others', independent: true }],
  ]);
  const speak = (assertion: Partial<Assertion>) =>
    authenticate(
      { version: 1, root: '', records },
      { ledger: login.ledger, tenant: 'main' },
      {
        statement,
        signature: encodeBase64(
          assertWebauthn(key, { message: statement, namespace: 'countersign-login@v1', ...assertion }),
        ),
      },
      loginStatement,
    );

  it('SPEC S5: a listed origin speaks; one that others operate is an independent surface', () => {
    const here = speak({});
    assert.ok(here.ok, here.ok ? '' : here.refusal.message);
    assert.deepEqual([here.value.level, here.value.independent], ['hardware', false]);
    const there = speak({ origin: 'https://others.example' });
    assert.ok(there.ok && there.value.independent);
  });

  it('SPEC S5: an origin that is not listed, a framed page and a cross-origin page are refused', () => {
    for (const assertion of [
      { origin: 'https://countersign.example.evil.example' },
      { origin: 'http://countersign.example' },
      { clientData: { crossOrigin: true } },
      { clientData: { topOrigin: 'https://countersign.example' } },
    ]) {
      const answer = speak(assertion);
      assert.ok(!answer.ok && answer.refusal.code === 'webauthn-origin', JSON.stringify(assertion));
    }
  });

  it('SPEC S5: a key that only was touched counts as a key file, whatever level it was enrolled with', () => {
    const touched = speak({ flags: flag.present });
    assert.ok(touched.ok);
    assert.equal(touched.value.level, 'own-key');
  });
});
