// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { openSqliteStore } from '../adapters/sqlite/sqlite-store.ts';
import { appendSigned } from '../app/append-signed.ts';
import type { TileSupply } from '../app/copy-tiles.ts';
import { markFile, type Mark } from '../app/mark.ts';
import type { SignedTree } from '../app/signed-tree.ts';
import { syncFolder } from '../app/sync-folder.ts';
import { takeTexts } from '../app/take-texts.ts';
import type { TextSupply } from '../app/texts.ts';
import { noteSigner, type NoteVerifier } from '../crypto/signed-note.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { keepLogKey } from './found-ledger.ts';
import { isFree, keyMismatch, pathsOf, tenant } from './ledger-folder.ts';

export type ImportOptions = {
  readonly supply: TileSupply;
  /** Texts that lie beside it, verified as well. */
  readonly texts: TextSupply;
  /** The tree of the copy's checkpoint, and that note: verified and replayed. */
  readonly tree: SignedTree;
  readonly size: number;
  readonly note: string;
  readonly logKey: NoteVerifier;
  /** Seed of the log key; without it the folder cannot be served before `log.key` is put into it. */
  readonly logSeed: Uint8Array | undefined;
  /** The newest checkpoint that is known of this ledger, which may be ahead of the copy. */
  readonly mark: Mark;
  readonly markFile?: string | undefined;
};

/**
 * Writes a data folder for a server out of a verified copy. Built beside its place and moved there whole, so that a crash
 * leaves no half ledger; never over a folder that holds anything.
 */
export const importLedger = async (dir: string, options: ImportOptions): Promise<Result<null>> => {
  const { logSeed, logKey } = options;
  const place = resolve(dir);
  if (!isFree(place))
    return refuse(
      'folder-exists',
      'L28',
      `the folder \`${dir}\` is there already`,
      { dir },
      'name a new folder; nothing is ever written over a ledger',
    );
  if (
    logSeed !== undefined &&
    encodeBase64(noteSigner(logKey.name, logSeed).publicKey) !== encodeBase64(logKey.publicKey)
  )
    return keyMismatch('the log key given');
  mkdirSync(dirname(place), { recursive: true });
  const build = mkdtempSync(join(dirname(place), `.${basename(place)}-`));
  try {
    const paths = pathsOf(build);
    const filled = await fill(paths.store, options);
    if (!filled.ok) return filled;
    if (logSeed !== undefined) keepLogKey(build, logSeed, logKey.name);
    await markFile(options.markFile ?? paths.mark).write(options.mark);
    renameSync(build, place);
    syncFolder(dirname(place));
    return ok(null);
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
};

const fill = async (folder: string, { supply, texts, tree, size, note }: ImportOptions): Promise<Result<null>> => {
  const store = openSqliteStore(folder);
  if (!store.ok) return store;
  try {
    const appended = await appendSigned({ store: store.value, tenant, supply, tree, size });
    if (!appended.ok) return appended;
    await takeTexts(store.value, tenant, texts);
    await store.value.putCheckpoint(tenant, note);
    return appended;
  } finally {
    await store.value.close();
  }
};
