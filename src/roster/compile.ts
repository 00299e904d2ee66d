// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import { didYouMean, placeFinding, type Diagnostic, type PolicyFile } from '../policy/diagnostic.ts';
import { DocumentFindings } from '../policy/document-findings.ts';
import { reportShape } from '../policy/document-shape.ts';
import { parsePolicyFile, type DocumentPath, type SourceDocument } from '../policy/parse.ts';
import { KeyCollection, type ReadKey } from './compile-keys.ts';
import { rosterYaml, rosterExamples, type RosterDocument } from './document.ts';
import { sealRoster } from './roster.ts';

export { rosterSchema } from './document.ts';
export type { ReadKey } from './compile-keys.ts';

export type RosterSetting = {
  readonly readKey: ReadKey;
  /** Opaque id `p_…` of a handle, for persons whose document gives none. The same handle has to get the same id. */
  readonly idOf: (handle: string) => string;
};

export type RosterResult =
  | {
      readonly ok: true;
      /** Records as the sealed roster holds them (FORMATS §5): no names of people. */
      readonly records: { readonly [key: string]: JsonObject };
      /** Display names by person id; kept outside the ledger. */
      readonly people: { readonly [person: string]: string };
      /** Person ids by handle, for whoever speaks of people by handle. */
      readonly ids: { readonly [handle: string]: string };
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/** Compiles a `Roster` document to roster records (SPEC O9), or says everything that is wrong with it. */
export const compileRoster = (file: PolicyFile, setting: RosterSetting): RosterResult => {
  const { documents, errors } = parsePolicyFile(file);
  if (errors.length > 0) return { ok: false, diagnostics: errors };
  const [source, second] = documents;
  if (source === undefined || second !== undefined)
    return {
      ok: false,
      diagnostics: [
        placeFinding(file, second?.offsetOf([]) ?? 0, {
          code: 'roster-document-malformed',
          rule: 'O9',
          message: `the file has ${documents.length} documents`,
          help: 'write one document, beginning with `kind: Roster`',
        }),
      ],
    };
  return new RosterCompiler(source, setting).compile();
};

class RosterCompiler {
  private readonly source: SourceDocument;
  private readonly setting: RosterSetting;
  private readonly found: DocumentFindings;
  private readonly records = new Map<string, JsonObject>();
  private readonly ids = new Map<string, string>();
  private readonly machines: readonly string[];

  constructor(source: SourceDocument, setting: RosterSetting) {
    this.source = source;
    this.setting = setting;
    this.found = new DocumentFindings(source);
    this.machines = namesIn(source.value, 'machines');
  }

  compile(): RosterResult {
    const document = this.read();
    const people: { [person: string]: string } = {};
    if (document !== undefined) {
      this.nameIds(document);
      const keys = new KeyCollection(this.found, this.setting.readKey, (path) => this.lineOf(path));
      for (const [handle, person] of Object.entries(document.persons)) {
        const id = this.ids.get(handle) ?? '';
        people[id] = person.name;
        this.addPerson(handle, id, person);
        keys.add(person.keys, `person:${id}`, handle, ['persons', handle, 'keys']);
      }
      this.addMachines(document, keys);
      for (const [key, record] of keys.records) this.records.set(key, record);
      this.addGroups(document);
      this.addEnforcementPoints(document);
      for (const [origin, record] of Object.entries(document.origins)) this.records.set(`origin/${origin}`, record);
    }
    if (this.found.diagnostics.length === 0) this.seal();
    const { diagnostics } = this.found;
    return diagnostics.length > 0
      ? { ok: false, diagnostics }
      : { ok: true, records: Object.fromEntries(this.records), people, ids: Object.fromEntries(this.ids) };
  }

  /** The document, or what is left of it without the entries whose shape is wrong, so that the rest is told of too. */
  private read(): RosterDocument | undefined {
    const checked = rosterYaml.safeParse(this.source.value);
    if (checked.success) return checked.data;
    const { issues } = checked.error;
    const shape = {
      schema: rosterYaml,
      code: 'roster-document-malformed',
      rule: 'O9',
      examples: rosterExamples,
    } as const;
    reportShape(this.source.value, issues, shape, this.found);
    const rest = rosterYaml.safeParse(without(this.source.value, issues));
    return rest.success ? rest.data : undefined;
  }

  private nameIds(document: RosterDocument): void {
    const holders = new Map<string, string>();
    for (const [handle, person] of Object.entries(document.persons)) {
      const id = person.id ?? this.setting.idOf(handle);
      const other = holders.get(id);
      if (!/^p_[a-z0-9_]{4,40}$/.test(id))
        this.refuse(
          ['persons', handle],
          'roster-document-malformed',
          `\`${handle}\` has no usable id`,
          'write `id: p_…`, with 4 to 40 lowercase letters and digits',
        );
      else if (other !== undefined)
        this.refuse(
          ['persons', handle, 'id'],
          'roster-document-malformed',
          `\`${handle}\` has the id \`${id}\` of \`${other}\``,
          'give every person an id of their own; one person is one entry',
        );
      holders.set(id, handle);
      this.ids.set(handle, id);
    }
  }

  private addPerson(handle: string, id: string, person: RosterDocument['persons'][string]): void {
    const attributes = { ...person.attributes };
    const { manager } = attributes;
    // Independence compares a manager with person ids, so that a handle here has to become one (SPEC V3).
    if (manager !== undefined && !/^p_[a-z0-9_]{4,40}$/.test(manager))
      attributes['manager'] = this.idOf(manager, ['persons', handle, 'attributes', 'manager']);
    this.records.set(`person/${id}`, { status: person.status, attributes });
    person.logins.forEach((login, at) => {
      const known = this.records.get(`login/${login}`);
      if (known !== undefined)
        this.refuse(
          ['persons', handle, 'logins', at],
          'roster-document-malformed',
          `login \`${login}\` stands twice`,
          'an account belongs to one person; name it once',
        );
      this.records.set(`login/${login}`, { person: id });
    });
  }

  private addMachines({ machines }: RosterDocument, keys: KeyCollection): void {
    for (const [name, machine] of Object.entries(machines)) {
      const accountable = this.idOf(machine.accountable, ['machines', name, 'accountable']);
      this.records.set(`machine/${name}`, { status: machine.status, accountable, purpose: machine.purpose });
      keys.add(machine.keys, `machine:${name}`, name, ['machines', name, 'keys']);
    }
  }

  private addGroups({ groups }: RosterDocument): void {
    for (const [name, members] of Object.entries(groups)) {
      if (members.length === 0)
        this.refuse(
          ['groups', name],
          'roster-group-empty',
          `group \`${name}\` has no member`,
          'name its members, or leave the group out; an empty group is nobody',
        );
      members.forEach((member, at) => {
        if (members.indexOf(member) < at)
          this.refuse(
            ['groups', name, at],
            'roster-document-malformed',
            `\`${member}\` stands twice in group \`${name}\``,
            'name each member once',
          );
      });
      const ids = members.map((member, at) => this.idOf(member, ['groups', name, at]));
      this.records.set(`group/${name}`, { members: ids.sort() });
    }
  }

  private addEnforcementPoints(document: RosterDocument): void {
    for (const [name, point] of Object.entries(document['enforcement-points'])) {
      const path = ['enforcement-points', name, 'operator'];
      const operator = point.operator.startsWith('machine:')
        ? this.machineOf(point.operator, path)
        : `person:${this.idOf(point.operator.replace(/^person:/, ''), path)}`;
      this.records.set(`instance/${name}`, { status: point.status, actions: [...point.actions].sort(), operator });
    }
  }

  private machineOf(reference: string, path: DocumentPath): string {
    const name = reference.slice('machine:'.length);
    if (!this.machines.includes(name))
      this.refuse(path, 'roster-dangling', `there is no machine \`${name}\``, didYouMean(name, this.machines), 'O3');
    return reference;
  }

  private idOf(handle: string, path: DocumentPath): string {
    const id = this.ids.get(handle);
    if (id !== undefined) return id;
    const known = namesIn(this.source.value, 'persons');
    if (!known.includes(handle)) {
      const what = this.machines.includes(handle)
        ? 'a machine, and only persons can stand here'
        : 'not a person of this roster';
      this.refuse(path, 'roster-dangling', `\`${handle.slice(0, 60)}\` is ${what}`, didYouMean(handle, known), 'O3');
    }
    return '';
  }

  private lineOf(path: DocumentPath): number {
    return placeFinding(this.source.file, this.source.offsetOf(path), nothing).line;
  }

  private seal(): void {
    const sealed = sealRoster(1, this.records);
    if (sealed.ok) return;
    const { code, rule, message, help = 'correct the roster' } = sealed.refusal;
    this.found.add([], { code, rule, message, help });
  }

  private refuse(path: DocumentPath, code: Diagnostic['code'], message: string, help: string, rule = 'O9'): void {
    this.found.add(path, { code, rule, message, help });
  }
}

const nothing = { code: 'roster-document-malformed', rule: 'O9', message: '', help: '' } as const;

const namesIn = (value: unknown, section: string): readonly string[] => {
  const part = (value as { readonly [key: string]: unknown } | null)?.[section];
  return typeof part === 'object' && part !== null ? Object.keys(part) : [];
};

type Tree = { [key: string]: unknown };

/** The document without the entries that issues are about: whole sections, or one entry of a section. */
const without = (value: unknown, issues: readonly { readonly path: readonly PropertyKey[] }[]): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const rest = structuredClone(value) as Tree;
  rest['kind'] = 'Roster';
  const sections = ['persons', 'machines', 'groups', 'enforcement-points', 'origins'];
  for (const key of Object.keys(rest)) if (key !== 'kind' && !sections.includes(key)) delete rest[key];
  for (const { path } of issues) {
    const [section = '', entry] = path.map(String);
    const part = rest[section];
    if (entry === undefined || typeof part !== 'object' || part === null) delete rest[section];
    else delete (part as Tree)[entry];
  }
  return { persons: {}, ...rest, kind: 'Roster' };
};
