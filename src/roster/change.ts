// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import {
  integer,
  isObject,
  listOf,
  literal,
  matching,
  recordOf,
  shape,
  type Check,
  type Checked,
} from '../kernel/shape.ts';
import { envelope, hash, namespaces, possessionStatement } from '../kernel/statements.ts';
import type { Envelope } from '../kernel/statements.ts';
import { verifyEnvelope, type LedgerIdentity } from './authenticate.ts';
import type { RosterRecords } from './records.ts';
import { rosterRoot, sealRoster, type Roster } from './roster.ts';

const recordKey = /^(person|machine|key|group|login|instance|origin)\/.{1,200}$/;
const record: Check<JsonObject> = (value, path) =>
  isObject(value) ? ok(value) : refuse('shape-mismatch', 'K5', `field \`${path}\` must be a record`, { field: path });
const version = shape({ version: integer(0), root: matching(/^([0-9a-f]{64})?$/, 'a roster root') });

/** Content of a `governance.roster` request (FORMATS §5.3): from exactly this version to exactly that root. */
export const rosterChange = shape({
  type: literal('countersign.dev/roster-change/v0'),
  from: version,
  to: shape({ version: integer(1), root: hash }),
  set: recordOf(recordKey, record, 1000),
  remove: listOf(matching(recordKey, 'a roster key'), 1000),
  /** For every key that enters: a signature by that very key, over ledger, tenant and holder. */
  possession: listOf(envelope, 1000),
});
export type RosterChange = Checked<typeof rosterChange>;

/** The sealed roster of a genesis or an export: records alone. */
export const rosterDocument = shape({
  type: literal('countersign.dev/roster/v0'),
  records: recordOf(recordKey, record, 20000),
});

export const parseRosterChange = (bytes: Uint8Array): Result<RosterChange> => {
  const parsed = parseCanonical(bytes);
  return parsed.ok ? rosterChange(parsed.value, '') : parsed;
};

/**
 * Applies a change to the roster it was made for (SPEC O5–O8). Who approved it is the gate's business; here the
 * change itself must be sound: monotonic, complete, every new key proven to be in its holder's hands, no key moved
 * from one holder to another, nobody erased from history.
 */
export const applyRosterChange = (roster: Roster, change: RosterChange, identity: LedgerIdentity): Result<Roster> => {
  if (change.from.version !== roster.version || change.from.root !== roster.root)
    return refuse(
      'roster-stale',
      'O5',
      `the change was made for roster version ${change.from.version}, the roster is at ${roster.version}`,
      { version: roster.version, root: roster.root },
      'make the change again from the present roster',
    );
  const records = new Map(roster.records);
  for (const [key, value] of Object.entries(change.set)) {
    const allowed = checkSet(roster.records, key, value);
    if (!allowed.ok) return allowed;
    records.set(key, value);
  }
  for (const key of change.remove) {
    if (key.startsWith('key/') || key.startsWith('person/') || key.startsWith('machine/'))
      return refuse(
        'roster-not-removable',
        'O7',
        `\`${key}\` can't be removed`,
        { key },
        'suspend or revoke it, so that what it did stays explained',
      );
    if (!records.delete(key)) return refuse('roster-dangling', 'O3', `\`${key}\` is not in the roster`, { key });
  }
  const proven = checkPossession(roster.records, change, identity);
  if (!proven.ok) return proven;
  const sealed = sealRoster(roster.version + 1, records);
  if (!sealed.ok) return sealed;
  if (change.to.version !== sealed.value.version || change.to.root !== sealed.value.root)
    return refuse(
      'roster-root-mismatch',
      'O5',
      `the change promises root \`${change.to.root}\`, applying it gives \`${sealed.value.root}\``,
      { promised: change.to.root, computed: sealed.value.root },
    );
  return sealed;
};

const checkSet = (records: RosterRecords, key: string, value: JsonObject): Result<null> => {
  const before = records.get(key);
  if (!key.startsWith('key/') || before === undefined) return ok(null);
  if (before['holder'] !== value['holder'] || before['line'] !== value['line'])
    return refuse(
      'key-under-two-persons',
      'O6',
      `\`${key}\` already belongs to \`${String(before['holder'])}\``,
      { key, holder: before['holder'] ?? null },
      'a key never changes hands: enrol a new one',
    );
  if (before['status'] === 'revoked' && value['status'] !== 'revoked')
    return refuse('key-revived', 'O6', `\`${key}\` was revoked and stays so`, { key }, 'enrol a new key');
  return ok(null);
};

const checkPossession = (records: RosterRecords, change: RosterChange, identity: LedgerIdentity): Result<null> => {
  const proven = new Set<string>();
  for (const item of change.possession) {
    const proof = verifyPossession(item, identity);
    if (!proof.ok) return proof;
    proven.add(proof.value);
  }
  for (const [key, value] of Object.entries(change.set)) {
    if (!key.startsWith('key/') || records.has(key)) continue;
    if (!proven.has(`${key} ${String(value['holder'])}`))
      return refuse(
        'key-possession-missing',
        'O8',
        `\`${key}\` enters without a signature by that key`,
        { key },
        'let the holder sign the key-possession statement with the new key',
      );
  }
  return ok(null);
};

/** Gives `key/<fingerprint> <holder>` of a key that showed itself to be in that holder's hands. */
export const verifyPossession = (item: Envelope, identity: LedgerIdentity): Result<string> => {
  const parsed = parseCanonical(item.statement, { maxBytes: 4096 });
  if (!parsed.ok) return parsed;
  const checked = possessionStatement(parsed.value, '');
  if (!checked.ok) return checked;
  const statement = checked.value;
  const verified = verifyEnvelope(item, namespaces[statement.type]);
  if (!verified.ok) return verified;
  if (
    statement.ledger !== identity.ledger ||
    statement.tenant !== identity.tenant ||
    verified.value.key.fingerprint !== statement.key
  )
    return refuse(
      'key-possession-missing',
      'O8',
      `the possession statement for \`${statement.key}\` is for another ledger or by another key`,
      { key: statement.key },
    );
  return ok(`key/${statement.key} ${statement.holder}`);
};

/** Works out the `to` of a change, for whoever writes one. */
export const rosterAfter = (
  records: RosterRecords,
  set: { readonly [key: string]: JsonObject },
  remove: readonly string[],
): string => {
  const after = new Map([...records, ...Object.entries(set)]);
  for (const key of remove) after.delete(key);
  return rosterRoot(after);
};
