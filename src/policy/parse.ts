// SPDX-License-Identifier: Apache-2.0
import { isMap, isScalar, parseAllDocuments, visit, type Document, type Node } from 'yaml';
import { placeFinding, type Diagnostic, type Finding, type PolicyFile } from './diagnostic.ts';
import { yamlProblems } from './parse-problem.ts';

export type DocumentPath = readonly (string | number)[];

/** One YAML document of a file: its plain value, and where each part of it stands. */
export type SourceDocument = {
  readonly file: PolicyFile;
  readonly value: unknown;
  /** Offset of the value at a path, or of the nearest part around it that is there. */
  readonly offsetOf: (path: DocumentPath) => number;
  /** Offset of the key at the end of a path, or of the nearest part around it that is there. */
  readonly offsetOfKey: (path: DocumentPath) => number;
  /** Offset of a character inside the text value at a path; the value's own offset where it is written with escapes. */
  readonly offsetInText: (path: DocumentPath, at: number) => number;
};

const maxFileLength = 256 * 1024;
const maxDocuments = 128;

/**
 * Reads YAML 1.2 strictly (SPEC P14): no aliases, anchors, merge keys, tags or duplicate keys, so that what a reviewer
 * reads on the page is what the document says. Bounded; never throws.
 */
export const parsePolicyFile = (
  file: PolicyFile,
): { readonly documents: readonly SourceDocument[]; readonly errors: readonly Diagnostic[] } => {
  const refused = (offset: number, finding: Finding) => ({
    documents: [],
    errors: [placeFinding(file, offset, finding)],
  });
  if (file.text.length > maxFileLength)
    return refused(
      0,
      malformed(
        'policy-too-large',
        `the file has more than ${maxFileLength} characters`,
        'split it: one action a file',
      ),
    );
  try {
    const parsed = parseAllDocuments(file.text, {
      version: '1.2',
      schema: 'core',
      uniqueKeys: true,
      strict: true,
      prettyErrors: false,
      merge: false,
    });
    if (!Array.isArray(parsed)) return { documents: [], errors: [] };
    if (parsed.length > maxDocuments)
      return refused(0, malformed('policy-too-large', `the file has more than ${maxDocuments} documents`, 'split it'));
    const slips = yamlProblems(file, parsed);
    const errors = slips.length > 0 ? slips : parsed.flatMap((document) => forbiddenIn(file, document));
    if (errors.length > 0) return { documents: [], errors };
    return {
      documents: parsed.filter((document) => !isEmpty(document)).map((document) => read(file, document)),
      errors: [],
    };
  } catch (error) {
    // The library throws on nesting that is deeper than the stack; nothing it throws may get past here.
    const why = error instanceof RangeError ? 'it is nested too deeply' : 'it cannot be read';
    return refused(0, malformed('policy-yaml-malformed', `the document is no YAML: ${why}`, 'write plain YAML 1.2'));
  }
};

const malformed = (code: Finding['code'], message: string, help: string): Finding => ({
  code,
  rule: 'P14',
  message,
  help,
});

const forbiddenIn = (file: PolicyFile, document: Document.Parsed): readonly Diagnostic[] => {
  const found: Diagnostic[] = [];
  const forbid = (node: Node, what: string): void => {
    found.push(
      placeFinding(
        file,
        node.range?.[0] ?? 0,
        malformed(
          'policy-yaml-forbidden',
          `${what} is not allowed`,
          'write the value out where it is used, so that a reader sees it there',
        ),
      ),
    );
  };
  visit(document, {
    Alias: (_, node) => forbid(node, `the alias \`*${node.source}\``),
    Pair: (_, pair) => {
      if (isScalar(pair.key) && pair.key.value === '<<') forbid(pair.key, 'the merge key `<<`');
      // Readers of objects pass over this one in silence, and nothing of a policy is ever ignored.
      else if (isScalar(pair.key) && pair.key.value === '__proto__') forbid(pair.key, 'the key `__proto__`');
      else if (!isScalar(pair.key) || typeof pair.key.value !== 'string')
        found.push(
          placeFinding(
            file,
            offsetOfNode(pair.key),
            malformed('policy-yaml-forbidden', 'a key that is not text is not allowed', 'write the key as text'),
          ),
        );
    },
    Value: (_, node) => {
      if (node.anchor !== undefined) forbid(node, `the anchor \`&${node.anchor}\``);
      // An escape can write half of a character, which has no bytes to sign.
      if (isScalar(node) && typeof node.value === 'string' && !node.value.isWellFormed())
        forbid(node, 'half of a surrogate pair');
      if (node.tag !== undefined) forbid(node, `the tag \`${node.tag.replace('tag:yaml.org,2002:', '!!')}\``);
    },
  });
  return found;
};

const offsetOfNode = (key: unknown): number => (isScalar(key) || isMap(key) ? (key.range?.[0] ?? 0) : 0);
// What `---` at the end of a file leaves behind.
const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null);

const read = (file: PolicyFile, document: Document.Parsed): SourceDocument => {
  const offsetOf = (path: DocumentPath): number => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
      const start = (node as Node | null | undefined)?.range?.[0];
      if (start !== undefined) return start;
    }
    return 0;
  };
  const offsetOfKey = (path: DocumentPath): number => {
    const parent = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && item.key.value === path.at(-1))
      : undefined;
    return pair === undefined ? offsetOf(path) : offsetOfNode(pair.key);
  };
  const offsetInText = (path: DocumentPath, at: number): number => {
    const start = offsetOf(path);
    const node = document.getIn(path, true);
    if (!isScalar(node) || typeof node.value !== 'string') return start;
    const quoted = /^["']/.test(file.text.slice(start, start + 1)) ? 1 : 0;
    const written = file.text.slice(start + quoted, start + quoted + node.value.length);
    return written === node.value ? start + quoted + at : start;
  };
  return { file, value: document.toJS({ maxAliasCount: 0 }), offsetOf, offsetOfKey, offsetInText };
};
