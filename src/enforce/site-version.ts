// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical, parseJson, canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { literal, matching, recordOf, shape } from '../kernel/shape.ts';
import { digest, permitId } from '../kernel/statements.ts';
import { plainPath } from '../assess/fact-value.ts';
import { digestOf } from '../crypto/digest.ts';

/**
 * An artefact of the static site is one JSON document, path to base64, and its digest is that of its exact bytes:
 *
 *     {"index.html":"PGgxPkhlbGxvPC9oMT4K","style.css":"…"}
 *
 * `current.json` names the version that is served; it is replaced by a rename, so that it is the old or the new one.
 */
export type Site = { readonly permit: string | null; readonly digest: string | null; readonly files: Files };
type Files = ReadonlyMap<string, Uint8Array>;

export const maxArtefactBytes = 16 * 1024 * 1024;
const emptySite: Site = { permit: null, digest: null, files: new Map() };

const artefactShape = recordOf(/^.{1,1000}$/, matching(/^[A-Za-z0-9+/=]*$/, 'base64'), 10_000);
const currentShape = shape({ type: literal('countersign.dev/site/v0'), permit: permitId, digest });

/** Reads an artefact, before anything is used up for it. */
export const readArtefact = (bytes: Uint8Array): Result<Files> => {
  const parsed = parseJson(bytes, { maxBytes: maxArtefactBytes });
  if (!parsed.ok) return parsed;
  const checked = artefactShape(parsed.value, '');
  if (!checked.ok) return checked;
  const files = new Map<string, Uint8Array>();
  for (const [path, base64] of Object.entries(checked.value)) {
    const content = decodeBase64(base64);
    if (!content.ok) return content;
    if (!plainPath(path)) return refuse('shape-mismatch', 'K5', `\`${path}\` is not a plain relative path`, { path });
    files.set(path, content.value);
  }
  return ok(files);
};

/** What was served last; a damaged version is not served. */
export const loadSite = (folder: string): Result<Site> => {
  mkdirSync(join(folder, 'versions'), { recursive: true });
  const text = readIfThere(join(folder, 'current.json'));
  if (text === undefined) return ok(emptySite);
  const parsed = parseCanonical(text);
  const current = parsed.ok ? currentShape(parsed.value, '') : parsed;
  if (!current.ok) return damaged('current.json');
  const { permit, digest: promised } = current.value;
  const bytes = readIfThere(join(folder, 'versions', `${permit}.json`));
  if (bytes === undefined || digestOf(bytes) !== promised) return damaged(`versions/${permit}.json`);
  const files = readArtefact(bytes);
  return files.ok ? ok({ permit, digest: promised, files: files.value }) : files;
};

const damaged = (file: string): Refused =>
  refuse('store-corrupt', 'Y7', `\`${file}\` of the site is damaged`, { file }, 'restore it, or deploy again');

const readIfThere = (path: string): Uint8Array | undefined => {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Makes a version durable and then, in one step, the one that is served. */
export const switchSite = (folder: string, permit: string, bytes: Uint8Array, files: Files): Site => {
  const version = { permit, digest: digestOf(bytes) };
  writeDurably(join(folder, 'versions'), `${permit}.json`, bytes);
  writeDurably(folder, 'current.json', Buffer.from(canonicalize({ type: 'countersign.dev/site/v0', ...version })));
  return { ...version, files };
};

const writeDurably = (folder: string, name: string, bytes: Uint8Array): void => {
  const draft = join(folder, `${name}.tmp`);
  const handle = openSync(draft, 'w');
  try {
    writeFileSync(handle, bytes);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, join(folder, name));
  const parent = openSync(folder, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
};
