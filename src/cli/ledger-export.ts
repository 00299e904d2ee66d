// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { writeTexts } from './export-texts.ts';
import { openLedgerSource, readIdentity } from './ledger-source.ts';
import { formatVerifierKey } from '../crypto/signed-note.ts';
import { orFail, printJson, say, usage } from './output.ts';
import { ledgerFlag } from '../client/to-paste.ts';

const entriesAtOnce = 256;
const blobsAtOnce = 16;

/**
 * Writes what a ledger holds into a folder for somebody else: one entry a line, blobs by their digest, the newest
 * signed checkpoint and the key it is signed with. It goes on working while the ledger is damaged (INV4).
 */
export const exportLedger = async (
  folder: string,
  out: string,
  options: { readonly mark?: string; readonly texts?: boolean; readonly json: boolean },
): Promise<void> => {
  if (existsSync(out) && readdirSync(out).length > 0)
    usage(`\`${out}\` is not empty`, 'give a folder that does not exist yet');
  const source = orFail(await openLedgerSource(folder, options.mark));
  const { store, tenant } = source;
  try {
    const { size } = await store.head(tenant);
    mkdirSync(join(out, 'blobs'), { recursive: true, mode: 0o700 });
    const file = openSync(join(out, 'entries.jsonl'), 'wx', 0o600);
    let entries = 0;
    while (entries < size) {
      const page = await store.entries(tenant, entries, Math.min(size, entries + entriesAtOnce));
      if (page.length === 0) break;
      for (const { bytes } of page) writeSync(file, Buffer.concat([bytes, Buffer.from('\n')]));
      entries += page.length;
    }
    closeSync(file);
    let blobs = 0;
    for (let after = ''; ; ) {
      const page = await store.blobs(tenant, after, blobsAtOnce);
      for (const { digest, bytes } of page) {
        writeFileSync(join(out, 'blobs', digest.slice('sha256:'.length)), bytes, { mode: 0o600 });
        after = digest;
        blobs += 1;
      }
      if (page.length < blobsAtOnce) break;
    }
    const texts = options.texts === false ? { openings: 0, erased: 0 } : await writeTexts(store, tenant, out);
    const mark = source.mark?.read();
    const note = (mark?.ok === true ? mark.value?.checkpoint : undefined) ?? (await store.checkpoint(tenant));
    if (note !== undefined) writeFileSync(join(out, 'checkpoint'), note, { mode: 0o600 });
    const identity = await readIdentity(source);
    if (identity.ok) writeFileSync(join(out, 'log-key'), `${formatVerifierKey(identity.value.logKey)}\n`);
    if (options.json) printJson({ folder: out, entries, blobs, texts: texts.openings, checkpoint: note !== undefined });
    else
      say(
        `Wrote ${entries} entries, ${blobs} blobs and ${texts.openings} texts to ${out}. Check it with: countersign ledger verify ${out} --pin …${identity.ok ? ` ${ledgerFlag(identity.value.trial)}` : ''}`,
      );
  } finally {
    await store.close();
  }
};
