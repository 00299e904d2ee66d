// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { MerkleSlab } from '../ledger/slab.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { rootOf } from '../ledger/merkle.ts';
import { inclusionProof } from '../ledger/proof.ts';
import { formatTlogProof } from '../ledger/tlog-proof.ts';
import { refuse, ok, type Result } from '../kernel/refusal.ts';
import { openLedgerSource, readIdentity, type LedgerSource } from './ledger-source.ts';
import { orFail, print, say, usage } from './output.ts';

const hashesAtOnce = 4096;

// The newest note the log key signed for exactly these entries: the mark's when there is one, else the stored one.
const newestNote = async (source: LedgerSource): Promise<string | undefined> => {
  const mark = source.mark?.read();
  return (mark?.ok === true ? mark.value?.checkpoint : undefined) ?? (await source.store.checkpoint(source.tenant));
};

const prove = async (source: LedgerSource, index: number): Promise<Result<string>> => {
  const identity = await readIdentity(source);
  if (!identity.ok) return identity;
  const note = await newestNote(source);
  const checkpoint = verifyCheckpoint(note ?? '', identity.value.logKey, identity.value.origin);
  if (!checkpoint.ok) return checkpoint;
  const { size, root } = checkpoint.value;
  if (index >= size)
    return refuse(
      'entry-unknown',
      'L3',
      `there is no signed entry ${index}; the checkpoint is at size ${size}`,
      { index, size },
      'give an index below that size',
    );
  const slab = new MerkleSlab();
  for (let from = 0; from < size; from += hashesAtOnce)
    for (const hash of await source.store.leafHashes(source.tenant, from, Math.min(size, from + hashesAtOnce)))
      slab.append(hash);
  if (slab.size !== size || rootOf(slab.edge()) !== root)
    return refuse(
      'ledger-damaged',
      'L11',
      'the entries are not those that the checkpoint was signed for',
      { size },
      'run `countersign ledger fsck` to see which one is wrong',
    );
  return ok(formatTlogProof({ index, proof: inclusionProof(size, index, slab.hashAt), checkpoint: note ?? '' }));
};

/** `ledger proof INDEX`: proof that an entry stands in the ledger, as c2sp.org/tlog-proof, on stdout or in a file. */
export const proveEntry = async (
  folder: string,
  given: string,
  options: { readonly out?: string; readonly mark?: string },
): Promise<void> => {
  if (!/^(0|[1-9]\d{0,14})$/.test(given))
    usage(`\`${given}\` is no index`, 'indexes are whole numbers that start at 0, such as 7');
  const source = orFail(await openLedgerSource(folder, options.mark));
  try {
    const proof = orFail(await prove(source, Number(given)));
    if (options.out === undefined) return print(proof.trimEnd());
    writeFileSync(options.out, proof);
    say(`Wrote the proof of entry ${given} to ${options.out}`);
  } finally {
    await source.store.close();
  }
};
