// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type JsonValue, type Result } from '../kernel/refusal.ts';
import { defaultListMax, type CompiledFact, type FactType } from '../policy/compiled.ts';

const nameForm = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const digestForm = /^sha256:[0-9a-f]{64}$/;
const commitForm = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const personForm = /^(p_[a-z0-9_]{4,40}|unknown)$/;
const maxPath = 1000;
// Control, format, surrogate, private and unassigned characters, and the two separators: nobody sees them on a page.
const unseen = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * A relative path that says one thing only: no empty, `.` or `..` part, no backslash, nothing invisible, composed form
 * (A35: what is shown is what runs), and no leading dash, which a command would take for an option.
 */
export const plainPath = (path: string): boolean =>
  path.length > 0 &&
  path.length <= maxPath &&
  !unseen.test(path) &&
  !path.includes('\\') &&
  path.normalize('NFC') === path &&
  path.trim() === path &&
  !path.startsWith('-') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

const expected: Readonly<Record<FactType, string>> = {
  name: 'a name of lowercase letters, digits, dots, dashes and underscores',
  'text-digest': '`sha256:` and 64 hex digits',
  digest: '`sha256:` and 64 hex digits',
  commit: 'a full commit id of 40 or 64 hex digits',
  int: 'a whole number from 0',
  bool: '`true` or `false`',
  path: 'a relative path without `..`',
  'list<person>': 'a list of person ids, at least one, sorted, each once',
  'list<name>': 'a list of names, sorted, each once',
};

const fits = ({ type, max }: CompiledFact, given: JsonValue): boolean => {
  switch (type) {
    case 'name':
      return typeof given === 'string' && nameForm.test(given);
    case 'digest':
    case 'text-digest':
      return typeof given === 'string' && digestForm.test(given);
    case 'commit':
      return typeof given === 'string' && commitForm.test(given);
    case 'int':
      return Number.isSafeInteger(given) && (given as number) >= 0 && (max === null || (given as number) <= max);
    case 'bool':
      return typeof given === 'boolean';
    case 'path':
      return typeof given === 'string' && plainPath(given);
    case 'list<person>':
      return isSet(given, personForm, max) && (given as readonly JsonValue[]).length > 0;
    case 'list<name>':
      return isSet(given, nameForm, max);
    default:
      return type satisfies never;
  }
};

// Sorted and without repeats, so that one set has one text and one digest.
const isSet = (given: JsonValue, form: RegExp, max: number | null): boolean => {
  if (!Array.isArray(given) || given.length > (max ?? defaultListMax)) return false;
  const items = given as readonly JsonValue[];
  return items.every((item, at) => {
    const before = items[at - 1];
    return typeof item === 'string' && form.test(item) && (before === undefined || (before as string) < item);
  });
};

/** Whether a fact's value is of its declared type and within its bound (SPEC F3). A list of persons is never empty: nobody is not
 * an answer to who made something (INV4). */
export const checkFactValue = (name: string, fact: CompiledFact, given: JsonValue): Result<JsonValue> => {
  if (fits(fact, given)) return ok(given);
  const limit = fact.max === null ? '' : ` (at most ${fact.max})`;
  const text = JSON.stringify(given);
  const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return refuse(
    'fact-mistyped',
    'F3',
    `fact \`${name}\` must be ${expected[fact.type]}${limit}, got \`${shown}\``,
    { fact: name, type: fact.type, max: fact.max },
    'give a value of the type that the policy declares',
  );
};
