// SPDX-License-Identifier: Apache-2.0
// T14: whatever bytes come, the verifier answers, and no byte of a file can be changed so that it means something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import { openCase, verifyEvidence, verifyFile, verifyPermit } from '../../src/verify/verify.ts';
import { two } from './insider.ts';
import { SealedWorld } from './sealed-world.ts';

const runs = Number(process.env['COUNTERSIGN_PROPERTY_RUNS'] ?? 60);
const world = new SealedWorld({ policy: two });
world.govern('governance.roster', world.rosterChange({ 'group/risk': { members: ['p_vint0'] } }));
const id = world.permitted(['linus', 'radia']);
world.accept(world.consumption(id));
const files = { permit: world.permitFile(id), evidence: world.evidence(id), case: world.caseFile(id) };
const options = { pin: world.ledger, allowTrial: true };
const permitText = canonicalize(world.stateOf(id).permit);

/** Every reader answers; what passes says exactly what the honest file says. */
const harmless = (bytes: string | Uint8Array): void => {
  for (const verify of [verifyPermit, verifyEvidence, verifyFile]) {
    const verdict = verify(bytes, options);
    if (verdict.result === 'PASS') assert.equal(canonicalize(verdict.permit), permitText);
    else assert.ok(verdict.reasons.length > 0);
  }
  const opened = openCase(bytes, options);
  if (opened.ok) assert.equal(opened.value.digest, world.stateOf(id).digest);
};

test('the honest files pass', () => {
  assert.equal(verifyFile(files.permit, options).result, 'PASS');
  assert.equal(verifyFile(Buffer.from(files.evidence), options).result, 'PASS');
  assert.ok(openCase(files.case, options).ok);
});

test('one byte changed anywhere: it fails, or it says the same', () => {
  for (const [kind, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    // Every byte where the file's own frame stands, a sample of the long texts within it.
    const stride = Math.max(1, Math.floor(bytes.length / 250));
    for (let at = 0; at < bytes.length; at += at < 60 || at > bytes.length - 60 ? 1 : stride) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 7));
      const verdict = kind === 'case' ? undefined : verifyFile(changed, options);
      if (verdict?.result === 'PASS') assert.equal(canonicalize(verdict.permit), permitText, `byte ${at} of ${kind}`);
      const opened = kind === 'case' ? openCase(changed, options) : undefined;
      if (opened?.ok === true) assert.equal(opened.value.digest, world.stateOf(id).digest, `byte ${at} of ${kind}`);
    }
  }
});

test('anything that is no file at all is refused, and nothing is thrown', () => {
  for (const input of [
    '',
    '{',
    '[]',
    'null',
    '0',
    '"x"',
    '{}',
    '\u0000',
    '[[[['.repeat(20_000),
    '{"type":1}',
    ' '.repeat(99),
  ])
    harmless(input);
  for (const input of [new Uint8Array(), new Uint8Array([0xff, 0xfe]), Buffer.alloc(100_000, 0x5b)]) harmless(input);
  for (const input of [null, undefined, 7, {}, [], Symbol('x')]) harmless(input as never);
  for (const pin of [null, undefined, 7, {}])
    assert.equal(verifyPermit(files.permit, { allowTrial: true, pin: pin as never }).result, 'FAIL');
});

test('files of the right shape with wild values in them are refused, and nothing is thrown', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('permit', 'evidence', 'case'),
      fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
      fc.jsonValue({ maxDepth: 3 }),
      (kind, path, value) => {
        const file = JSON.parse(files[kind]) as JsonValue;
        harmless(canonicalizeOr(replaced(file, path, value as JsonValue)));
      },
    ),
    { numRuns: runs * 3 },
  );
});

test('entries with wild values in them are refused, and nothing is thrown', () => {
  const file = JSON.parse(files.permit) as { entries: string[] };
  fc.assert(
    fc.property(
      fc.nat(file.entries.length - 1),
      fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      fc.oneof(
        fc.jsonValue({ maxDepth: 2 }),
        fc.constantFrom('9999-12-31T23:59:59.999Z', -1, 2 ** 53 - 1, '__proto__', id),
      ),
      (at, path, value) => {
        const entry = JSON.parse(file.entries[at] ?? '') as JsonValue;
        const text = canonicalizeOr(replaced(entry, path, value as JsonValue));
        harmless(canonicalizeOr({ ...file, entries: file.entries.with(at, text) }));
      },
    ),
    { numRuns: runs * 3 },
  );
});

const canonicalizeOr = (value: JsonValue): string => {
  try {
    return canonicalize(value);
  } catch {
    return JSON.stringify(value);
  }
};

/** Puts a value somewhere into a tree; each number picks a child. */
const replaced = (tree: JsonValue, [at, ...rest]: readonly number[], value: JsonValue): JsonValue => {
  if (at === undefined || typeof tree !== 'object' || tree === null) return value;
  if (Array.isArray(tree)) {
    const items = tree as readonly JsonValue[];
    return items.length === 0
      ? value
      : items.with(at % items.length, replaced(items[at % items.length] ?? null, rest, value));
  }
  const keys = Object.keys(tree);
  const key = keys[at % keys.length];
  if (key === undefined) return value;
  const object = tree as JsonObject;
  return { ...object, [key]: replaced(object[key] ?? null, rest, value) };
};
