// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';

/** Which field of which statement is a salted commitment to a text (FORMATS §3). */
const fields: { readonly [type: string]: string } = {
  'countersign.dev/request/v0': 'reason',
  'countersign.dev/vote/v0': 'comment',
  'countersign.dev/veto/v0': 'reason',
  'countersign.dev/withdrawal/v0': 'reason',
  'countersign.dev/review/v0': 'summary',
};

/** The text that an entry's command commits to, and the request it belongs to; undefined where there is none. */
export type NamedText = { readonly commitment: string; readonly request: string | null };

const statementOf = (command: JsonObject): JsonObject | undefined => {
  const envelope = command['envelope'];
  const text = isObject(envelope) ? envelope['statement'] : undefined;
  const parsed = typeof text === 'string' ? parseCanonical(text) : undefined;
  return parsed?.ok === true && isObject(parsed.value) ? parsed.value : undefined;
};

const textOr = (value: JsonValue | undefined): string | null => (typeof value === 'string' ? value : null);

/** Refused commands that stand in the ledger count as well: their texts are kept like any other's. */
export const namedText = (command: JsonObject): NamedText | undefined => {
  const statement = statementOf(command);
  const type = textOr(statement?.['type']) ?? '';
  const field = Object.hasOwn(fields, type) ? fields[type] : undefined;
  const commitment = field === undefined ? null : textOr(statement?.[field]);
  return commitment === null
    ? undefined
    : { commitment, request: textOr(command['request']) ?? textOr(statement?.['request']) };
};
