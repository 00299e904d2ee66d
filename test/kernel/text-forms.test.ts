// SPDX-License-Identifier: Apache-2.0
// SPEC K4, K6: base64, hex, instants and ids have one text each.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '../../src/kernel/base64.ts';
import { permitIdOf, requestIdFrom } from '../../src/kernel/ids.ts';
import {
  addMs,
  earlier,
  instantFromMs,
  instantToMs,
  later,
  parseInstant,
  type Instant,
} from '../../src/kernel/instant.ts';
import { permitId, requestId } from '../../src/kernel/statements.ts';
import { propertyRuns } from '../support/property-runs.ts';

const refusalOf = (result: {
  readonly ok: boolean;
  readonly refusal?: { readonly code: string };
}): string | undefined => (result.ok ? undefined : result.refusal?.code);

describe('base64 and hex', () => {
  it('SPEC K6: one text for one value', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const base64 = decodeBase64(encodeBase64(bytes));
        const hex = decodeHex(encodeHex(bytes));
        assert.ok(base64.ok && hex.ok);
        assert.deepEqual(Buffer.from(base64.value), Buffer.from(bytes));
        assert.deepEqual(Buffer.from(hex.value), Buffer.from(bytes));
      }),
      propertyRuns(200),
    );
  });

  it('SPEC K6: no other text of the same bytes is taken', () => {
    for (const text of [
      'QQ',
      'QQ=',
      'QR==',
      'QQ===',
      'Q Q==',
      'QQ==\n',
      'QQ==QQ==',
      '-_8=',
      'QUI',
      'QUJ=',
      '=',
      'A',
      'QQ%3D',
    ])
      assert.equal(refusalOf(decodeBase64(text)), 'base64-malformed', JSON.stringify(text));
    for (const text of ['0', 'AB', '0g', ' 00', '00\n', '0x00'])
      assert.equal(refusalOf(decodeHex(text)), 'base64-malformed', JSON.stringify(text));
  });

  it('SPEC K6: what is taken is written back as the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('A', 'Q', 'R', '/', '+', '=', '9'), maxLength: 12 }), (text) => {
        const bytes = decodeBase64(text);
        if (bytes.ok) assert.equal(encodeBase64(bytes.value), text);
      }),
      propertyRuns(500),
    );
  });

  it('looks at a view of a larger buffer, not at the buffer behind it', () => {
    const view = Buffer.from('xxabcxx').subarray(2, 5);
    assert.equal(encodeBase64(view), 'YWJj');
    assert.equal(encodeHex(new Uint8Array(view.buffer, view.byteOffset, 3)), '616263');
  });
});

describe('instants', () => {
  it('SPEC K4: UTC with milliseconds, 24 characters, a moment that exists', () => {
    assert.ok(parseInstant('2026-11-23T14:48:48.000Z').ok);
    assert.ok(parseInstant('2028-02-29T00:00:00.000Z').ok);
    for (const value of [
      '2026-11-23T14:48:48Z',
      '2026-11-23T14:48:48.000+00:00',
      '2026-11-23 14:48:48.000Z',
      '2026-02-29T00:00:00.000Z',
      '2026-13-01T00:00:00.000Z',
      '2026-11-23T24:00:00.000Z',
      '2026-11-23T23:59:60.000Z',
      '2026-11-23T14:48:48.0000Z',
      '+002026-11-23T14:48:48.000Z',
      '2026-11-23T14:48:48.000Z\n',
      '',
      1_700_000_000_000,
      null,
      undefined,
      {},
    ])
      assert.equal(refusalOf(parseInstant(value)), 'instant-malformed', String(value));
  });

  it('SPEC K4: comparing the texts compares the moments', () => {
    const moment = fc.integer({ min: Date.UTC(1970, 0), max: Date.UTC(9999, 11, 31) });
    fc.assert(
      fc.property(moment, moment, (a, b) => {
        const [first, second] = [instantFromMs(a), instantFromMs(b)];
        assert.ok(parseInstant(first).ok);
        assert.equal(instantToMs(first), a);
        assert.equal(first < second, a < b);
        assert.equal(earlier(first, second), instantFromMs(Math.min(a, b)));
        assert.equal(later(first, second), instantFromMs(Math.max(a, b)));
      }),
      propertyRuns(200),
    );
    assert.equal(addMs('2026-12-31T23:59:59.999Z' as Instant, 1), '2027-01-01T00:00:00.000Z');
  });
});

describe('ids', () => {
  it('SPEC Q5: a request id follows from all 128 bits of the nonce', () => {
    assert.equal(requestIdFrom('0'.repeat(32)), `req_${'0'.repeat(26)}`);
    assert.equal(requestIdFrom('f'.repeat(32)), `req_7${'z'.repeat(25)}`);
    const nonce = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(nonce, fc.nat(127), (hex, bit) => {
        const id = requestIdFrom(hex);
        assert.ok(requestId(id, 'id').ok, id);
        const other = (BigInt(`0x${hex}`) ^ (1n << BigInt(bit))).toString(16).padStart(32, '0');
        assert.notEqual(requestIdFrom(other), id, 'each bit counts');
      }),
      propertyRuns(200),
    );
  });

  it('a permit id follows from the change digest', () => {
    const id = permitIdOf(`sha256:${'0123456789abcdef'.repeat(4)}`);
    assert.equal(id, 'pmt_0123456789abcdef0123456789');
    assert.ok(permitId(id, 'id').ok);
  });
});
