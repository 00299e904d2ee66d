// SPDX-License-Identifier: Apache-2.0
// A whole ledger as it is kept in spec/ledgers/<release>/<name>/: entries, blobs, and what they must come to.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { decodeBase64, encodeBase64 } from '../../src/kernel/base64.ts';

/** What the entries must come to. */
export type Expected = {
  readonly about: string;
  /** Digest of the genesis. */
  readonly ledger: string;
  readonly tenant: string;
  readonly semantics: number;
  readonly entries: number;
  readonly root: string;
  readonly time: string;
  /** Digest of the folded state (FORMATS §8.1). */
  readonly state: string;
  /** The key that signs its checkpoints, as a verifier key. */
  readonly log_key: string;
};

export type GoldenLedger = {
  readonly expected: Expected;
  readonly entries: readonly string[];
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly checkpoint: string;
};

export const ledgersFolder = join(import.meta.dirname, '..', '..', 'spec', 'ledgers');

const zip = (text: string): Uint8Array => gzipSync(text, { level: 9 });
const unzip = (file: string): string => gunzipSync(readFileSync(file)).toString('utf8');

export const writeGolden = (folder: string, { expected, entries, blobs, checkpoint }: GoldenLedger): void => {
  const documents = Object.fromEntries(
    [...blobs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([digest, bytes]) => [digest, encodeBase64(bytes)]),
  );
  writeFileSync(join(folder, 'entries.jsonl.gz'), zip(`${entries.join('\n')}\n`));
  writeFileSync(join(folder, 'blobs.json.gz'), zip(JSON.stringify(documents)));
  writeFileSync(join(folder, 'checkpoint'), checkpoint);
  writeFileSync(join(folder, 'expected.json'), `${JSON.stringify(expected, null, 2)}\n`);
};

export const readGolden = (folder: string): GoldenLedger => ({
  expected: JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected,
  entries: unzip(join(folder, 'entries.jsonl.gz')).trimEnd().split('\n'),
  blobs: new Map(
    Object.entries(JSON.parse(unzip(join(folder, 'blobs.json.gz'))) as { readonly [digest: string]: string }).map(
      ([digest, text]) => {
        const bytes = decodeBase64(text);
        if (!bytes.ok) throw new Error(bytes.refusal.message);
        return [digest, Buffer.from(bytes.value)];
      },
    ),
  ),
  checkpoint: readFileSync(join(folder, 'checkpoint'), 'utf8'),
});
