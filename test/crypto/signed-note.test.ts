// SPDX-License-Identifier: Apache-2.0
// SPEC S7: C2SP signed notes and Go's sumdb notes, which are the same thing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatVerifierKey,
  noteSigner,
  noteVerifier,
  parseNote,
  parseVerifierKey,
  signNote,
  verifyNote,
  type NoteVerifier,
} from '../../src/crypto/signed-note.ts';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { readCases, vectorTest } from '../vectors.ts';

const verifierOf = (text: string): NoteVerifier => {
  const key = parseVerifierKey(text);
  assert.ok(key.ok, text);
  assert.equal(formatVerifierKey(key.value), text);
  return key.value;
};
const codeOf = (note: string, verifiers: readonly NoteVerifier[]): string | undefined => {
  const result = verifyNote(note, verifiers);
  return result.ok ? undefined : result.refusal.code;
};

vectorTest('the examples of c2sp.org/signed-note', 'signed-note', () => {
  const {
    vkey,
    note,
    quasimodo_note_no_vkey_given: quasimodo,
  } = readCases<Record<string, string>>('signed-note/c2sp-signed-note.json');
  assert.ok(vkey !== undefined && note !== undefined && quasimodo !== undefined);
  const key = verifierOf(vkey);
  assert.deepEqual(verifyNote(note, [key]), {
    ok: true,
    value: { text: 'This is an example message.\n', signedBy: ['example.com/foo'] },
  });
  assert.equal(codeOf(note.replace('example message', 'other message'), [key]), 'note-unsigned');
  assert.equal(codeOf(quasimodo, [key]), 'note-unsigned');
  const parsed = parseNote(quasimodo);
  assert.ok(parsed.ok, 'a text may hold empty lines');
  assert.equal(
    parsed.value.text,
    'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n',
  );
});

type GoNote = {
  readonly text: string;
  readonly skey_peter: string;
  readonly vkey_peter: string;
  readonly vkey_enoch: string;
  readonly sig_peter: string;
  readonly sig_enoch: string;
};

vectorTest('the cases of golang.org/x/mod/sumdb/note', 'signed-note', () => {
  const go = readCases<GoNote>('signed-note/go-sumdb-note.json');
  const [peter, enoch] = [verifierOf(go.vkey_peter), verifierOf(go.vkey_enoch)];
  const note = `${go.text}\n${go.sig_peter}${go.sig_enoch}`;
  const signedBy = (text: string, verifiers: readonly NoteVerifier[]): readonly string[] => {
    const result = verifyNote(text, verifiers);
    assert.ok(result.ok, result.ok ? '' : result.refusal.message);
    assert.equal(result.value.text, go.text);
    return result.value.signedBy;
  };
  assert.deepEqual(signedBy(note, [peter, enoch]), ['PeterNeumann', 'EnochRoot']);
  assert.deepEqual(signedBy(note, [enoch]), ['EnochRoot'], 'unknown signatures are left aside');
  assert.deepEqual(
    signedBy(`${go.text}\n${go.sig_peter}${go.sig_peter}`, [peter]),
    ['PeterNeumann'],
    'one key counts once',
  );

  // Our own signer writes the very bytes that Go wrote.
  const seed = Buffer.from(go.skey_peter.split('+').slice(4).join('+'), 'base64').subarray(1);
  assert.equal(signNote(go.text, [noteSigner('PeterNeumann', seed)]), `${go.text}\n${go.sig_peter}`);

  // A bad signature by a known key refuses the note even when another one holds; by an unknown key it says nothing.
  const bad = go.sig_peter.replace('x08go/ZJ', 'x08go/ZK');
  assert.equal(codeOf(`${go.text}\n${bad}${go.sig_enoch}`, [peter, enoch]), 'note-unsigned');
  assert.deepEqual(signedBy(`${go.text}\n${bad}${go.sig_enoch}`, [enoch]), ['EnochRoot']);
  assert.equal(codeOf(note, [peter, peter]), 'note-malformed', 'two verifiers of one name and id are ambiguous');
  assert.equal(codeOf(note, []), 'note-unsigned');

  const malformed: Readonly<Record<string, string>> = {
    'text only': go.text,
    'text and an empty line': `${go.text}\n`,
    'no final newline': note.slice(0, -1),
    'a control character': `\u0001${note}`,
    'not UTF-8': `\udcff${note}`,
    'a name with a space': `${go.text}\n${go.sig_peter.replace('PeterNeumann', 'Peter Neumann')}`,
    'an unexpected trailing line': `${note}\nunexpected\n`,
    '101 signatures': `${go.text}\n${go.sig_peter.repeat(101)}`,
    'another dash': note.replaceAll('—', '-'),
    'a name with a plus': `${go.text}\n${go.sig_peter.replace('PeterNeumann', 'Peter+Neumann')}`,
    'base64 without padding': note.replaceAll('=\n', '\n'),
    'a signature of four bytes': `${go.text}\n— PeterNeumann x08goA==\n`.replace('x08goA==', 'x08gog=='),
    'a carriage return': note.replaceAll('\n', '\r\n'),
  };
  for (const [what, text] of Object.entries(malformed))
    assert.equal(codeOf(text, [peter, enoch]), 'note-malformed', what);
});

const signer = noteSigner('log.example/a', Buffer.alloc(32, 1));
const other = noteSigner('log.example/b', Buffer.alloc(32, 2));
const ownVerifier = noteVerifier(signer.name, signer.publicKey);
assert.ok(ownVerifier.ok);
const key = ownVerifier.value;

describe('signed notes', () => {
  it('what is signed is read back, for every text of lines', () => {
    const line = fc
      .string({ unit: 'grapheme', maxLength: 20 })
      .filter((text) => text.split('').every((one) => one >= ' '));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
        const text = `${lines.join('\n')}\n`;
        const note = signNote(text, [other, signer]);
        assert.deepEqual(verifyNote(note, [key]), { ok: true, value: { text, signedBy: [signer.name] } });
      }),
      propertyRuns(60),
    );
  });

  it('no note with one changed character holds, and none throws', () => {
    const note = signNote('one\ntwo\n', [signer]);
    fc.assert(
      fc.property(
        fc.nat(note.length - 1),
        fc.constantFrom('A', 'B', '\n', ' ', '+', '=', '—', '\ud800', ''),
        (at, put) => {
          const changed = note.slice(0, at) + put + note.slice(at + 1);
          if (changed === note) return;
          assert.ok(!verifyNote(changed, [key]).ok, JSON.stringify(changed));
        },
      ),
      propertyRuns(400),
    );
  });

  it('refuses verifier keys that are not what they say', () => {
    const good = formatVerifierKey(key);
    for (const text of [
      good.replace(key.id, '00000000'),
      good.replace('+', ''),
      `${good}A`,
      good.slice(0, -4),
      'name+12345678+AQ==',
      'a b+12345678+AAAA',
      '',
    ])
      assert.ok(!parseVerifierKey(text).ok, text);
    assert.ok(!noteVerifier('', signer.publicKey).ok);
    assert.ok(!noteVerifier('x y', signer.publicKey).ok);
    assert.ok(!noteVerifier('x', signer.publicKey.subarray(1)).ok);
  });

  it('a key of the same name and another id is another key', () => {
    const impostor = noteSigner(signer.name, Buffer.alloc(32, 9));
    assert.equal(codeOf(signNote('text\n', [impostor]), [key]), 'note-unsigned');
  });

  it('signs only lines of text, and only with a whole seed', () => {
    assert.throws(() => signNote('no line break', [signer]), BrokenInvariant);
    assert.throws(() => signNote('control \u0007\n', [signer]), BrokenInvariant);
    assert.throws(() => signNote('nobody\n', []), BrokenInvariant);
    assert.throws(() => noteSigner('x', Buffer.alloc(31)), BrokenInvariant);
    assert.throws(() => noteSigner('x y', Buffer.alloc(32)), BrokenInvariant);
  });
});
