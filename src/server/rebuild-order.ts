// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ViewKeeper, ViewProgress } from '../app/view-keeper.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { integer, listOf, literal, shape, text, type Checked } from '../kernel/shape.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';

/**
 * An operator's order to build the views again, as a file in the data folder: whoever may write there operates the
 * server, and nobody else can give it. The server writes into it how far it has come.
 */
const orderShape = shape({
  id: text(64),
  state: literal('ordered', 'running', 'done', 'failed'),
  size: integer(0),
  views: listOf(shape({ view: text(80), next: integer(0) }), 64),
});
export type RebuildOrder = Checked<typeof orderShape>;

const fileIn = (dir: string): string => join(dir, 'rebuild.json');

export const readOrder = (dir: string): RebuildOrder | undefined => {
  if (!existsSync(fileIn(dir))) return undefined;
  const parsed = parseJson(readFileSync(fileIn(dir)));
  const checked = parsed.ok ? orderShape(parsed.value, '') : parsed;
  return checked.ok ? checked.value : undefined;
};

export const writeOrder = (dir: string, order: RebuildOrder): void => {
  const fresh = `${fileIn(dir)}.new`;
  writeFileSync(fresh, `${JSON.stringify(order)}\n`, { mode: 0o600 });
  renameSync(fresh, fileIn(dir));
};

export const removeOrder = (dir: string): void => rmSync(fileIn(dir), { force: true });

export type Orders = { readonly stop: () => void };

type Keeper = ViewKeeper<Command & JsonObject, LifecycleEvent & JsonObject>;

/** Looks for orders and carries them out while the server goes on. */
export const takeOrders = (
  dir: string,
  keeper: Keeper,
  size: () => number,
  log: (event: string, fields: { readonly [name: string]: string | number }) => void,
  everyMs = 500,
): Orders => {
  let under: RebuildOrder | undefined;
  /** The order that failed last: it is not begun again by itself, also where that could not be written down. */
  let failed: string | undefined;
  const tell = (order: RebuildOrder, state: RebuildOrder['state'], views: readonly ViewProgress[]): void => {
    writeOrder(dir, { ...order, state, size: size(), views: views.map((view) => ({ ...view })) });
    under = state === 'running' ? { ...order, state } : undefined;
  };
  const carryOut = async (order: RebuildOrder): Promise<void> => {
    try {
      await keeper.rebuild();
      tell(order, 'done', []);
      log('rebuilt', { id: order.id });
    } catch (error) {
      under = undefined;
      failed = order.id;
      log('rebuild-failed', { id: order.id, why: String(error).slice(0, 300) });
      tell(order, 'failed', []);
    }
  };
  const look = (): void => {
    if (under !== undefined) return tell(under, 'running', keeper.progress());
    const order = readOrder(dir);
    // One that was under way when the server ended is begun anew: the views may be half built.
    if (order === undefined || order.state === 'done' || order.state === 'failed' || order.id === failed) return;
    tell(order, 'running', []);
    log('rebuild', { id: order.id });
    // What could not even be written down was said before.
    void carryOut(order).catch(() => undefined);
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      log('rebuild-failed', { why: String(error).slice(0, 300) });
    }
  }, everyMs).unref();
  return { stop: () => clearInterval(timer) };
};
