// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { checkFactValue } from '../assess/fact-value.ts';
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import type { CompiledAction, CompiledFact, FactSource, FactType } from '../policy/compiled.ts';

/** How each type is written on a command line. */
const written: Readonly<Record<FactType, string>> = {
  name: 'a name of lowercase letters, digits, dots, dashes and underscores, such as `shop`',
  'text-digest': '`sha256:…`, or `@FILE` to have it worked out',
  digest: '`sha256:…`, or `@FILE` to have it worked out',
  commit: 'a full commit id of 40 or 64 hex digits',
  int: 'a whole number',
  bool: '`true` or `false`',
  path: 'a relative path without `..`',
  'list<person>': 'person ids with commas between them',
  'list<name>': 'names of lowercase letters, digits, dots, dashes and underscores, with commas between them',
};

const sourceText = (source: FactSource): string =>
  source.kind === 'requester'
    ? 'you give it'
    : source.kind === 'adapter'
      ? `the server's ${source.adapter}(${source.argument}) brings it`
      : `${source.by} attests it`;

/** What an action wants to know, one line a fact: for help and for errors. */
export const factLines = (action: CompiledAction): readonly string[] =>
  Object.entries(action.facts).map(
    ([name, { type, source }]) =>
      `${name}: ${type}, ${sourceText(source)}${source.kind === 'requester' ? `, as ${written[type]}` : ''}`,
  );

const mistyped = (name: string, text: string, { type }: CompiledFact): Refused =>
  refuse(
    'fact-mistyped',
    'F3',
    `fact \`${name}\` is of type ${type}, got \`${text.slice(0, 60)}\``,
    { fact: name, type },
    `write ${written[type]}: --fact ${name}=…`,
  );

// `@FILE` is read for digests only: for other types it would be a value that looks like one.
const digestArgument = (name: string, text: string): Result<string> => {
  if (!text.startsWith('@')) return ok(text);
  try {
    return ok(digestOf(readFileSync(text.slice(1))));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return refuse(
      'fact-mistyped',
      'F3',
      `file \`${text.slice(1)}\` of fact \`${name}\` cannot be read (${why})`,
      { fact: name },
      'name a file that is there',
    );
  }
};

/** Reads the text of one fact by its declared type. */
export const factValue = (name: string, declared: CompiledFact, text: string): Result<JsonValue> => {
  const { type } = declared;
  let value: JsonValue = text;
  if (type === 'int') {
    if (!/^(0|[1-9]\d{0,15})$/.test(text)) return mistyped(name, text, declared);
    value = Number(text);
  } else if (type === 'bool') {
    if (text !== 'true' && text !== 'false') return mistyped(name, text, declared);
    value = text === 'true';
  } else if (type === 'list<person>' || type === 'list<name>') {
    value = [
      ...new Set(
        text
          .split(',')
          .map((part) => part.trim().replace(/^person:/, ''))
          .filter((part) => part !== ''),
      ),
    ].sort();
  } else if (type === 'digest' || type === 'text-digest') {
    const digest = digestArgument(name, text);
    if (!digest.ok) return digest;
    value = digest.value;
  }
  const checked = checkFactValue(name, declared, value);
  return checked.ok ? checked : mistyped(name, text, declared);
};

/** Reads all `--fact NAME=VALUE` of a request: every one that the requester gives, and no other (SPEC F1, F2). */
export const readFacts = (
  action: CompiledAction,
  given: readonly string[],
): Result<{ readonly [name: string]: JsonValue }> => {
  const facts: { [name: string]: JsonValue } = {};
  const wanted = Object.entries(action.facts).filter(([, fact]) => fact.source.kind === 'requester');
  const names = wanted.map(([name]) => name).join(', ') || 'no facts';
  for (const pair of given) {
    const split = pair.indexOf('=');
    const name = pair.slice(0, Math.max(split, 0));
    const declared = Object.hasOwn(action.facts, name) ? action.facts[name] : undefined;
    if (split < 1)
      return refuse(
        'fact-mistyped',
        'F3',
        `\`--fact ${pair.slice(0, 60)}\` has no \`=\``,
        {},
        'write --fact NAME=VALUE',
      );
    if (declared === undefined)
      return refuse(
        'fact-unexpected',
        'F1',
        `\`${action.name}\` has no fact \`${name}\``,
        { fact: name },
        `give ${names}`,
      );
    if (declared.source.kind !== 'requester')
      return refuse(
        'fact-unexpected',
        'F1',
        `fact \`${name}\` is not yours to give: ${sourceText(declared.source)}`,
        { fact: name },
        `give ${names}`,
      );
    if (Object.hasOwn(facts, name))
      return refuse(
        'fact-unexpected',
        'F1',
        `fact \`${name}\` is given twice`,
        { fact: name },
        'give each fact once; lists take commas',
      );
    const value = factValue(name, declared, pair.slice(split + 1));
    if (!value.ok) return value;
    facts[name] = value.value;
  }
  const missing = wanted.find(([name]) => !Object.hasOwn(facts, name));
  if (missing === undefined) return ok(facts);
  const [name, { type }] = missing;
  return refuse(
    'fact-missing',
    'F2',
    `fact \`${name}\` of \`${action.name}\` is missing`,
    { fact: name, type },
    `give it with --fact ${name}=…, as ${written[type]}`,
  );
};
