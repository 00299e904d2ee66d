// SPDX-License-Identifier: Apache-2.0
// SPEC K1, K2, K3: one document, one meaning, one text.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalize, parseCanonical, parseJson, type JsonLimits } from '../../src/kernel/canonical-json.ts';
import { BrokenInvariant, type JsonValue } from '../../src/kernel/refusal.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { listVectors, readVector, readVectorText, vectorTest } from '../vectors.ts';

vectorTest('RFC 8785: every published example comes out byte for byte', 'jcs', () => {
  const names = listVectors('jcs/input');
  assert.ok(names.length >= 6);
  for (const name of names) {
    const parsed = parseJson(readVector(`jcs/input/${name}`), { numbers: 'any' });
    assert.ok(parsed.ok, name);
    const text = canonicalize(parsed.value);
    assert.equal(text, readVectorText(`jcs/output/${name}`), name);
    const hex = readVectorText(`jcs/outhex/${name.replace('.json', '.txt')}`).replaceAll(/\s+/g, '');
    assert.equal(Buffer.from(text).toString('hex'), hex, name);
    const again = parseCanonical(text, { numbers: 'any' });
    assert.ok(again.ok, name);
    assert.deepEqual(again.value, parsed.value, name);
  }
});

const codeOf = (input: string | Uint8Array, limits?: JsonLimits): string => {
  const strict = parseJson(input, limits);
  const canonical = parseCanonical(input, limits);
  assert.ok(!canonical.ok, `canonical reader took ${String(input).slice(0, 60)}`);
  if (strict.ok) return canonical.refusal.code;
  assert.equal(canonical.refusal.code, strict.refusal.code, 'both readers name the same thing');
  assert.equal(canonical.refusal.message, strict.refusal.message);
  return strict.refusal.code;
};

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('the strict reader', () => {
  it('SPEC K2: refuses a key that stands twice, however it is written', () => {
    for (const text of [
      '{"a":1,"a":1}',
      '{"a":1,"b":{"c":1,"c":2}}',
      '{"a":1,"\\u0061":2}',
      '{"__proto__":1,"__proto__":2}',
    ])
      assert.equal(codeOf(text), 'json-duplicate-key', text);
  });

  it('SPEC K2: refuses half of a surrogate pair in values and keys, escaped or raw', () => {
    for (const text of ['"\\ud800"', '"\\udc00x"', '{"\\ud83d":1}', '"\ud800"', '["\\ud83d\\u0041"]'])
      assert.equal(codeOf(text), 'json-lone-surrogate', text);
    assert.ok(parseCanonical('"😀"').ok);
    assert.ok(parseJson('"\\ud83d\\ude00"').ok);
  });

  it('SPEC K2: refuses numbers that are not whole and exact', () => {
    for (const text of [
      '9007199254740992',
      '-9007199254740992',
      '1.5',
      '1e3',
      '1.0',
      '-0',
      '1e400',
      '[1,2,1E2]',
      '12345678901234567890',
    ])
      assert.equal(codeOf(text), 'json-unsafe-number', text);
    for (const text of ['9007199254740991', '-9007199254740991', '0', '-1']) assert.ok(parseCanonical(text).ok, text);
  });

  it('SPEC K2: takes fractions of foreign documents where that is asked for, never what a double cannot hold', () => {
    assert.ok(parseCanonical('1.5', { numbers: 'any' }).ok);
    assert.equal(codeOf('1e400', { numbers: 'any' }).startsWith('json-'), true);
    assert.equal(codeOf('[-1e999]', { numbers: 'any' }).startsWith('json-'), true);
  });

  it('SPEC K2: takes 32 levels and refuses 33; a deep document costs no stack', () => {
    assert.ok(parseCanonical(nested(32)).ok);
    assert.equal(codeOf(nested(33)), 'json-too-deep');
    assert.ok(parseJson('{"a":'.repeat(32) + '1' + '}'.repeat(32)).ok);
    assert.equal(codeOf('{"a":'.repeat(33) + '1' + '}'.repeat(33)), 'json-too-deep');
    assert.equal(codeOf(nested(400_000)), 'json-too-deep');
    const refused = parseCanonical(nested(4), { maxDepth: 3 });
    assert.ok(!refused.ok && refused.refusal.facts['limit'] === 3, 'it names the limit that holds');
  });

  it('SPEC K2: refuses what is larger than its limit, counted in bytes', () => {
    assert.equal(codeOf(`"${'a'.repeat(1024 * 1024)}"`), 'json-too-large');
    assert.ok(parseCanonical(`"${'a'.repeat(1024 * 1024 - 2)}"`).ok);
    assert.equal(codeOf(`"${'€'.repeat(700)}"`, { maxBytes: 1500 }), 'json-too-large');
    assert.equal(codeOf(Buffer.from('"1234567"'), { maxBytes: 8 }), 'json-too-large');
  });

  it('reads a very long string without a deep stack (a refusal, never a crash)', () => {
    const long = ` "${'a'.repeat(12 * 1024 * 1024)}\\n"`;
    const read = parseJson(long, { maxBytes: 16 * 1024 * 1024 });
    assert.ok(read.ok);
  });

  it('SPEC K1: refuses byte-order marks, bytes that are not UTF-8, and anything before or after the document', () => {
    for (const text of [
      '\ufeff{}',
      '{} x',
      '{}{}',
      '',
      ' ',
      'nul',
      '{"a":1,}',
      '[1,]',
      "{'a':1}",
      '[1 2]',
      '{"a"}',
      '+1',
      '01',
      '.5',
      '"a',
      '"\t"',
      '"\\x"',
      'NaN',
    ])
      assert.equal(codeOf(text), 'json-malformed', JSON.stringify(text));
    assert.equal(codeOf(Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])), 'json-malformed');
    assert.equal(codeOf(Buffer.from([0x22, 0xff, 0x22])), 'json-malformed');
    assert.equal(codeOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), 'json-malformed');
  });

  it('SPEC K3: tells a good document that is not canonical from a bad one', () => {
    for (const text of [' {}', '{} ', '{"b":1,"a":2}', '"\\u0041"', '"\\/"', '[1, 2]', '"\\u000A"']) {
      assert.ok(parseJson(text).ok, text);
      assert.equal(codeOf(text), 'json-not-canonical', text);
    }
  });

  it('takes `__proto__` as a key like any other, and lets nothing into prototypes', () => {
    const read = parseJson('{"__proto__":{"admin":true},"constructor":1}');
    assert.ok(read.ok);
    assert.deepEqual(Object.keys(read.value as object), ['__proto__', 'constructor']);
    assert.equal((read.value as { readonly admin?: unknown }).admin, undefined);
    assert.equal(canonicalize(read.value), '{"__proto__":{"admin":true},"constructor":1}');
    assert.ok(parseCanonical('{"__proto__":null}').ok);
  });

  it('throws for a value that has no text, because only a defect makes one', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { a: undefined }])
      assert.throws(() => canonicalize(value as unknown as JsonValue), BrokenInvariant);
    assert.equal(canonicalize(-0), '0');
  });

  it('orders keys by UTF-16 code units, not by characters', () => {
    assert.equal(canonicalize({ '\ufb33': 1, '😀': 2 }), '{"😀":2,"\ufb33":1}');
  });
});

const wholeJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().map((value) => value + 0),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constant('__proto__')), tie('value'), {
      maxKeys: 5,
    }),
  ),
})).value;

describe('for every value', () => {
  it('SPEC K3: reading its canonical text gives it back, by both readers', () => {
    fc.assert(
      fc.property(wholeJson, (value) => {
        const text = canonicalize(value);
        const canonical = parseCanonical(text);
        const strict = parseJson(text);
        assert.ok(canonical.ok && strict.ok);
        assert.equal(canonicalize(canonical.value), text);
        assert.equal(canonicalize(strict.value), text);
        assert.deepEqual(JSON.parse(JSON.stringify(strict.value)), JSON.parse(JSON.stringify(canonical.value)));
        assert.ok(parseCanonical(Buffer.from(text)).ok);
      }),
      propertyRuns(300),
    );
  });

  it('SPEC K3: the canonical reader takes its own output and no other text of the same value', () => {
    fc.assert(
      fc.property(wholeJson, fc.nat(), (value, seed) => {
        const text = canonicalize(value);
        const spaced = JSON.stringify(JSON.parse(text), undefined, 1 + (seed % 3));
        const read = parseCanonical(spaced);
        assert.equal(read.ok, spaced === text);
      }),
      propertyRuns(200),
    );
  });
});

// Texts near JSON: pieces that go together often, and a damaged character now and then.
const nearJson = fc
  .array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"a"',
      '"b"',
      '"\\u0061"',
      '"\\ud800"',
      '1',
      '-0',
      '1.5',
      '1e9',
      'true',
      'null',
      ' ',
      '\n',
      '"',
      '\\',
      '\u0001',
      '9007199254740993',
      '{"a":1}',
      '[]',
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const platform = (text: string): { readonly ok: boolean; readonly value?: JsonValue } => {
  try {
    return { ok: true, value: JSON.parse(text) as JsonValue };
  } catch {
    return { ok: false };
  }
};

describe('for texts near JSON', () => {
  it('the strict reader takes only what the platform takes, with the same value', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nearJson,
          wholeJson.map((value) => JSON.stringify(value) ?? 'null'),
        ),
        (text) => {
          const ours = parseJson(text, { numbers: 'any' });
          const theirs = platform(text);
          if (ours.ok) {
            assert.ok(theirs.ok, text);
            assert.deepEqual(JSON.stringify(ours.value), JSON.stringify(theirs.value), text);
          } else if (theirs.ok)
            assert.notEqual(ours.refusal.code, 'json-malformed', `${text}: well-formed JSON is not called malformed`);
        },
      ),
      propertyRuns(1500),
    );
  });

  it('fast path and strict reader agree on what is canonical', () => {
    fc.assert(
      fc.property(nearJson, (text) => {
        const fast = parseCanonical(text);
        const strict = parseJson(text);
        assert.equal(fast.ok, strict.ok && canonicalize(strict.value) === text, text);
        if (!fast.ok && !strict.ok) assert.equal(fast.refusal.code, strict.refusal.code, text);
      }),
      propertyRuns(1500),
    );
  });
});
