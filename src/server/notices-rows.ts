// SPDX-License-Identifier: Apache-2.0
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { noticeKinds } from './notices-config.ts';
import type { Parcel } from './notices-lane.ts';
import type { Notice } from './notices-plan.ts';

/** A notice to one recipient: a person's id, or what else a channel calls whom it writes to. */
export type Letter = { readonly notice: Notice; readonly recipient: string };

/** Where it comes from, so that keys are in the order of the ledger. */
export const placeOf = ({ kind, index, n }: Notice): string =>
  kind === 'ledger.quarantined' || kind === 'ledger.loss-accepted'
    ? `${kind === 'ledger.quarantined' ? 'quarantine' : 'loss'}.${index}`
    : `${String(index).padStart(16, '0')}.${String(n).padStart(4, '0')}`;

export const keyOf = ({ notice, recipient }: Letter): string => `${placeOf(notice)}.${recipient}`;
export const parcelOf = (letter: Letter): Parcel<Letter> => ({
  key: keyOf(letter),
  at: Date.parse(letter.notice.time),
  what: letter,
});

export const noticeRow = ({ kind, index, n, time, request, to, detail }: Notice): JsonObject => ({
  kind,
  index,
  n,
  time,
  request,
  to,
  detail,
});
export const letterRow = ({ notice, recipient }: Letter): JsonObject => ({ notice: noticeRow(notice), recipient });

// Rows are our own; one that another version wrote differently is passed over.
export const readNotice = (value: JsonValue | undefined): Notice | undefined => {
  if (!isObject(value)) return undefined;
  const { kind, index, n, time, request, to, detail } = value;
  const known = noticeKinds.find((one) => one === kind);
  if (known === undefined || typeof index !== 'number' || typeof n !== 'number' || typeof time !== 'string')
    return undefined;
  return {
    kind: known,
    index,
    n,
    time,
    request: typeof request === 'string' ? request : null,
    to: Array.isArray(to) ? to.filter((one): one is string => typeof one === 'string') : [],
    detail: typeof detail === 'string' ? detail : null,
  };
};

export const readLetter = (value: JsonValue): Letter | undefined => {
  if (!isObject(value)) return undefined;
  const notice = readNotice(value['notice']);
  const recipient = value['recipient'];
  return notice === undefined || typeof recipient !== 'string' ? undefined : { notice, recipient };
};
