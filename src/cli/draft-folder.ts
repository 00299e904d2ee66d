// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../crypto/digest.ts';
import { dearmorSignature, formatArmoredSignature, parseSshSignature } from '../crypto/sshsig.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { Attachments } from '../kernel/decider.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { recordOf, text } from '../kernel/shape.ts';
import { readUnsignedGenesis, type Genesis } from '../lifecycle/genesis.ts';

/**
 * What founders hand around before a ledger exists:
 *
 *     genesis.json      the exact text that everybody signs
 *     roster.json       who there is          (its digest stands in the genesis)
 *     policy.json       what is in force      (its digest stands in the genesis)
 *     names.json        names of people and titles of actions, for reading; nobody signs them
 *     SUMMARY.txt       the same, to read
 *     signatures/       one file a key, as `ssh-keygen -Y sign` writes it
 *
 * No secret is in it. A folder that came from elsewhere is believed in nothing but what its signatures hold.
 */
export type Draft = {
  readonly folder: string;
  readonly statement: string;
  readonly genesis: Genesis;
  readonly attachments: Attachments;
  readonly names: Names;
};

/** For display only: person ids to names, action names to titles and runbooks. */
export type Names = {
  readonly people: { readonly [id: string]: string };
  readonly titles: { readonly [action: string]: string };
  readonly runbooks: { readonly [action: string]: string };
};

const word = recordOf(/^.{1,200}$/, text(400), 20000);
const namesShape = (value: Parameters<typeof word>[0]): Names => {
  const member = (field: string) => {
    const given = value !== undefined && value !== null && typeof value === 'object' ? Object.entries(value) : [];
    const checked = word(given.find(([name]) => name === field)?.[1], field);
    return checked.ok ? checked.value : {};
  };
  return { people: member('people'), titles: member('titles'), runbooks: member('runbooks') };
};

export const writeDraft = (
  folder: string,
  files: {
    readonly statement: string;
    readonly roster: Uint8Array;
    readonly policy: Uint8Array;
    readonly names: string;
    readonly summary: string;
  },
): Result<null> => {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    return refuse('folder-exists', 'H8', `the folder \`${folder}\` is there already`, { folder }, 'name a new folder');
  mkdirSync(join(folder, 'signatures'), { recursive: true });
  writeFileSync(join(folder, 'genesis.json'), files.statement);
  writeFileSync(join(folder, 'roster.json'), files.roster);
  writeFileSync(join(folder, 'policy.json'), files.policy);
  writeFileSync(join(folder, 'names.json'), files.names);
  writeFileSync(join(folder, 'SUMMARY.txt'), files.summary);
  return ok(null);
};

const maxFileBytes = 8 * 1024 * 1024;

const readPart = (folder: string, name: string): Result<Uint8Array> => {
  const file = join(folder, name);
  const bytes = existsSync(file) ? readFileSync(file) : undefined;
  if (bytes !== undefined && bytes.length <= maxFileBytes) return ok(bytes);
  return refuse(
    'draft-incomplete',
    'N7',
    bytes === undefined ? `\`${folder}\` has no file \`${name}\`` : `\`${file}\` is too large`,
    { folder, file: name },
    'ask for the whole folder that `countersign init draft` wrote',
  );
};

/** Reads a draft and checks everything in it but the signatures, with the same code that will found the ledger. */
export const readDraft = (folder: string): Result<Draft> => {
  const [genesisBytes, roster, policy] = [
    readPart(folder, 'genesis.json'),
    readPart(folder, 'roster.json'),
    readPart(folder, 'policy.json'),
  ];
  if (!genesisBytes.ok) return genesisBytes;
  if (!roster.ok) return roster;
  if (!policy.ok) return policy;
  const statement = Buffer.from(genesisBytes.value).toString('utf8');
  const attachments = new Map([roster.value, policy.value].map((bytes) => [digestOf(bytes), bytes]));
  const genesis = readUnsignedGenesis(statement, attachments);
  if (!genesis.ok) return genesis;
  const named = readPart(folder, 'names.json');
  const parsed = named.ok ? parseCanonical(named.value, { maxBytes: maxFileBytes }) : undefined;
  const names = namesShape(parsed?.ok === true ? parsed.value : undefined);
  return ok({ folder, statement, genesis: genesis.value, attachments, names });
};

/** The file of a key's signature: its fingerprint, with what file names cannot hold replaced. */
export const signatureFile = (fingerprint: string): string =>
  `${fingerprint.replace(':', '_').replaceAll('/', '_').replaceAll('+', '-')}.sig`;

/** The summary as it lies in the folder; undefined where there is none. */
export const summaryIn = (folder: string): string | undefined => {
  const file = join(folder, 'SUMMARY.txt');
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
};

export const writeSignature = (draft: Draft, fingerprint: string, blob: Uint8Array): string => {
  const file = join(draft.folder, 'signatures', signatureFile(fingerprint));
  mkdirSync(join(draft.folder, 'signatures'), { recursive: true });
  writeFileSync(file, formatArmoredSignature(blob));
  return file;
};

export type FoundSignatures = {
  /** Raw blobs in base64, in the order of the key's fingerprint. */
  readonly signatures: readonly string[];
  /** Fingerprints of the keys that these claim to be by. */
  readonly claimed: ReadonlySet<string>;
};

/** All signature files of a draft, readable but not verified: founding verifies them. */
export const readSignatures = (draft: Draft): Result<FoundSignatures> => {
  const folder = join(draft.folder, 'signatures');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sig')) : [];
  const found = new Map<string, string>();
  for (const name of files.sort()) {
    const blob = dearmorSignature(readFileSync(join(folder, name), 'utf8'));
    if (!blob.ok) return inFile(name, blob.refusal);
    const signature = parseSshSignature(blob.value);
    if (!signature.ok) return inFile(name, signature.refusal);
    found.set(signature.value.key.fingerprint, encodeBase64(blob.value));
  }
  return ok({ signatures: [...found.values()], claimed: new Set(found.keys()) });
};

const inFile = (name: string, refusal: Parameters<typeof refuse>[3] & { readonly message?: string }) =>
  refuse(
    'signature-malformed',
    'S2',
    `\`signatures/${name}\`: ${String(refusal.message)}`,
    { file: name },
    'take that file away, and let its signer sign again',
  );
