// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { nearest, type Finding } from './diagnostic.ts';
import type { DocumentFindings } from './document-findings.ts';
import type { DocumentPath } from './parse.ts';

export type DocumentShape = {
  readonly schema: z.ZodType;
  readonly code: Finding['code'];
  readonly rule: string;
  /** What to write where a key is missing, by the key's name. */
  readonly examples: { readonly [key: string]: string };
};

/** Says what does not fit the shape of a document, each finding at the key or value that it is about. */
export const reportShape = (
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
  shape: DocumentShape,
  found: DocumentFindings,
): void => {
  const finding = (message: string, help: string): Finding => ({ code: shape.code, rule: shape.rule, message, help });
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(shape.schema, path);
      for (const key of issue.keys) {
        const alone = valueAt(value, [...path, key]) === null;
        found.addAtKey([...path, key], finding(...unknownKey(key, path, known, alone)));
      }
      continue;
    }
    const given = valueAt(value, path);
    const last = path.at(-1);
    const name = path.findLast((part) => typeof part === 'string') ?? '';
    const example = Object.hasOwn(shape.examples, name) ? shape.examples[name] : undefined;
    if (issue.code === 'invalid_key')
      found.addAtKey(
        path,
        finding(`\`${cut(String(last))}\` ${issue.issues[0]?.message ?? 'is no key here'}`, renameIt),
      );
    else if (given === undefined)
      found.add(
        path,
        finding(`${show(path)} is missing`, example === undefined ? `add ${show(path)}` : `write \`${example}\``),
      );
    else found.add(path, finding(...wrongValue(issue, path, given, example)));
    found.spoil(path);
  }
};

const renameIt = 'choose another name';

const unknownKey = (
  key: string,
  path: DocumentPath,
  known: readonly string[],
  alone: boolean,
): readonly [string, string] => {
  const near = nearest(key, known);
  // Between braces YAML takes a comma in a text for the end of the text, and what follows for a key without a value.
  const quotes = alone && key.includes(' ') ? 'put quotes round a text that has a comma; ' : '';
  const keys = `${quotes}the keys here are ${known.map((one) => `\`${one}\``).join(', ')}`;
  return [
    `unknown key \`${cut(key)}\`${path.length === 0 ? '' : ` in ${show(path)}`}`,
    near === undefined ? keys : `did you mean \`${near}\`? ${keys}`,
  ];
};

const wrongValue = (
  issue: z.core.$ZodIssue,
  path: DocumentPath,
  given: unknown,
  example: string | undefined,
): readonly [string, string] => {
  const help = example === undefined ? `correct ${show(path)}` : `write for example \`${example}\``;
  if (given === null) return [`${show(path)} has no value`, help];
  switch (issue.code) {
    case 'invalid_type':
      return [`${show(path)} must be ${kinds[issue.expected] ?? issue.expected}, not ${kindOf(given)}`, help];
    case 'invalid_union':
      return [`${show(path)} must be a text or a list of texts, not ${kindOf(given)}`, help];
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const near = nearest(String(given), allowed);
      const list = allowed.map((one) => `\`${one}\``).join(', ');
      return [
        `${show(path)} cannot be \`${cut(String(given))}\``,
        `${near === undefined ? '' : `did you mean \`${near}\`? `}it is ${allowed.length === 1 ? list : `one of ${list}`}`,
      ];
    }
    case 'too_small':
    case 'too_big':
      return [`${show(path)} ${boundOf(issue)}`, help];
    default:
      return [`${show(path)} ${issue.message}`, help];
  }
};

const boundOf = (issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string => {
  if (issue.message.startsWith('must ')) return issue.message;
  const [most, bound] = issue.code === 'too_big' ? ['at most', issue.maximum] : ['at least', issue.minimum];
  const unit = { string: ' characters', array: ' items', number: '', int: '' }[issue.origin as string] ?? '';
  return unit === '' ? `must be ${most} ${bound}` : `must have ${most} ${bound}${unit}`;
};

const kinds: { readonly [expected: string]: string } = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a map of keys and values',
  record: 'a map of keys and values',
  boolean: '`true` or `false`',
};

const kindOf = (given: unknown): string => {
  if (Array.isArray(given)) return 'a list';
  if (typeof given === 'object') return 'a map';
  return typeof given === 'string' ? 'a text' : `\`${cut(String(given))}\``;
};

const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

/** `tiers[0].from-score` of a path. */
export const show = (path: DocumentPath): string => {
  const text = path.reduce<string>(
    (before, part) => (typeof part === 'number' ? `${before}[${part}]` : before === '' ? part : `${before}.${part}`),
    '',
  );
  return text === '' ? 'the document' : `\`${cut(text)}\``;
};

/** What stands at a path of a document; undefined where there is nothing. */
export const valueAt = (value: unknown, path: DocumentPath): unknown => {
  let one = value;
  for (const part of path) {
    if (typeof one !== 'object' || one === null || !Object.hasOwn(one, part)) return undefined;
    one = (one as { readonly [key: string | number]: unknown })[part];
  }
  return one;
};

type Schema = {
  readonly properties?: { readonly [key: string]: Schema };
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
};

/** The keys that the schema has at a path. */
const keysAt = (schema: z.ZodType, path: DocumentPath): readonly string[] => {
  let one: Schema | undefined = z.toJSONSchema(schema, { io: 'input' }) as Schema;
  for (const part of path) {
    if (typeof part === 'number') one = one?.items;
    else if (one?.properties !== undefined && Object.hasOwn(one.properties, part)) one = one.properties[part];
    else one = typeof one?.additionalProperties === 'object' ? one.additionalProperties : undefined;
  }
  return Object.keys(one?.properties ?? {});
};
