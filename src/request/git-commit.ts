// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { gitObjectId, type GitObjectFormat } from '../crypto/git-object-id.ts';

/**
 * A raw commit object, the bytes of `git cat-file commit <id>`:
 *
 *     tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
 *     parent 1b1c9e0f0d0c6a4d5f2f4f0e8f7d6c5b4a392817
 *     author Ada <ada@example.org> 1795445328 +0000
 *     committer Ada <ada@example.org> 1795445328 +0000
 *     gpgsig -----BEGIN SSH SIGNATURE-----
 *      U1NIU0lHAAAAAQ…
 *      -----END SSH SIGNATURE-----
 *
 *     Message
 */
export type GitCommit = {
  readonly id: string;
  readonly format: GitObjectFormat;
  readonly tree: string;
  readonly parents: readonly string[];
  /** As the commit says; nobody checked it. Never used to clear anyone (C4). */
  readonly author: GitIdentity;
  readonly committer: GitIdentity;
  /** Armored text of the signature over `payload`, of whatever kind it is, or null. */
  readonly signature: string | null;
  /** What the signature covers: the object without its signature headers. */
  readonly payload: Uint8Array;
  readonly message: Uint8Array;
};
export type GitIdentity = { readonly name: string; readonly email: string; readonly seconds: number };

export const maxCommitBytes = 65_536;
const maxParents = 64;

type Header = { readonly key: string; readonly value: string; readonly start: number; readonly end: number };

/** Strict (SPEC G1): what git itself would not write is refused, not guessed at. */
export const parseGitCommit = (bytes: Uint8Array, format: GitObjectFormat): Result<GitCommit> => {
  if (bytes.length > maxCommitBytes)
    return malformed(`the commit has ${bytes.length} bytes, more than ${maxCommitBytes}`);
  if (bytes.includes(0)) return malformed('the commit holds a NUL byte');
  const text = latin1(bytes);
  const headers = parseHeaders(text);
  if (!headers.ok) return headers;
  const fixed = readFixedHeaders(headers.value.list, format);
  if (!fixed.ok) return fixed;
  const id = commitId(bytes, format);
  const signatures = headers.value.list.filter((header) => header.key.startsWith('gpgsig'));
  const wanted = signatures.find((header) => header.key === signatureHeader[format]);
  return ok({
    id,
    format,
    ...fixed.value,
    signature: wanted?.value ?? null,
    payload: without(bytes, signatures),
    message: bytes.slice(headers.value.bodyStart),
  });
};

export const commitId = (bytes: Uint8Array, format: GitObjectFormat): string => gitObjectId(format, 'commit', bytes);

/** A commit may be signed once for each object format; only the one of the format it is read in counts. */
const signatureHeader: Readonly<Record<GitObjectFormat, string>> = { sha1: 'gpgsig', sha256: 'gpgsig-sha256' };

const malformed = (message: string): Refused =>
  refuse(
    'git-commit-malformed',
    'G1',
    message,
    {},
    'look at the commit with `git cat-file commit` and `git fsck --strict`',
  );

const parseHeaders = (text: string): Result<{ readonly list: readonly Header[]; readonly bodyStart: number }> => {
  const list: Header[] = [];
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\n', at);
    if (lineEnd < 0) return malformed('the headers do not end in an empty line');
    if (lineEnd === at) return ok({ list, bodyStart: at + 1 });
    // A header goes on over every following line that starts with a space, each of which loses that space.
    let end = lineEnd + 1;
    while (text[end] === ' ') {
      const next = text.indexOf('\n', end);
      if (next < 0) return malformed('the headers do not end in an empty line');
      end = next + 1;
    }
    const space = text.indexOf(' ', at);
    if (space <= at || space > lineEnd) return malformed(`header line ${list.length + 1} has no value`);
    const key = text.slice(at, space);
    if (!/^[!-~]+$/.test(key)) return malformed(`header ${list.length + 1} has a name that is not plain text`);
    list.push({ key, value: text.slice(space + 1, end - 1).replaceAll('\n ', '\n'), start: at, end });
    at = end;
  }
};

type FixedHeaders = Pick<GitCommit, 'tree' | 'parents' | 'author' | 'committer'>;

// git writes tree, parents, author, committer in this order, then whatever else; none of the first may come again.
const readFixedHeaders = (list: readonly Header[], format: GitObjectFormat): Result<FixedHeaders> => {
  const idForm = format === 'sha1' ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  const tree = list[0];
  if (tree?.key !== 'tree' || !idForm.test(tree.value))
    return malformed(`the first header must be \`tree\` with a ${format} id`);
  let at = 1;
  const parents: string[] = [];
  for (; list[at]?.key === 'parent'; at += 1) {
    const value = list[at]?.value ?? '';
    if (!idForm.test(value)) return malformed(`a parent must be a ${format} id`);
    parents.push(value);
  }
  if (parents.length > maxParents)
    return malformed(`the commit has ${parents.length} parents, more than ${maxParents}`);
  const author = parseIdentity(list[at], 'author');
  if (!author.ok) return author;
  const committer = parseIdentity(list[at + 1], 'committer');
  if (!committer.ok) return committer;
  const again = refuseRepeated(list.slice(at + 2));
  return again ?? ok({ tree: tree.value, parents, author: author.value, committer: committer.value });
};

// `mergetag`, `encoding` and headers unknown to us stay in the payload as they are: signed bytes, never interpreted.
const refuseRepeated = (rest: readonly Header[]): Refused | undefined => {
  const seen = new Set(['tree', 'parent', 'author', 'committer']);
  for (const { key } of rest) {
    if (seen.has(key)) return malformed(`header \`${key}\` stands twice or out of order`);
    // git strips anything that starts with `gpgsig` from what it checks, so that an unknown one would be unsigned bytes.
    if (key.startsWith('gpgsig') && key !== 'gpgsig' && key !== 'gpgsig-sha256')
      return malformed(`header \`${key.slice(0, 40)}\` is not a signature header that git writes`);
    if (key.startsWith('gpgsig') || key === 'encoding') seen.add(key);
  }
  return undefined;
};

const identityForm = /^([^<>\n]*)<([^<>\n]*)> (\d{1,12}) [+-]\d{4}$/;
const parseIdentity = (header: Header | undefined, key: string): Result<GitIdentity> => {
  const match = header?.key === key ? identityForm.exec(header.value) : null;
  if (match === null) return malformed(`\`${key}\` must follow and read \`Name <address> seconds zone\``);
  const [, name = '', email = '', seconds = ''] = match;
  return ok({ name: utf8(name).trim(), email: utf8(email), seconds: Number(seconds) });
};

const without = (bytes: Uint8Array, cuts: readonly Header[]): Uint8Array => {
  const length = cuts.reduce((rest, cut) => rest - (cut.end - cut.start), bytes.length);
  const kept = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (const cut of [...cuts, { start: bytes.length, end: bytes.length }]) {
    kept.set(bytes.subarray(from, cut.start), to);
    to += cut.start - from;
    from = cut.end;
  }
  return kept;
};

// One character for one byte, so that offsets in the text are offsets in the bytes.
const latin1 = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
};
const utf8 = (text: string): string => new TextDecoder().decode(Uint8Array.from(text, (char) => char.charCodeAt(0)));
