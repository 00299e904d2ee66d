// SPDX-License-Identifier: Apache-2.0
import type { Receipt } from '../contract/api.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import type { Envelope } from '../kernel/statements.ts';
import { parseEntry, type Entry } from '../ledger/entry.ts';
import { leafHash } from '../ledger/merkle.ts';
import { parseTlogProof, verifyTlogProof } from '../ledger/tlog-proof.ts';
import type { Client } from './connect.ts';

export type CheckedReceipt = { readonly entry: Entry; readonly leaf: string; readonly size: number };

const invalid = (why: string): Refused =>
  refuse(
    'receipt-invalid',
    'W4',
    `the server's receipt does not hold: ${why}`,
    {},
    'the server may not have recorded it: look with `countersign show`, and ask another reader of the ledger',
  );

/**
 * What the server answers after a command counts only when its own log proves it: the entry holds the very statement
 * that was sent, its events say it was accepted, and it stands in a tree that continues what was seen (SPEC W4).
 */
export const checkReceipt = async (
  client: Client,
  receipt: Receipt,
  expected: { readonly envelope: Envelope | null; readonly event: readonly string[] },
): Promise<Result<CheckedReceipt>> => {
  const entry = parseEntry(receipt.entry);
  if (!entry.ok) return invalid(entry.refusal.message);
  const leaf = leafHash(receipt.entry);
  const proven = verifyTlogProof(receipt.proof, leaf, client.anchor.logKey);
  if (!proven.ok) return invalid(proven.refusal.message);
  if (proven.value.index !== entry.value.index || receipt.index !== entry.value.index)
    return invalid('the entry stands at another index than it says');
  if (entry.value.tenant !== client.anchor.tenant) return invalid('the entry is of another tenant');
  if (expected.envelope !== null && !holds(entry.value.command, expected.envelope))
    return invalid('the entry holds another statement than the one that was sent');
  if (!entry.value.events.some((event) => expected.event.includes(String(event['type']))))
    return invalid(`the entry does not say \`${expected.event.join('` or `')}\``);
  const note = parseTlogProof(receipt.proof);
  if (!note.ok) return note;
  const accepted = await client.accept(note.value.checkpoint);
  return accepted.ok ? ok({ entry: entry.value, leaf, size: proven.value.checkpoint.size }) : accepted;
};

const holds = (command: JsonObject, sent: Envelope): boolean => {
  const envelope = command['envelope'];
  return isObject(envelope) && envelope['statement'] === sent.statement && envelope['signature'] === sent.signature;
};

/** The first event of a type in a proven entry. */
export const eventOf = (entry: Entry, type: string): JsonObject | undefined =>
  entry.events.find((event) => event['type'] === type);
