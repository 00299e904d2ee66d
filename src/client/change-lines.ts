// SPDX-License-Identifier: Apache-2.0
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { needsEscaping, visibleText } from './visible-text.ts';

/** One value of a document and where it stands; `strange` when something in it had to be escaped. */
export type DocumentLine = { readonly path: string; readonly value: string; readonly strange: boolean };

// What people look for first. Everything else follows in the order of the bytes: nothing is left out.
const first = [
  'action',
  'target',
  'emergency',
  'requester',
  'facts',
  'content',
  'from_state',
  'executor',
  'audience',
  'enforced',
  'tier',
  'gate',
  'producers',
  'risk',
];

const join = (path: string, key: string): string => {
  const shown = /^[A-Za-z0-9_]+$/.test(key) ? key : JSON.stringify(visibleText(key));
  return path === '' ? shown : `${path}.${shown}`;
};

const walk = (value: JsonValue, path: string): readonly DocumentLine[] => {
  if (Array.isArray(value) && value.length > 0)
    return (value as readonly JsonValue[]).flatMap((item, at) => walk(item, `${path}[${at}]`));
  if (isObject(value) && Object.keys(value).length > 0)
    return Object.entries(value).flatMap(([key, item]) =>
      walk(item, join(path, key)).map((line) => (needsEscaping(key) ? { ...line, strange: true } : line)),
    );
  if (typeof value === 'string')
    return [{ path, value: `"${visibleText(value).replaceAll('"', '\\"')}"`, strange: needsEscaping(value) }];
  return [{ path, value: Array.isArray(value) ? '[]' : isObject(value) ? '{}' : String(value), strange: false }];
};

const ordered = (value: JsonValue): JsonValue => {
  if (!isObject(value)) return value;
  const keys = [
    ...first.filter((key) => Object.hasOwn(value, key)),
    ...Object.keys(value).filter((key) => !first.includes(key)),
  ];
  return Object.fromEntries(keys.map((key) => [key, value[key] ?? null]));
};

/** Every single value of a canonical document, one line each, safe to print. Nothing is cut and nothing left out. */
export const documentLines = (text: string): Result<readonly DocumentLine[]> => {
  const parsed = parseCanonical(text, { maxBytes: 8 * 1024 * 1024 });
  return parsed.ok ? ok(walk(ordered(parsed.value), '')) : parsed;
};

const notShown = (digest: string, why: string): Refused =>
  refuse(
    'change-not-shown',
    'W2',
    `content \`${digest}\` cannot be shown whole: ${why}`,
    { content: digest },
    'sign nothing that you cannot see; if you hold the same file, name it: `--content FILE`',
  );

// A line break at the end ends the last line and begins none. Where it is missing, that is said: these are other bytes.
const textLines = (text: string): readonly DocumentLine[] => {
  const ended = text.endsWith('\n');
  const lines = (ended ? text.slice(0, -1) : text)
    .split('\n')
    .map((line, at) => ({ path: `line ${at + 1}`, value: visibleText(line), strange: needsEscaping(line) }));
  return ended ? lines : [...lines, { path: 'end', value: '(without a line break)', strange: false }];
};

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** More than anybody reads at a terminal. */
const maxShownLines = 20_000;

/**
 * The document behind `content`, to be read before it is signed: JSON value by value, other text line by line. Bytes
 * that are no text are not shown, and so not signed (A35, C23).
 */
export const contentLines = (digest: string, bytes: Uint8Array | undefined): Result<readonly DocumentLine[]> => {
  if (bytes === undefined) return notShown(digest, 'the server does not give it out');
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    return notShown(digest, `its ${bytes.length} bytes are no text`);
  }
  if (text.includes('\0')) return notShown(digest, `its ${bytes.length} bytes are no text`);
  const json = documentLines(text);
  const lines: readonly DocumentLine[] = json.ok ? json.value : textLines(text);
  return lines.length > maxShownLines ? notShown(digest, `it has ${lines.length} lines`) : ok(lines);
};
