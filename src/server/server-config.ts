// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isMap, isNode, LineCounter, parseDocument, visit, type Document } from 'yaml';
import { z } from 'zod';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { heartbeatConfig, witnessesConfig } from './heartbeat-config.ts';
import { noticesConfig } from './notices-config.ts';
import { storeConfig } from './store-config.ts';

const path = z.string().min(1).max(1000);

/**
 * `DIR/countersign.yaml`, all of it optional:
 *
 *     listen: {host: 0.0.0.0, port: 443}
 *     public-url: https://countersign.example.org
 *     tls: {certificate: cert.pem, key: key.pem}
 *     trusted-proxies: [10.0.0.5]
 *     git: {repository: /srv/shop.git, base: refs/heads/main}
 *     files: {root: /srv/builds}
 *     log-key: {agent: 'SHA256:…', socket: /run/countersign/agent.sock}
 *     mirror: /mnt/other-disk/mirror
 *     notices: {…}
 *     heartbeat: {every: 60s}
 *     witnesses: {policy: witnesses.policy}
 *     store: {postgres: postgres://countersign@db1,db2/countersign, password-file: postgres.password}
 *
 * Paths are taken from the data folder on.
 */
const serverConfig = z.strictObject({
  listen: z.strictObject({ host: z.string().min(1).max(255), port: z.int().min(0).max(65_535) }).optional(),
  'public-url': z.string().max(300).optional(),
  tls: z.strictObject({ certificate: path, key: path }).optional(),
  'trusted-proxies': z.array(z.string().max(50)).max(64).optional(),
  git: z
    .strictObject({
      repository: path,
      // A whole reference, so that no branch, tag or option of a like name is taken instead.
      base: z
        .string()
        .regex(/^refs\/[A-Za-z0-9_./-]{1,200}$/)
        .nullable(),
    })
    .optional(),
  files: z.strictObject({ root: path }).optional(),
  // The key that signs checkpoints, when it lies in an ssh-agent: without a socket, in that of `SSH_AUTH_SOCK`.
  'log-key': z
    .strictObject({
      agent: z
        .string()
        .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'the fingerprint of a key is expected, as `ssh-add -l` shows it'),
      socket: path.optional(),
    })
    .optional(),
  /** Folder, best on another machine's disk, in which a copy of the ledger is kept up to date. */
  mirror: path.optional(),
  notices: noticesConfig.optional(),
  heartbeat: heartbeatConfig.optional(),
  witnesses: witnessesConfig.optional(),
  store: storeConfig.optional(),
});
export type ServerConfig = z.infer<typeof serverConfig>;

const maxBytes = 256 * 1024;

const malformed = (file: string, line: number, field: string, why: string): Refused =>
  refuse(
    'config-malformed',
    'H9',
    `\`${file}\`, line ${line}${field === '' ? '' : `, field \`${field}\``}: ${why}`,
    { file, line, field },
    'mend that line; docs/operations.md lists every field',
  );

/** Reads the configuration of a data folder; an empty one when there is no file. */
export const readServerConfig = (dir: string): Result<ServerConfig> => {
  const file = join(dir, 'countersign.yaml');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT') return ok({});
    return refuse(
      'config-malformed',
      'H9',
      `\`${file}\` cannot be read: ${String(code)}`,
      { file },
      'look whether this user may read the folder and what lies in it',
    );
  }
  const parsed = parseServerConfig(text, file);
  return parsed.ok ? ok(fromFolder(parsed.value, dir)) : parsed;
};

/** Reads the text strictly: no duplicate keys, no aliases, no tags, no fields that are not known (SPEC H9). */
export const parseServerConfig = (text: string, file = 'countersign.yaml'): Result<ServerConfig> => {
  if (text.length > maxBytes) return malformed(file, 1, '', `the file has more than ${maxBytes} bytes`);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    strict: true,
    uniqueKeys: true,
    version: '1.2',
    schema: 'core',
    customTags: [],
    merge: false,
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined)
    return malformed(file, problem.linePos?.[0].line ?? 1, '', (problem.message.split('\n')[0] ?? '').slice(0, 200));
  const alias = aliasIn(document);
  if (alias !== undefined) return malformed(file, lines.linePos(alias).line, '', 'aliases are not taken');
  const checked = serverConfig.safeParse(document.contents === null ? {} : document.toJS());
  if (checked.success) return ok(checked.data);
  // A field that is misspelt explains the one that is missing.
  const { issues } = checked.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const field = [...(issue?.path ?? []), ...unknown].map(String);
  const why = unknown.length > 0 ? 'there is no such field' : (issue?.message ?? 'it is not what was expected');
  return malformed(file, lineOf(document, field, lines), field.join('.'), why);
};

/** Line of `DIR/countersign.yaml` that a field stands in, for errors that show up later; undefined without the file. */
export const lineInConfig = (dir: string, field: readonly string[]): number | undefined => {
  const lines = new LineCounter();
  try {
    const text = readFileSync(join(dir, 'countersign.yaml'), 'utf8');
    return text.length > maxBytes ? undefined : lineOf(parseDocument(text, { lineCounter: lines }), field, lines);
  } catch {
    return undefined;
  }
};

// Where an alias stands, if there is one: it could make a small file a large one.
const aliasIn = (document: Document.Parsed): number | undefined => {
  let at: number | undefined;
  visit(document, {
    Alias: (_, node) => {
      at = node.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return at;
};

// The line of the field, or of the nearest thing around it that stands in the file.
const lineOf = (document: Document.Parsed, field: readonly string[], lines: LineCounter): number => {
  for (let depth = field.length; depth > 0; depth -= 1) {
    const parent = depth === 1 ? document.contents : document.getIn(field.slice(0, depth - 1), true);
    const name = field[depth - 1];
    const pair = isMap(parent) ? parent.items.find(({ key }) => isNode(key) && String(key) === name) : undefined;
    const node = isNode(pair?.key) ? pair.key : document.getIn(field.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
};

const fromFolder = (config: ServerConfig, dir: string): ServerConfig => {
  const { tls, git, files, mirror, witnesses, 'log-key': logKey } = config;
  return {
    ...config,
    ...(tls === undefined ? {} : { tls: { certificate: resolve(dir, tls.certificate), key: resolve(dir, tls.key) } }),
    ...(git === undefined ? {} : { git: { ...git, repository: resolve(dir, git.repository) } }),
    ...(files === undefined ? {} : { files: { root: resolve(dir, files.root) } }),
    ...(logKey?.socket === undefined ? {} : { 'log-key': { ...logKey, socket: resolve(dir, logKey.socket) } }),
    ...(mirror === undefined ? {} : { mirror: resolve(dir, mirror) }),
    ...(witnesses === undefined ? {} : { witnesses: { ...witnesses, policy: resolve(dir, witnesses.policy) } }),
  };
};
