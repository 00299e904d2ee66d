// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FollowerLoop } from '../app/sequencer-follower.ts';
import { ViewKeeper } from '../app/view-keeper.ts';
import { refuse } from '../kernel/refusal.ts';
import { rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { tenant } from '../server/ledger-folder.ts';
import { readOrder, removeOrder, writeOrder, type RebuildOrder } from '../server/rebuild-order.ts';
import { readServerConfig } from '../server/server-config.ts';
import { holdsLedger, openStoreOf } from '../server/store-config.ts';
import { ledgerViews } from '../server/totals-view.ts';
import { fail, orFail, printJson, say } from './output.ts';
import { startProgress } from './progress.ts';

type RebuildOptions = { readonly dir: string; readonly json: boolean };

const takenWithinMs = 10_000;
const lookEveryMs = 250;
const hashesAtOnce = 4096;

/**
 * `ledger rebuild`: views are made again from nothing (SPEC L25), by the server of the folder while it goes on, or here
 * when it is stopped or shares its store, whose servers go on with what is put in place (SPEC L18). Notices have rows of
 * their own, of what was sent, and are left as they are.
 */
export const rebuildViews = async ({ dir, json }: RebuildOptions): Promise<void> => {
  const config = orFail(readServerConfig(dir));
  if (!holdsLedger(dir, config.store))
    fail(
      refuse(
        'ledger-missing',
        'H8',
        `there is no ledger in \`${dir}\``,
        { dir },
        'name the data folder of the server with `--dir`',
      ).refusal,
    );
  const store = await openStoreOf(dir, config.store);
  if (!store.ok && store.refusal.code !== 'store-locked') fail(store.refusal);
  const done = store.ok ? await buildHere(store.value) : await orderOf(dir);
  if (json) printJson(done);
  else
    say(
      `Built ${done.views.join(', ')} again from ${done.entries} entries${done.online ? ', under the running server' : ''}.`,
    );
};

type Done = { readonly views: readonly string[]; readonly entries: number; readonly online: boolean };

const names = ledgerViews.map(({ name }) => name);

const buildHere = async (store: LedgerStore): Promise<Done> => {
  try {
    const { size, root } = await store.head(tenant);
    const slab = new MerkleSlab();
    while (slab.size < size) {
      const hashes = await store.leafHashes(tenant, slab.size, Math.min(size, slab.size + hashesAtOnce));
      if (hashes.length === 0) break;
      for (const hash of hashes) slab.append(hash);
    }
    if (slab.size !== size || rootOf(slab.edge()) !== root) throw new Error('the head does not belong to the entries');
    const progress = startProgress('Built');
    let failed: (error: unknown) => void = () => undefined;
    const failure = new Promise<never>((_, reject) => {
      failed = reject;
    });
    const keeper = new ViewKeeper({
      tenant,
      store,
      views: ledgerViews,
      // A stopped ledger does not grow; what cannot be read will not be read by waiting either.
      follow: async (options, handler) => {
        const cursor = (await store.cursor(tenant, options.name)) ?? null;
        return new FollowerLoop(
          tenant,
          store,
          { ...options, onError: (_, error) => failed(error) },
          cursor,
          handler,
          () => size,
          (index) => slab.hashAt(0, index),
        );
      },
      onError: (_, error) => failed(error),
    });
    const timer = setInterval(() => {
      for (const { next } of keeper.progress()) progress(next, size);
    }, lookEveryMs);
    try {
      await Promise.race([keeper.rebuild(), failure]);
    } finally {
      clearInterval(timer);
      await keeper.stop();
    }
    return { views: names, entries: size, online: false };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(
      refuse(
        'ledger-damaged',
        'L25',
        `the views cannot be built: ${why}`,
        {},
        'run `countersign ledger fsck` to see which entry is wrong',
      ).refusal,
    );
  } finally {
    await store.close();
  }
};

const orderOf = async (dir: string): Promise<Done> => {
  const id = randomUUID();
  const progress = startProgress('Built');
  writeOrder(dir, { id, state: 'ordered', size: 0, views: [] });
  const started = performance.now();
  for (;;) {
    await sleep(lookEveryMs);
    const order: RebuildOrder | undefined = readOrder(dir);
    if (order?.id === id && order.state === 'done') {
      removeOrder(dir);
      return { views: names, entries: order.size, online: true };
    }
    if (order?.id === id && order.state === 'failed') {
      removeOrder(dir);
      return fail(
        refuse(
          'ledger-unavailable',
          'L25',
          `the server of \`${dir}\` could not build the views`,
          { dir },
          'its log says why, at `rebuild-failed`; the views of before are still read',
        ).refusal,
      );
    }
    for (const { next } of order?.views ?? []) progress(next, order?.size ?? 0);
    if (order?.state === 'ordered' && performance.now() - started > takenWithinMs) {
      removeOrder(dir);
      return fail(
        refuse(
          'ledger-unavailable',
          'L25',
          `whoever has \`${dir}\` open does not take the order`,
          { dir },
          'look whether it is a server of this version, or stop it and try again',
        ).refusal,
      );
    }
  }
};
