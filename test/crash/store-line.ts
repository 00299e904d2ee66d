// SPDX-License-Identifier: Apache-2.0
// A store over a line between processes, as a database server is one: the process that has the store gives others the
// lock, and takes it back from whoever is silent for too long.
import type { ChildProcess } from 'node:child_process';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore, type StoreBatch } from '../../src/ledger/store.ts';

type Call = {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Of a batch that was begun, its number. */
  readonly batch?: number;
};
type Answer = { readonly id: number; readonly value?: unknown; readonly code?: string };
type AnyMethod = (...args: readonly unknown[]) => Promise<unknown>;

const lost = (code: 'store-conflict' | 'store-io'): StoreFailure =>
  new StoreFailure(refuse(code, 'L17', 'the lock was lost', {}, 'try again').refusal, 'nothing-written');

/** This process's end: every method is a message. */
export const storeOverLine = (): LedgerStore => {
  const waiting = new Map<number, (answer: Answer) => void>();
  let ids = 0;
  process.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const ask = async (method: string, args: readonly unknown[], batch?: number): Promise<unknown> => {
    ids += 1;
    const id = ids;
    const { value, code } = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve);
      process.send?.({ id, method, args, ...(batch === undefined ? {} : { batch }) } satisfies Call);
    });
    if (code !== undefined) throw lost(code as 'store-conflict');
    return value;
  };
  const methods = (batch?: number): AnyMethod =>
    new Proxy({} as never, {
      get: (_, method: string) => (method === 'then' ? undefined : (...args: unknown[]) => ask(method, args, batch)),
    });
  return {
    ...({} as LedgerStore),
    shared: true,
    ...Object.fromEntries(
      ['now', 'head', 'entries', 'blob', 'checkpoint', 'putCheckpoint', 'cursor', 'writeViews', 'leafHashes'].map(
        (method) => [method, (...args: unknown[]) => ask(method, args)],
      ),
    ),
    batch: async (tenant, work) => {
      const batch = (await ask('begin', [tenant])) as number;
      let result: Awaited<ReturnType<typeof work>>;
      try {
        result = await work(methods(batch) as unknown as StoreBatch);
      } catch (error) {
        await ask('rollback', [], batch).catch(() => undefined);
        throw error;
      }
      await ask('commit', [], batch);
      return result;
    },
    close: async () => {},
  };
};

type Open = {
  readonly calls: (call: Call) => Promise<unknown>;
};

/** The other end: what a process asks is done on the store; `inBatch` is told when a process holds the lock. */
export const serveStore = (
  store: LedgerStore,
  child: ChildProcess,
  leaseMs: number,
  inBatch: (child: ChildProcess) => void,
): void => {
  const open = new Map<number, Open>();
  let batches = 0;
  const begin = (tenant: string): Promise<number> =>
    new Promise((begun, failed) => {
      batches += 1;
      const number = batches;
      const ended = store.batch(tenant, async (tx) => {
        const over = Promise.withResolvers<void>();
        let lease: NodeJS.Timeout | undefined;
        const renew = (): void => {
          clearTimeout(lease);
          lease = setTimeout(() => over.reject(lost('store-conflict')), leaseMs);
        };
        renew();
        open.set(number, {
          calls: async ({ method, args }) => {
            renew();
            if (method === 'commit') over.resolve();
            if (method === 'rollback') over.reject(lost('store-io'));
            if (method === 'commit' || method === 'rollback') return ended;
            if (method === 'insert') inBatch(child);
            return (tx as unknown as Record<string, AnyMethod>)[method]?.(...args);
          },
        });
        begun(number);
        try {
          await over.promise;
        } finally {
          clearTimeout(lease);
          open.delete(number);
        }
      });
      ended.catch(failed);
    });
  child.on('message', (call: Call) => {
    const answer = (rest: Omit<Answer, 'id'>): void => {
      if (child.connected) child.send({ id: call.id, ...rest } satisfies Answer);
    };
    const work = async (): Promise<unknown> => {
      if (call.method === 'begin') return begin(call.args[0] as string);
      if (call.batch === undefined) return (store as unknown as Record<string, AnyMethod>)[call.method]?.(...call.args);
      const batch = open.get(call.batch);
      if (batch === undefined) throw lost('store-conflict');
      return batch.calls(call);
    };
    work().then(
      (value) => answer({ value }),
      (error: unknown) => answer({ code: error instanceof StoreFailure ? error.refusal.code : 'store-io' }),
    );
  });
};
