// SPDX-License-Identifier: Apache-2.0
// Somebody with root on the server, the database and the log key: rewrites entries at will, mends every hash and every
// link that the rewrite breaks, builds a tree over the result, and signs its checkpoint with the real log key.
import assert from 'node:assert/strict';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { leafHash } from '../../src/ledger/merkle.ts';
import { formatCaseFile, formatEvidence, formatPermitFile, verifyPermit } from '../../src/verify/verify.ts';
import { deployAction, minute, policyOf, tier } from '../support/world.ts';
import { partsFrom, readText, valueOf, writeText, type EntryFields, type SealedWorld } from './sealed-world.ts';

export type Rewrite = (entries: EntryFields[]) => EntryFields[];

/** The entries of a file about this request, rewritten, with all links mended. */
export const rewritten = (world: SealedWorld, request: string, rewrite: Rewrite): string[] => {
  const honest = [...world.parts(request).entries].map(([, text]) => text);
  const before = new Map(honest.map((text) => [readText(text).index, leafHash(text)]));
  const texts: string[] = [];
  const mended = new Map<string, string>();
  for (const entry of rewrite(honest.map(readText))) {
    let text = writeText(entry);
    for (const [old, now] of mended) text = text.replaceAll(old, now);
    const old = before.get(entry.index);
    if (old !== undefined) mended.set(old, leafHash(text));
    texts.push(text);
  }
  return texts;
};

/** The insider's tree: these texts at the indexes they name, anything in between. */
export const sealedBy = (world: SealedWorld, texts: readonly string[]): string[] => {
  const size = Math.max(...texts.map((text) => readText(text).index)) + 1;
  const leaves = Array.from({ length: size }, (_, at) => `nothing ${at}`);
  for (const text of texts) leaves[readText(text).index] = text;
  return leaves;
};

export const forgedParts = (world: SealedWorld, request: string, rewrite: Rewrite) => {
  const texts = rewritten(world, request, rewrite);
  const indexes = texts.map((text) => readText(text).index);
  return partsFrom(sealedBy(world, texts), indexes, world.blobs, world.signer, request);
};

export const forgedPermit = (world: SealedWorld, request: string, rewrite: Rewrite): string =>
  valueOf(formatPermitFile(forgedParts(world, request, rewrite)));
export const forgedEvidence = (world: SealedWorld, request: string, rewrite: Rewrite): string =>
  valueOf(formatEvidence(forgedParts(world, request, rewrite)));
export const forgedCase = (world: SealedWorld, request: string, rewrite: Rewrite): string =>
  valueOf(formatCaseFile(forgedParts(world, request, rewrite)));

export const two = policyOf(
  deployAction({
    tiers: [
      tier({
        seats: [
          { name: 'platform', count: 1, group: 'group:platform' },
          { name: 'security', count: 1, group: 'group:security' },
        ],
        time_lock: { wait_ms: 15 * minute, veto: ['group:oncall'] },
      }),
    ],
  }),
);
export const oneSeat = policyOf(deployAction());

export const check = (world: SealedWorld, file: string) => verifyPermit(file, { pin: world.ledger, allowTrial: true });
export const refused = (world: SealedWorld, file: string, ...codes: readonly string[]): void => {
  const verdict = check(world, file);
  assert.equal(verdict.result, 'FAIL');
  assert.ok(
    codes.includes(verdict.reasons[0]?.code ?? ''),
    `${verdict.reasons.map((reason) => `${reason.code}: ${reason.message}`).join('; ')}, expected ${codes.join(' or ')}`,
  );
};
export const object = (value: unknown): { [field: string]: JsonValue } => value as { [field: string]: JsonValue };
export const ofType = (entries: readonly EntryFields[], type: string, nth = 0): EntryFields => {
  const found = entries.filter((entry) => entry.command['type'] === type)[nth];
  assert.ok(found, `no ${type}`);
  return found;
};
export const editing =
  (type: string, edit: (command: { [field: string]: JsonValue }, entry: EntryFields) => void, nth = 0): Rewrite =>
  (entries) => {
    const entry = ofType(entries, type, nth);
    edit(object(entry.command), entry);
    return entries;
  };
export const without =
  (type: string, nth = 0): Rewrite =>
  (entries) => {
    const gone = ofType(entries, type, nth);
    return entries.filter((entry) => entry !== gone);
  };
export const permitEvent = (entries: readonly EntryFields[]): { [field: string]: JsonValue } =>
  object(ofType(entries, 'IssuePermit').events[0]?.['permit']);
