// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { maxFileBytes, maxFileEntries, parsePermitFile, type PermitFile } from '../execute/permit-file.ts';
import { blobsNamed } from './collect.ts';
import { malformed, type Replay } from './replay.ts';

/**
 * Permit files of one ledger begin with the same bytes: the documents and entries of governance. What those come to is
 * remembered by the bytes themselves and the pin they were judged from, and only the rest of the next file is read:
 *
 *     {"blobs":{…},"entries":["<genesis>","<governance>",   "<request>","<vote>"],"entry":"…","proof":"…", …
 *     └────────── these very bytes were read before ──────┘ └──────────────── read now ────────────────
 *
 * A reader of JSON stands in the same place after the beginning as after `{"blobs":{},"entries":[`, so that the whole is
 * canonical if that and the rest are.
 */
export type Begun = { readonly replay: Replay; readonly blobs: Attachments; readonly entries: number };
type Beginning = Begun & { readonly pin: string; readonly bytes: Uint8Array };

const remembered: Beginning[] = [];
const maxRemembered = 8;
const opening = Buffer.from('{"blobs":{},"entries":[');
const quote = 0x22;

/** Forgets what was remembered; for measurements and tests. */
export const forgetBeginnings = (): void => void remembered.splice(0);

export type ReadPermitFile = {
  /** Without the blobs and entries of `begun`. */
  readonly file: PermitFile;
  readonly begun: Begun | undefined;
};

export const readPermitFile = (input: string | Uint8Array, pin: string): Result<ReadPermitFile> => {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  const begun = remembered.find((one) => one.pin === pin && startsWith(bytes, one.bytes));
  if (begun === undefined) {
    const file = parsePermitFile(input);
    return file.ok ? ok({ file: file.value, begun: undefined }) : file;
  }
  const file = parsePermitFile(Buffer.concat([opening, bytes.subarray(begun.bytes.length)]));
  if (!file.ok) return file;
  if (bytes.length > maxFileBytes || file.value.entries.length + begun.entries > maxFileEntries)
    return malformed('the file is larger than any that is read');
  return ok({ file: file.value, begun });
};

// One more entry has to follow: after the comma that the beginning ends with, nothing else could.
const startsWith = (bytes: Uint8Array, beginning: Uint8Array): boolean =>
  bytes instanceof Uint8Array &&
  bytes.length > beginning.length &&
  bytes[beginning.length] === quote &&
  Buffer.compare(bytes.subarray(0, beginning.length), beginning) === 0;

/** Remembers a beginning that was read as a whole and held, unless a document of this one request stands in it. */
export const rememberBeginning = (file: PermitFile, pin: string, begun: Begun): void => {
  const texts = file.entries.slice(0, begun.entries);
  if (blobsNamed(texts).length !== begun.blobs.size) return;
  const entries = texts.map((text) => `${canonicalize(text)},`);
  const bytes = Buffer.from(`{"blobs":${canonicalize(file.blobs)},"entries":[${entries.join('')}`);
  if (remembered.length >= maxRemembered) remembered.shift();
  remembered.push({ ...begun, pin, bytes });
};
