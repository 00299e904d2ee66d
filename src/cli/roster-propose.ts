// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { rosterDifference } from '../client/difference-lines.ts';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize, parseCanonical, parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject } from '../kernel/refusal.ts';
import { isObject, recordOf } from '../kernel/shape.ts';
import { possessionStatement, type Envelope } from '../kernel/statements.ts';
import { verifyEnvelope } from '../roster/authenticate.ts';
import { applyRosterChange, rosterAfter, type RosterChange } from '../roster/change.ts';
import type { Roster } from '../roster/roster.ts';
import { readEnvelopeFile } from './ask-options.ts';
import { openClient } from './open-client.ts';
import type { VerifyingOptions } from './options.ts';
import { orFail, print, printJson, say, usage } from './output.ts';
import { readDocument } from './policy-files.ts';
import { proposeGovernance } from './propose-governance.ts';
import { rulesInForce } from './rules-in-force.ts';

export type RosterProposeOptions = VerifyingOptions & {
  readonly set: readonly string[];
  readonly addMachine: readonly string[];
  readonly distrustKey: readonly string[];
  readonly addPerson: readonly string[];
  readonly possession: readonly string[];
  readonly join: readonly string[];
  readonly leave: readonly string[];
  readonly suspend: readonly string[];
  readonly revokeKey: readonly string[];
  readonly remove: readonly string[];
  readonly reason?: string;
  readonly out?: string;
};

type Records = { [key: string]: JsonObject };

const object = (value: Parameters<typeof isObject>[0], path: string) =>
  isObject(value) ? ok(value) : refuse('shape-mismatch', 'K5', `field \`${path}\` must be a record`, { field: path });
const recordsShape = recordOf(/^(person|machine|key|group|login|instance|origin)\/.{1,200}$/, object, 1000);

const readSet = (path: string): Records => {
  const parsed = orFail(parseJson(readDocument(path).text));
  return { ...orFail(recordsShape(parsed, path)) };
};

/** Gathers records that change, each starting from what stands in the roster. */
class Draft {
  readonly set: Records = {};
  readonly possession: Envelope[] = [];
  private readonly roster: Roster;
  constructor(roster: Roster) {
    this.roster = roster;
  }

  record(key: string): JsonObject {
    return (
      this.set[key] ??
      this.roster.records.get(key) ??
      usage(`the roster has no \`${key}\``, 'see `countersign roster show`')
    );
  }

  /** Records out of a file. One that stands in two files would be whichever came last, so neither is taken. */
  addRecords(path: string): void {
    for (const [key, record] of Object.entries(readSet(path))) {
      if (this.set[key] !== undefined) usage(`\`${key}\` is set twice`, 'set each record once, in one of the files');
      this.set[key] = record;
    }
  }

  addMachine(given: string): void {
    const match = /^([a-z][a-z0-9-]{0,62}),accountable=(?:person:)?(p_[a-z0-9_]{4,40}),purpose=(.+)$/s.exec(given);
    const [, name = '', accountable = '', purpose = ''] = match ?? [];
    if (match === null)
      usage(
        `--add-machine \`${given}\` is not NAME,accountable=PERSON,purpose=TEXT`,
        'such as ci,accountable=p_7h2k9w,purpose="builds and deploys"',
      );
    if (this.roster.records.has(`machine/${name}`)) usage(`machine \`${name}\` is in the roster already`);
    this.set[`machine/${name}`] = { status: 'active', accountable, purpose };
  }

  distrust(given: string): void {
    const [fingerprint = '', index = ''] = given.split('=');
    if (!/^(0|[1-9]\d{0,14})$/.test(index))
      usage(
        `--distrust-key \`${given}\` is not FINGERPRINT=INDEX`,
        'name the first ledger entry it is not trusted for',
      );
    const key = `key/${fingerprint}`;
    this.set[key] = { ...this.record(key), distrusted_from: Number(index) };
  }

  addPerson(given: string): void {
    const [id = '', ...pairs] = given.split(',');
    if (!/^p_[a-z0-9_]{4,40}$/.test(id))
      usage(
        `--add-person \`${given}\` begins with no person id`,
        'write ID,team=NAME with the id that `roster possession` printed',
      );
    if (this.roster.records.has(`person/${id}`) || this.set[`person/${id}`] !== undefined)
      usage(`\`${id}\` is in the roster already`);
    const attributes = Object.fromEntries(
      pairs.map((pair) => {
        const split = pair.indexOf('=');
        return split < 1
          ? usage(`\`${pair}\` is no attribute`, 'write name=value, such as team=dev')
          : [pair.slice(0, split), pair.slice(split + 1)];
      }),
    ) as JsonObject;
    this.set[`person/${id}`] = { status: 'active', attributes };
  }

  /** A possession proof brings its key along: the signature holds the public key itself. */
  addKey(path: string): void {
    const envelope = orFail(readEnvelopeFile(path));
    const statement = orFail(possessionStatement(orFail(parseCanonical(envelope.statement)), ''));
    const { key } = orFail(verifyEnvelope(envelope, 'countersign-roster@v1'));
    this.possession.push(envelope);
    this.set[`key/${key.fingerprint}`] ??= {
      status: 'active',
      holder: statement.holder,
      line: key.line,
      level: 'own-key',
      distrusted_from: null,
    };
  }

  membership(
    given: string,
    option: string,
    change: (members: readonly string[], id: string) => readonly string[],
  ): void {
    const [group = '', person = ''] = given.split('=');
    if (!/^[a-z]/.test(group) || !person.startsWith('p_'))
      usage(`${option} \`${given}\` is not GROUP=PERSON`, 'such as platform=p_7h2k9w');
    const record = this.record(`group/${group}`);
    this.set[`group/${group}`] = { ...record, members: change(record['members'] as readonly string[], person) };
  }

  status(key: string, status: string): void {
    this.set[key] = { ...this.record(key), status };
  }
}

const draftOf = (roster: Roster, options: RosterProposeOptions): Draft => {
  const draft = new Draft(roster);
  for (const path of options.set) draft.addRecords(path);
  for (const given of options.addMachine) draft.addMachine(given);
  for (const given of options.addPerson) draft.addPerson(given);
  for (const path of options.possession) draft.addKey(path);
  for (const given of options.join)
    draft.membership(given, '--join', (members, id) => [...new Set([...members, id])].sort());
  for (const given of options.leave)
    draft.membership(given, '--leave', (members, id) => members.filter((one) => one !== id));
  for (const principal of options.suspend) draft.status(principal.replace(':', '/'), 'suspended');
  for (const given of options.distrustKey) draft.distrust(given);
  for (const fingerprint of options.revokeKey) draft.status(`key/${fingerprint}`, 'revoked');
  if (Object.keys(draft.set).length === 0 && options.remove.length === 0)
    usage('nothing would change', 'say what to change: see the examples in `countersign roster propose --help`');
  return draft;
};

/** `roster propose`: asks for a change of who there is, their keys and groups. It is checked here as the ledger will. */
export const propose = async (options: RosterProposeOptions): Promise<void> => {
  const asks = options.out === undefined;
  if (asks && options.reason === undefined) usage('--reason is missing', 'say why, for the people who decide');
  const client = await openClient(options, { signs: asks, verifies: asks });
  const { roster } = orFail(await rulesInForce(client));
  const { set, possession } = draftOf(roster, options);
  const change: RosterChange = {
    type: 'countersign.dev/roster-change/v0',
    from: { version: roster.version, root: roster.root },
    to: { version: roster.version + 1, root: rosterAfter(roster.records, set, options.remove) },
    set,
    remove: options.remove,
    possession,
  };
  orFail(applyRosterChange(roster, change, { ledger: client.anchor.pin, tenant: client.anchor.tenant }));
  const content = Buffer.from(canonicalize(change));
  for (const line of rosterDifference(roster.records, change)) say(`  ${line}`);
  if (options.out !== undefined) {
    writeFileSync(options.out, content);
    if (options.json) printJson({ file: options.out, content: digestOf(content) });
    else print(options.out);
    return;
  }
  await proposeGovernance(client, 'governance.roster', content, options);
};
