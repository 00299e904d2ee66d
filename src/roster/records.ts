// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import {
  boolean,
  integer,
  listOf,
  literal,
  matching,
  nullable,
  recordOf,
  shape,
  text,
  type Checked,
} from '../kernel/shape.ts';
import { actionName, personId, principal } from '../kernel/statements.ts';

/**
 * What the sealed roster holds (FORMATS §5): a map from key to record. The key's first part says what the record is.
 * Persons have opaque ids; names and addresses never enter it.
 */
const status = literal('active', 'suspended');

export const personRecord = shape({
  status,
  /** `team`, `manager`, `location`: what independence rests on. */
  attributes: recordOf(/^[a-z][a-z_]{0,30}$/, matching(/^[A-Za-z0-9_.:-]{1,80}$/, 'a short plain value'), 16),
});
export const machineRecord = shape({ status, accountable: personId, purpose: text(200) });
export const keyRecord = shape({
  status: literal('active', 'revoked'),
  holder: principal,
  /** OpenSSH public key, type and base64 only. */
  line: text(8000),
  level: literal('own-key', 'present', 'hardware'),
  /** Set when a key turns out to have been misused: everything it signed at or after this ledger index is void. */
  distrusted_from: nullable(integer(0)),
});
export const groupRecord = shape({ members: listOf(personId, 1000) });
export const loginRecord = shape({ person: personId });
export const instanceRecord = shape({ status, actions: listOf(actionName, 64), operator: principal });
/** A web origin whose passkey signatures are accepted; `independent` when others than us operate it. */
export const originRecord = shape({ operator: text(200), independent: boolean });

const kinds = {
  person: { form: /^p_[a-z0-9_]{4,40}$/, check: personRecord },
  machine: { form: /^[a-z][a-z0-9-]{0,62}$/, check: machineRecord },
  key: { form: /^SHA256:[A-Za-z0-9+/]{43}$/, check: keyRecord },
  group: { form: /^[a-z][a-z0-9-]{0,62}$/, check: groupRecord },
  login: { form: /^[a-z][a-z0-9-]{0,30}:[A-Za-z0-9_.:/-]{1,120}$/, check: loginRecord },
  instance: { form: /^[a-z][a-z0-9-]{0,62}$/, check: instanceRecord },
  origin: { form: /^https:\/\/[a-z0-9.-]+(:\d{1,5})?$/, check: originRecord },
} as const;
type Kind = keyof typeof kinds;

export type PersonRecord = Checked<typeof personRecord>;
export type MachineRecord = Checked<typeof machineRecord>;
export type KeyRecord = Checked<typeof keyRecord>;
export type GroupRecord = Checked<typeof groupRecord>;
export type InstanceRecord = Checked<typeof instanceRecord>;
export type RosterRecords = ReadonlyMap<string, JsonObject>;

/** Checks one record against what its key says it is. */
export const checkRecord = (key: string, value: JsonObject): Result<JsonObject> => {
  const slash = key.indexOf('/');
  const kind = key.slice(0, slash);
  if (slash < 1 || !Object.hasOwn(kinds, kind))
    return refuse(
      'roster-record-malformed',
      'O1',
      `\`${key}\` is not a roster key`,
      { key },
      `keys start with ${Object.keys(kinds).join('/, ')}/`,
    );
  const { form, check } = kinds[kind as Kind];
  if (!form.test(key.slice(slash + 1)))
    return refuse(
      'roster-record-malformed',
      'O1',
      `\`${key}\` has a malformed id`,
      { key },
      `the id must match ${form.source}`,
    );
  const checked = check(value, key);
  return checked.ok ? ok(value) : checked;
};
