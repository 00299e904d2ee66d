// SPDX-License-Identifier: Apache-2.0
import { isScalar, visit, type Document, type YAMLError } from 'yaml';
import { placeFinding, type Diagnostic, type PolicyFile } from './diagnostic.ts';

type Told = { readonly at: number; readonly message: string; readonly help: string };

/**
 * What is wrong with the YAML of a file, in our words. One slip makes the parser stumble several times, so only the
 * first is told; keys that stand twice are slips of their own, and each is told with the place where it stood first.
 */
export const yamlProblems = (file: PolicyFile, documents: readonly Document.Parsed[]): readonly Diagnostic[] => {
  const errors = documents
    .flatMap((document): readonly YAMLError[] => [...document.errors, ...document.warnings])
    .toSorted((a, b) => a.pos[0] - b.pos[0]);
  const first = errors.find((error) => error.code !== 'DUPLICATE_KEY');
  const repeated = documents.flatMap((document) => repeatedKeys(file, document));
  const told =
    first !== undefined
      ? [tell(file.text, first)]
      : repeated.length > 0
        ? repeated
        : errors.slice(0, 1).map(inItsWords);
  return told.map(({ at, message, help }) =>
    placeFinding(file, at, { code: 'policy-yaml-malformed', rule: 'P14', message, help }),
  );
};

const inItsWords = ({ pos, message }: YAMLError): Told => ({
  at: pos[0],
  message: message.charAt(0).toLowerCase() + message.slice(1),
  help: 'write plain YAML 1.2; every key once',
});

const repeatedKeys = (file: PolicyFile, document: Document.Parsed): readonly Told[] => {
  const found: Told[] = [];
  visit(document, {
    Map: (_, map) => {
      const places = new Map<unknown, number>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const at = key.range?.[0] ?? 0;
        const before = places.get(key.value);
        if (before === undefined) places.set(key.value, at);
        else
          found.push({
            at,
            message: `\`${String(key.value).slice(0, 60)}\` stands twice, first in line ${lineOf(file.text, before)}`,
            help: 'write every key once; which of the two is meant, nobody could tell',
          });
      }
    },
  });
  return found;
};

const tell = (text: string, error: YAMLError): Told => {
  const at = error.pos[0];
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return { at, message: 'a tab stands where spaces have to', help: 'indent with spaces; two for each level' };
    case 'BLOCK_IN_FLOW':
      return colonInText(at);
    case 'BLOCK_AS_IMPLICIT_KEY':
      // Either this line has a second colon, or the next is deeper although this one has its value already.
      if (error.message.startsWith('Nested') && !/:(\s|$)/.test(restOfLine(text, at)))
        return indentation(text, lineOf(text, at) + 1) ?? inItsWords(error);
      return error.message.startsWith('Nested')
        ? colonInText(at)
        : (indentation(text, lineOf(text, at)) ?? inItsWords(error));
    case 'BAD_INDENT': {
      const open = /^Flow (map|sequence)/.exec(error.message);
      return open === null
        ? (indentation(text, lineOf(text, at)) ?? inItsWords(error))
        : unclosed(text, at, open[1] === 'map' ? ['{', '}'] : ['[', ']']);
    }
    case 'MULTILINE_IMPLICIT_KEY':
      return noColon(at);
    case 'MISSING_CHAR':
      if (error.message.startsWith('Implicit map keys')) return noColon(at);
      return indentation(text, lineOf(text, at)) ?? inItsWords(error);
    case 'UNEXPECTED_TOKEN':
      return indentation(text, lineOf(text, at)) ?? inItsWords(error);
    default:
      return inItsWords(error);
  }
};

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
const restOfLine = (text: string, at: number): string => text.slice(at).split('\n', 1)[0] ?? '';

const colonInText = (at: number): Told => ({
  at,
  message: 'a second colon stands in a text without quotes',
  help: 'put quotes round a text that has a colon followed by a space, or begin a new line for the next key',
});

const noColon = (at: number): Told => ({
  at,
  message: 'a key without a colon',
  help: 'write `key: value`, each key in a line of its own',
});

/** `line 17 begins at column 4, the line above at column 5`; undefined where that is not what is wrong. */
const indentation = (text: string, line: number): Told | undefined => {
  const lines = text.split('\n');
  const says = (number: number): boolean => /^\s*[^\s#]/.test(lines[number - 1] ?? '');
  let here = line;
  while (here <= lines.length && !says(here)) here += 1;
  let above = here - 1;
  while (above > 0 && !says(above)) above -= 1;
  if (here > lines.length || above < 1) return undefined;
  const columnOf = (number: number): number => (lines[number - 1] ?? '').search(/\S/) + 1;
  // Beside a key, the line above counts from its own key: `- name` has it two further on than its dash.
  const isItem = /^\s*- /.test(lines[here - 1] ?? '');
  const item = isItem ? undefined : /^\s*(?:- +)+/.exec(lines[above - 1] ?? '')?.[0];
  const beside = item === undefined || columnOf(here) <= item.length - 1 ? columnOf(above) : item.length + 1;
  if (columnOf(here) === beside) return undefined;
  const at = lines.slice(0, here - 1).join('\n').length + (here > 1 ? 1 : 0) + columnOf(here) - 1;
  const before = above === here - 1 ? 'the line above' : `line ${above}`;
  return {
    at,
    message: `the indentation does not fit: line ${here} begins at column ${columnOf(here)}, ${before} at column ${beside}`,
    help: 'keys and list items that belong together begin at the same column; what belongs below one of them, two further on',
  };
};

// Counted backwards from where the parser missed the end; a bracket inside a text can mislead the mark, nothing else.
const unclosed = (text: string, at: number, [open, close]: readonly [string, string]): Told => {
  let depth = 0;
  let place = at;
  for (let index = at - 1; index >= 0; index -= 1) {
    const character = text[index];
    if (character === close) depth += 1;
    if (character !== open) continue;
    if (depth === 0) {
      place = index;
      break;
    }
    depth -= 1;
  }
  return {
    at: place,
    message: `\`${open}\` is not closed`,
    help: `close it with \`${close}\`, or correct the indentation of the lines after it`,
  };
};
