// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import type { KeyLevel } from '../policy/compiled.ts';
import { parseSshPublicKey } from '../crypto/ssh-key.ts';
import { merkleRootHex } from '../ledger/merkle.ts';
import { checkRecord } from './records.ts';
import type { GroupRecord, InstanceRecord, KeyRecord, MachineRecord, PersonRecord, RosterRecords } from './records.ts';

/** Who there is, sealed: `root` is the Merkle root over all records in key order; `version` only grows (SPEC O2). */
export type Roster = { readonly version: number; readonly root: string; readonly records: RosterRecords };

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** RFC 6962 root over the leaves `{"key":…,"value":…}` in ascending key order (FORMATS §5.2). */
export const rosterRoot = (records: RosterRecords): string =>
  merkleRootHex(
    [...records.keys()].sort(compareText).map((key) => canonicalize({ key, value: records.get(key) as JsonObject })),
  );

/** Builds a roster from records that were checked one by one and now as a whole. */
export const sealRoster = (version: number, records: RosterRecords): Result<Roster> => {
  for (const [key, value] of records) {
    const checked = checkRecord(key, value);
    if (!checked.ok) return checked;
    const whole = checkReferences(records, key, value);
    if (!whole.ok) return whole;
  }
  return ok({ version, root: rosterRoot(records), records });
};

/** The roster before genesis: nobody, so that nothing is authenticated. */
export const emptyRoster: Roster = { version: 0, root: '', records: new Map() };

const dangling = (key: string, reference: string) =>
  refuse(
    'roster-dangling',
    'O3',
    `\`${key}\` names \`${reference}\`, which the roster does not have`,
    { key, reference },
    'add that record in the same change, or remove the reference',
  );

const checkReferences = (records: RosterRecords, key: string, value: JsonObject): Result<null> => {
  const kind = key.slice(0, key.indexOf('/'));
  const holderKey = (principal: string) => principal.replace(':', '/');
  if (kind === 'machine') {
    const { accountable } = value as unknown as MachineRecord;
    if (!records.has(`person/${accountable}`)) return dangling(key, `person/${accountable}`);
  }
  if (kind === 'group')
    for (const member of (value as unknown as GroupRecord).members)
      if (!records.has(`person/${member}`)) return dangling(key, `person/${member}`);
  if (kind === 'login' && !records.has(`person/${String(value['person'])}`))
    return dangling(key, `person/${String(value['person'])}`);
  if (kind === 'instance' && !records.has(holderKey(String(value['operator']))))
    return dangling(key, String(value['operator']));
  if (kind === 'key') {
    const record = value as unknown as KeyRecord;
    if (!records.has(holderKey(record.holder))) return dangling(key, record.holder);
    const parsed = parseSshPublicKey(record.line);
    if (!parsed.ok) return parsed;
    if (`key/${parsed.value.fingerprint}` !== key)
      return refuse(
        'roster-key-mismatch',
        'O4',
        `\`${key}\` holds a key whose fingerprint is \`${parsed.value.fingerprint}\``,
        { key },
      );
  }
  return ok(null);
};

// Look-ups. Absence is `undefined`; callers deny on it (INV4).
const active = <T extends { readonly status: string }>(record: JsonObject | undefined): T | undefined =>
  record !== undefined && record['status'] === 'active' ? (record as unknown as T) : undefined;

export const activePerson = (roster: Roster, id: string): PersonRecord | undefined =>
  active(roster.records.get(`person/${id}`));
/** A machine acts only while somebody answers for it: it stops with the person accountable for it (E3, INV4). */
export const activeMachine = (roster: Roster, name: string): MachineRecord | undefined => {
  const machine = active<MachineRecord>(roster.records.get(`machine/${name}`));
  return machine === undefined || activePerson(roster, machine.accountable) === undefined ? undefined : machine;
};
export const activeKey = (roster: Roster, print: string): KeyRecord | undefined =>
  active(roster.records.get(`key/${print}`));
/** An active key that nobody distrusts: what is signed from now on counts. Votes from before are judged by their index (SPEC V5). */
export const signingKey = (roster: Roster, print: string): KeyRecord | undefined => {
  const key = activeKey(roster, print);
  return key?.distrusted_from === null ? key : undefined;
};
export const activeInstance = (roster: Roster, name: string): InstanceRecord | undefined =>
  active(roster.records.get(`instance/${name}`));

/** Active persons of `group:<id>`, or of `person:<id>` alone; an unknown or empty group has nobody (INV4). */
export const membersOf = (roster: Roster, reference: string): readonly string[] => {
  if (reference.startsWith('person:')) {
    const id = reference.slice(7);
    return activePerson(roster, id) ? [id] : [];
  }
  if (!reference.startsWith('group:')) return [];
  const record = roster.records.get(`group/${reference.slice(6)}`) as GroupRecord | undefined;
  return (record?.members ?? []).filter((id) => activePerson(roster, id) !== undefined);
};

/** Whether a principal is one of those that references name; machines only when named themselves. */
export const isAmong = (roster: Roster, principal: string, references: readonly string[]): boolean =>
  references.some((reference) =>
    reference.startsWith('machine:')
      ? reference === principal && activeMachine(roster, principal.slice(8)) !== undefined
      : principal.startsWith('person:') && isMember(roster, reference, principal.slice(7)),
  );

// The same as `membersOf(…).includes(id)`, without looking at all the others.
const isMember = (roster: Roster, reference: string, id: string): boolean => {
  if (activePerson(roster, id) === undefined) return false;
  if (reference.startsWith('person:')) return reference.slice(7) === id;
  if (!reference.startsWith('group:')) return false;
  const record = roster.records.get(`group/${reference.slice(6)}`) as GroupRecord | undefined;
  return record?.members.includes(id) === true;
};

/** The natural person behind a principal: the person, or the one accountable for the machine. */
export const personBehind = (roster: Roster, principal: string): string | undefined =>
  principal.startsWith('person:')
    ? activePerson(roster, principal.slice(7)) && principal.slice(7)
    : activeMachine(roster, principal.slice(8))?.accountable;

/** The person whose key this is, unless it is revoked or distrusted; what commit attribution asks. */
export const personOfKey = (roster: Roster, print: string): string | undefined => {
  const holder = signingKey(roster, print)?.holder;
  return holder?.startsWith('person:') && activePerson(roster, holder.slice(7)) ? holder.slice(7) : undefined;
};

const levelOrder: Readonly<Record<KeyLevel, number>> = { 'own-key': 0, present: 1, hardware: 2 };
export const levelAtLeast = (level: KeyLevel, wanted: KeyLevel): boolean => levelOrder[level] >= levelOrder[wanted];

/**
 * Whether two persons share one of the attributes. An attribute that either lacks counts as shared: independence has
 * to be shown, not assumed (INV4). `manager` also holds when one manages the other.
 */
export const sharesAttribute = (roster: Roster, a: string, b: string, attributes: readonly string[]): boolean =>
  attributes.some((attribute) => {
    const left = activePerson(roster, a)?.attributes[attribute];
    const right = activePerson(roster, b)?.attributes[attribute];
    if (left === undefined || right === undefined || left === right) return true;
    return attribute === 'manager' && (left === b || right === a);
  });
