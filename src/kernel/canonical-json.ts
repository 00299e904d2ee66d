// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant, ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from './refusal.ts';

/**
 * JSON as it is signed: RFC 8785 (JSON Canonicalization Scheme), read strictly (SPEC K1–K3).
 *
 *     {"a":1,"b":[true,null],"é":"ü"}
 *
 * Keys in UTF-16 order, no white space, shortest numbers. What is read must say one thing only: no duplicate keys, no
 * lone surrogates, no number that a double can't hold exactly (T14).
 */
export type JsonLimits = {
  readonly maxBytes?: number;
  readonly maxDepth?: number;
  /** `any` also takes fractions and large numbers, for foreign documents that nobody signs here. */
  readonly numbers?: 'safe-integers' | 'any';
};

const defaults = { maxBytes: 1024 * 1024, maxDepth: 32, numbers: 'safe-integers' } as const;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const tooLarge = (size: number, limit: number): Refused =>
  refuse(
    'json-too-large',
    'K2',
    `the document has ${size} bytes, more than ${limit}`,
    { size, limit },
    'send a smaller document, or attach large content by its digest',
  );
const tooDeep = (limit: number): Refused =>
  refuse('json-too-deep', 'K2', `the document is nested deeper than ${limit}`, { limit }, 'flatten it');
const unsafeNumber = (text: string): Refused =>
  refuse(
    'json-unsafe-number',
    'K2',
    `\`${text.slice(0, 40)}\` is not a whole number that can be held exactly`,
    {},
    'use whole numbers up to 9007199254740991, or text',
  );
const loneSurrogate = (): Refused =>
  refuse('json-lone-surrogate', 'K2', 'a string holds half of a surrogate pair', {}, 'write the whole character');
const malformed = (what: string, at: number): Refused =>
  refuse('json-malformed', 'K1', `${what} at character ${at}`, { at }, 'send one JSON document in UTF-8');

const decode = (input: string | Uint8Array, maxBytes: number): Result<string> => {
  const size = typeof input === 'string' ? utf8Length(input, maxBytes) : input.length;
  if (size > maxBytes) return tooLarge(size, maxBytes);
  if (typeof input === 'string') return ok(input);
  try {
    return ok(strictUtf8.decode(input));
  } catch {
    return malformed('the bytes are not UTF-8', 0);
  }
};

// A text of n UTF-16 units has at most 3n bytes; the exact length is only counted when it could matter.
const utf8Length = (text: string, limit: number): number =>
  text.length * 3 <= limit ? text.length : new TextEncoder().encode(text).length;

/** Canonical text of a value. A value that has none is a defect of the caller, never of an input. */
export const canonicalize = (value: JsonValue): string => {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      if (!Number.isFinite(value)) throw new BrokenInvariant('a number that JSON has no text for');
      return Object.is(value, -0) ? '0' : String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    default:
      if (value === null) return 'null';
      return Array.isArray(value)
        ? canonicalizeList(value as readonly JsonValue[])
        : canonicalizeObject(value as JsonObject);
  }
};

// Keys, ids and codes are nearly all of this kind, and need neither escapes nor the platform's writer.
const plainText = /^[ !#-[\]-~]{0,80}$/;

const quote = (text: string): string => {
  if (text.length <= 80 && plainText.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new BrokenInvariant('a string with half of a surrogate pair');
  return JSON.stringify(text);
};

const canonicalizeList = (items: readonly JsonValue[]): string => {
  let text = '[';
  for (let at = 0; at < items.length; at += 1) text += (at === 0 ? '' : ',') + canonicalize(items[at] as JsonValue);
  return `${text}]`;
};

// The default order of `sort` is by UTF-16 code units, which is the order RFC 8785 section 3.2.3 asks for.
const canonicalizeObject = (value: JsonObject): string => {
  let text = '{';
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) throw new BrokenInvariant(`field \`${key}\` has no value`);
    text += `${text.length === 1 ? '' : ','}${quote(key)}:${canonicalize(member)}`;
  }
  return `${text}}`;
};

/**
 * Reads a document that must stand in canonical form already. The fast path needs no parser of ours: whatever the
 * platform's parser drops (a duplicate key, white space, a digit beyond a double) makes the canonical text differ.
 */
export const parseCanonical = (input: string | Uint8Array, limits: JsonLimits = {}): Result<JsonValue> => {
  const { maxBytes, maxDepth } = { ...defaults, ...limits };
  const decoded = decode(input, maxBytes);
  if (!decoded.ok) return decoded;
  const text = decoded.value;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return parseJson(input, limits);
  }
  const numbers = limits.numbers ?? defaults.numbers;
  if (isWrittenSo(value, text, { maxDepth, numbers, sorted: true })) return ok(value);
  const wrong = inspect(value, { maxDepth, numbers }, maxDepth);
  if (wrong === undefined && canonicalize(value) === text) return ok(value);
  // The strict reader names what stands in the text, where the platform has already made something else of it.
  const strict = parseJson(input, limits);
  if (!strict.ok) return strict;
  if (wrong !== undefined) return wrong;
  return refuse(
    'json-not-canonical',
    'K3',
    'the document is not in canonical form',
    {},
    'write it as RFC 8785 says: sorted keys, no white space',
  );
};

// Where every object's keys already stand in order, the platform's own writer gives the canonical text, and gives it faster.
// It writes strings and numbers as RFC 8785 section 3.2.2 says; what it gets wrong differs from the text and is looked at
// again by ours. It escapes half of a surrogate pair, and nothing else from that range.
const isWrittenSo = (value: JsonValue, text: string, form: Form): boolean =>
  isPlain(value, form, form.maxDepth) && JSON.stringify(value) === text && !text.includes('\\ud');

type Form = Bounds & { readonly sorted: boolean };

/** Numbers and depth within bounds, and keys in order where that is asked for. */
const isPlain = (value: JsonValue, form: Form, depthLeft: number): boolean => {
  if (typeof value === 'number') return holds(value, form.numbers);
  if (typeof value !== 'object' || value === null) return true;
  if (depthLeft <= 0) return false;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) if (!isPlain(item, form, depthLeft - 1)) return false;
    return true;
  }
  let before: string | undefined;
  for (const key of Object.keys(value)) {
    if (form.sorted && before !== undefined && key <= before) return false;
    before = key;
    if (!isPlain((value as JsonObject)[key] ?? null, form, depthLeft - 1)) return false;
  }
  return true;
};

type Bounds = { readonly maxDepth: number; readonly numbers: JsonLimits['numbers'] };

const holds = (value: number, numbers: JsonLimits['numbers']): boolean =>
  numbers === 'any' ? Number.isFinite(value) : Number.isSafeInteger(value);

const inspect = (value: JsonValue, bounds: Bounds, depthLeft: number): Refused | undefined => {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : loneSurrogate();
  if (typeof value === 'number') return holds(value, bounds.numbers) ? undefined : unsafeNumber(String(value));
  if (typeof value !== 'object' || value === null) return undefined;
  if (depthLeft <= 0) return tooDeep(bounds.maxDepth);
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) {
      const wrong = inspect(item, bounds, depthLeft - 1);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
  for (const [key, item] of Object.entries(value)) {
    const wrong = key.isWellFormed() ? inspect(item, bounds, depthLeft - 1) : loneSurrogate();
    if (wrong !== undefined) return wrong;
  }
  return undefined;
};

/** Reads JSON that need not be canonical, such as a request body, and refuses whatever two readers could take for two things. */
export const parseJson = (input: string | Uint8Array, limits: JsonLimits = {}): Result<JsonValue> => {
  const { maxBytes, maxDepth, numbers } = { ...defaults, ...limits };
  const decoded = decode(input, maxBytes);
  if (!decoded.ok) return decoded;
  const written = asWritten(decoded.value, { maxDepth, numbers, sorted: false });
  if (written !== undefined) return ok(written);
  const reader = new StrictReader(decoded.value, maxDepth, numbers);
  try {
    return ok(reader.document());
  } catch (error) {
    if (error instanceof Stop) return error.refused;
    throw error;
  }
};

// What the platform reads and writes again as the very same text says one thing only: a duplicate key, or a number that
// is not held exactly, would be gone from it. Everything else is for the strict reader.
const asWritten = (text: string, form: Form): JsonValue | undefined => {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  return isWrittenSo(value, text, form) ? value : undefined;
};

class Stop extends Error {
  readonly refused: Refused;
  constructor(refused: Refused) {
    super(refused.refusal.message);
    this.refused = refused;
  }
}

const whiteSpace = /[ \t\n\r]*/y;
// One class and no alternatives: a group would need stack for every character of a long string.
const plainRun = /[^"\\]*/y;
const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Recursive descent over RFC 8259, because the platform's parser lets the last of two equal keys win (T14). */
class StrictReader {
  private at = 0;
  private readonly text: string;
  private readonly maxDepth: number;
  private readonly numbers: JsonLimits['numbers'];

  constructor(text: string, maxDepth: number, numbers: JsonLimits['numbers']) {
    this.text = text;
    this.maxDepth = maxDepth;
    this.numbers = numbers;
  }

  document(): JsonValue {
    this.skip();
    const value = this.value(0);
    this.skip();
    if (this.at < this.text.length) throw new Stop(malformed('something stands after the document', this.at));
    return value;
  }

  private value(depth: number): JsonValue {
    const first = this.text[this.at];
    if (first === '{') return this.object(depth + 1);
    if (first === '[') return this.list(depth + 1);
    if (first === '"') return this.string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const)
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    return this.number();
  }

  private object(depth: number): JsonValue {
    this.enter(depth);
    const result: { [key: string]: JsonValue } = {};
    if (this.closes('}')) return result;
    for (;;) {
      if (this.text[this.at] !== '"') throw new Stop(malformed('a key was expected', this.at));
      const key = this.string();
      if (Object.hasOwn(result, key))
        throw new Stop(
          refuse(
            'json-duplicate-key',
            'K2',
            `key \`${key.slice(0, 60)}\` stands twice`,
            { key: key.slice(0, 60) },
            'give each key once',
          ),
        );
      this.expect(':');
      // Defined, not assigned: `__proto__` is a key like any other.
      Object.defineProperty(result, key, {
        value: this.value(depth),
        enumerable: true,
        writable: true,
        configurable: true,
      });
      if (this.separates('}')) return result;
    }
  }

  private list(depth: number): JsonValue {
    this.enter(depth);
    const items: JsonValue[] = [];
    if (this.closes(']')) return items;
    for (;;) {
      items.push(this.value(depth));
      if (this.separates(']')) return items;
    }
  }

  private enter(depth: number): void {
    if (depth > this.maxDepth) throw new Stop(tooDeep(this.maxDepth));
    this.at += 1;
    this.skip();
  }

  private closes(end: string): boolean {
    if (this.text[this.at] !== end) return false;
    this.at += 1;
    return true;
  }

  private separates(end: string): boolean {
    this.skip();
    if (this.closes(end)) return true;
    this.expect(',');
    return false;
  }

  private expect(character: string): void {
    this.skip();
    if (this.text[this.at] !== character) throw new Stop(malformed(`\`${character}\` was expected`, this.at));
    this.at += 1;
    this.skip();
  }

  private token(form: RegExp): string | undefined {
    form.lastIndex = this.at;
    const match = form.exec(this.text);
    if (match === null) return undefined;
    this.at += match[0].length;
    return match[0];
  }

  private skip(): void {
    this.token(whiteSpace);
  }

  private string(): string {
    const start = this.at;
    if (this.text[start] !== '"') throw new Stop(malformed('a string was expected', start));
    this.at += 1;
    for (;;) {
      this.token(plainRun);
      if (this.text[this.at] !== '\\') break;
      this.at += 2;
    }
    this.at += 1;
    let value: string;
    try {
      // The platform takes exactly the strings of RFC 8259 section 7.
      value = JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw new Stop(malformed('a string does not end or holds a control character', start));
    }
    if (!value.isWellFormed()) throw new Stop(loneSurrogate());
    return value;
  }

  private number(): number {
    const start = this.at;
    const token = this.token(numberToken);
    if (token === undefined) throw new Stop(malformed('a value was expected', start));
    const value = Number(token);
    const exact =
      this.numbers === 'any'
        ? Number.isFinite(value)
        : Number.isSafeInteger(value) && /^-?\d+$/.test(token) && token !== '-0';
    if (!exact) throw new Stop(unsafeNumber(token));
    return value;
  }
}
