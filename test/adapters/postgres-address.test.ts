// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPostgresAddress, parsePostgresAddress } from '../../src/adapters/postgres/postgres-address.ts';

test('an address of PostgreSQL is read, with one host or several, and written without its password', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['postgres://ada@db/gate', 'postgres://ada@db:5432/gate', true],
    ['postgresql://ada:s%40lt@db1,db2:5433/gate', 'postgres://ada@db1:5432,db2:5433/gate', true],
    ['postgres://ada:x@[2001:db8::1]:6000/gate?sslmode=verify-full', 'postgres://ada@[2001:db8::1]:6000/gate', true],
    ['postgres://ada@127.0.0.1:5000/gate', 'postgres://ada@127.0.0.1:5000/gate', false],
    ['postgres://ada@localhost/gate?sslmode=verify-full', 'postgres://ada@localhost:5432/gate', true],
    ['postgres://ada@/gate?host=/run/postgresql&port=5433', 'postgres://ada@/run/postgresql:5433/gate', false],
  ];
  for (const [given, written, tls] of cases) {
    const address = parsePostgresAddress(given);
    assert.ok(address.ok, given);
    assert.equal(formatPostgresAddress(address.value), written);
    assert.equal(address.value.tls, tls, given);
  }
  const salted = parsePostgresAddress('postgres://ada:s%40lt@db/gate');
  assert.equal(salted.ok && salted.value.password, 's@lt');
});

test('L15: an address is refused when it is not plain, or would send what is decided on in the clear', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['mysql://ada@db/gate', /form/],
    ['postgres://ada:secret-word-42@db', /form/],
    ['postgres://ada:secret-word-42@/gate', /host/],
    ['postgres://db/gate', /user/],
    ['postgres://ada:secret-word-42@db:0/gate', /host/],
    ['postgres://ada:secret-word-42@db:99999/gate', /host/],
    ['postgres://ada:%zz@db/gate', /percent/],
    ['postgres://ada:secret-word-42@db/gate?sslmode=disable', /TLS/],
    ['postgres://ada:secret-word-42@127.0.0.1,db/gate?sslmode=disable', /TLS/],
    ['postgres://ada:secret-word-42@db/gate?sslmode=require', /verify-full/],
    ['postgres://ada:secret-word-42@db/gate?sslmode=prefer', /verify-full/],
    ['postgres://ada:secret-word-42@db/gate?options=-csynchronous_commit%3Doff', /options/],
    ['postgres://ada:secret-word-42@db/gate?host=/run', /socket/],
  ];
  for (const [given, why] of cases) {
    const refused = parsePostgresAddress(given);
    assert.ok(!refused.ok && refused.refusal.code === 'config-malformed', given);
    assert.match(refused.refusal.message, why);
    assert.doesNotMatch(JSON.stringify(refused), /secret-word-42/);
  }
});
