// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../../app/sync-folder.ts';
import { ok, refuse, type Result } from '../../kernel/refusal.ts';
import { StoreFailure, tenantForm, type LedgerStore } from '../../ledger/store.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { failureOf, unopened } from './sqlite-failure.ts';
import { TenantLedger } from './tenant-ledger.ts';
import { TenantViews } from './tenant-views.ts';

type Tenant = { readonly ledger: TenantLedger; readonly views: TenantViews };

export type SqliteOptions = {
  /** Write on a thread of its own, which alone waits for the disk: for a server, whose other callers must not wait too. */
  readonly ownThread?: boolean;
};

/**
 * Ledgers in a folder of this machine: one file a tenant, one process at a time, nothing to install.
 * Refuses with `store-locked` when another process has the folder, `store-io` when it can't be opened.
 */
export const openSqliteStore = (folder: string, { ownThread = false }: SqliteOptions = {}): Result<LedgerStore> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Also a folder that was there: entries name people and what they did, and nobody else on the machine reads them.
    chmodSync(folder, 0o700);
  } catch (error) {
    return { ok: false, refusal: failureOf(error, folder, 'nothing-written').refusal };
  }
  const lock = lockFolder(folder);
  return lock.ok ? ok(storeIn(folder, lock.value, ownThread)) : lock;
};

const openTenant = async (folder: string, name: string, ownThread: boolean): Promise<Tenant> => {
  const [ledgerFile, viewsFile] = [join(folder, `ledger-${name}.sqlite`), join(folder, `views-${name}.sqlite`)];
  let ledger: TenantLedger | undefined;
  try {
    ledger = await TenantLedger.open(folder, ledgerFile, ownThread);
    const views = new TenantViews(folder, viewsFile);
    syncFolder(folder);
    return { ledger, views };
  } catch (error) {
    await ledger?.close();
    throw ledger === undefined ? unopened(error, folder, ledgerFile, true) : unopened(error, folder, viewsFile, false);
  }
};

const storeIn = (folder: string, lock: FolderLock, ownThread: boolean): LedgerStore => {
  const tenants = new Map<string, Promise<Tenant>>();
  let closed = false;
  const tenant = (name: string): Promise<Tenant> => {
    const known = tenants.get(name);
    if (known !== undefined) return known;
    if (closed) return Promise.reject(closedFailure(folder));
    if (!tenantForm.test(name))
      return Promise.reject(
        new StoreFailure(
          refuse('shape-mismatch', 'K5', `\`${name.slice(0, 80)}\` is not a tenant name`).refusal,
          'nothing-written',
        ),
      );
    const opened = openTenant(folder, name, ownThread);
    tenants.set(name, opened);
    // One that could not be opened may be tried again.
    opened.catch(() => tenants.delete(name));
    return opened;
  };
  const ledger = async (name: string): Promise<TenantLedger> => (await tenant(name)).ledger;
  const views = async (name: string): Promise<TenantViews> => (await tenant(name)).views;
  return {
    batch: async (name, work) => (await ledger(name)).batch(work),
    head: async (name) => (await ledger(name)).rows.head(),
    entries: async (name, from, to) => (await ledger(name)).rows.entries(from, to),
    leafHashes: async (name, from, to) => (await ledger(name)).rows.leafHashes(from, to),
    blob: async (name, digest) => (await ledger(name)).rows.blob(digest),
    blobs: async (name, after, limit) => (await ledger(name)).rows.blobs(after, limit),
    checkpoint: async (name) => (await ledger(name)).rows.checkpoint(),
    putCheckpoint: async (name, note) => (await ledger(name)).batch((tx) => tx.putCheckpoint(note)),
    opening: async (name, commitment) => (await ledger(name)).rows.opening(commitment),
    putOpening: async (name, commitment, opening) =>
      (await ledger(name)).batch((tx) => tx.putOpening(commitment, opening)),
    openings: async (name, after, limit) => (await ledger(name)).rows.openings(after, limit),
    eraseOpening: async (name, erasure, names) => (await ledger(name)).alone('erase', [erasure, names]),
    putErasure: async (name, erasure) => (await ledger(name)).alone('noteErasure', [erasure]),
    erasure: async (name, commitment) => (await ledger(name)).rows.erasure(commitment),
    erasures: async (name, after, limit) => (await ledger(name)).rows.erasures(after, limit),
    holds: async (name) => (await ledger(name)).rows.holds(),
    putHold: async (name, held, occasion) => (await ledger(name)).alone('hold', [held, occasion]),
    liftHold: async (name, held, occasion) => (await ledger(name)).alone('lift', [held, occasion]),
    viewRow: async (name, view, key) => (await views(name)).row(view, key),
    viewRows: async (name, view, after, limit) => (await views(name)).rows(view, after, limit),
    writeViews: async (name, rows, cursor) => (await views(name)).write(rows, cursor),
    claimRow: async (name, view, key, claim) => (await views(name)).claim(view, key, claim),
    clearView: async (name, view) => (await views(name)).clear(view),
    cursor: async (name, follower) => (await views(name)).cursor(follower),
    close: async () => {
      closed = true;
      const opened = [...tenants.values()];
      tenants.clear();
      try {
        for (const found of await Promise.allSettled(opened)) {
          if (found.status === 'rejected') continue;
          found.value.views.close();
          await found.value.ledger.close();
        }
      } finally {
        lock.release();
      }
    },
  };
};

const closedFailure = (folder: string): StoreFailure =>
  new StoreFailure(
    refuse('store-closed', 'L8', `the store in \`${folder}\` is closed`, { folder }, 'open it again').refusal,
    'nothing-written',
  );
