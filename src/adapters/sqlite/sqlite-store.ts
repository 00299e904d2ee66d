// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ok, refuse, type Result } from '../../kernel/refusal.ts';
import { StoreFailure, tenantForm, type LedgerStore } from '../../ledger/store.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { failureOf } from './sqlite-failure.ts';
import { TenantLedger } from './tenant-ledger.ts';
import { TenantViews } from './tenant-views.ts';

type Tenant = { readonly ledger: TenantLedger; readonly views: TenantViews };

/**
 * Ledgers in a folder of this machine: one file a tenant, one process at a time, nothing to install.
 * Refuses with `store-locked` when another process has the folder, `store-io` when it can't be opened.
 */
export const openSqliteStore = (folder: string): Result<LedgerStore> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Also a folder that was there: entries name people and what they did, and nobody else on the machine reads them.
    chmodSync(folder, 0o700);
  } catch (error) {
    return { ok: false, refusal: failureOf(error, folder, 'nothing-written').refusal };
  }
  const lock = lockFolder(folder);
  return lock.ok ? ok(storeIn(folder, lock.value)) : lock;
};

// A new file is only there for good once its folder is synced.
const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const storeIn = (folder: string, lock: FolderLock): LedgerStore => {
  const tenants = new Map<string, Tenant>();
  let closed = false;
  const tenant = (name: string): Tenant => {
    const known = tenants.get(name);
    if (known !== undefined) return known;
    if (closed) throw closedFailure(folder);
    if (!tenantForm.test(name))
      throw new StoreFailure(
        refuse('shape-mismatch', 'K5', `\`${name.slice(0, 80)}\` is not a tenant name`).refusal,
        'nothing-written',
      );
    try {
      const opened = {
        ledger: new TenantLedger(folder, join(folder, `ledger-${name}.sqlite`)),
        views: new TenantViews(folder, join(folder, `views-${name}.sqlite`)),
      };
      syncFolder(folder);
      tenants.set(name, opened);
      return opened;
    } catch (error) {
      throw failureOf(error, folder, 'nothing-written');
    }
  };
  return {
    batch: async (name, work) => tenant(name).ledger.batch(work),
    head: async (name) => tenant(name).ledger.head(),
    entries: async (name, from, to) => tenant(name).ledger.entries(from, to),
    leafHashes: async (name, from, to) => tenant(name).ledger.leafHashes(from, to),
    blob: async (name, digest) => tenant(name).ledger.blob(digest),
    blobs: async (name, after, limit) => tenant(name).ledger.blobs(after, limit),
    checkpoint: async (name) => tenant(name).ledger.checkpoint(),
    putCheckpoint: async (name, note) => tenant(name).ledger.batch((tx) => tx.putCheckpoint(note)),
    opening: async (name, commitment) => tenant(name).ledger.opening(commitment),
    putOpening: async (name, commitment, opening) =>
      tenant(name).ledger.batch((tx) => tx.putOpening(commitment, opening)),
    eraseOpening: async (name, commitment) => tenant(name).ledger.erase(commitment),
    viewRow: async (name, view, key) => tenant(name).views.row(view, key),
    viewRows: async (name, view, after, limit) => tenant(name).views.rows(view, after, limit),
    writeViews: async (name, rows, cursor) => tenant(name).views.write(rows, cursor),
    clearView: async (name, view) => tenant(name).views.clear(view),
    cursor: async (name, follower) => tenant(name).views.cursor(follower),
    close: async () => {
      closed = true;
      const opened = [...tenants.values()];
      tenants.clear();
      try {
        for (const { ledger, views } of opened) {
          views.close();
          await ledger.close();
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
