// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eraseTexts, holdTexts, liftHold } from '../app/texts.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refusal, type Result } from '../kernel/refusal.ts';
import { isObject, literal, shape, text, type Checked } from '../kernel/shape.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { namedText } from '../lifecycle/named-texts.ts';
import { tenant } from './ledger-folder.ts';
import { checkPrivate } from './log-key.ts';

/**
 * What an operator wants done with texts and holds (SPEC L31): by the command line itself on a folder that no server has,
 * else by the server that has it, which finds it as a file in the folder:
 *
 *     DIR/orders/5d41402abc4b2a76.json   {"do":"erase","what":"req_…","why":"…"}
 *
 * Whoever can write there is the operator: the same files hold the ledger. No address on the network leads here.
 */
const orderShape = shape({ do: literal('erase', 'hold', 'lift', 'list'), what: text(200), why: text(500) });
export type TextOrder = Checked<typeof orderShape>;

export const carryOut = async (store: LedgerStore, order: TextOrder, nowMs: number): Promise<Result<JsonObject>> => {
  const target = { store, tenant, namesText: namedText };
  try {
    // Where servers share a store its clock is everybody's (SPEC L17).
    const at = store.now === undefined ? nowMs : await store.now();
    const occasion = { at: instantFromMs(at), why: order.why };
    switch (order.do) {
      case 'erase': {
        const erased = await eraseTexts(target, order.what, occasion);
        return erased.ok ? ok({ ...erased.value }) : erased;
      }
      case 'hold': {
        const held = await holdTexts(target, order.what, occasion);
        return held.ok ? ok({ held: order.what, already: !held.value }) : held;
      }
      case 'lift': {
        const lifted = await liftHold(target, order.what, occasion);
        return lifted.ok ? ok({ lifted: order.what }) : lifted;
      }
      default:
        return ok({ holds: (await store.holds(tenant)).map((hold) => ({ ...hold })) });
    }
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
};

const lookEveryMs = 500;
const answerWithinMs = 15_000;
/** An order that was left lying by somebody who gave up is not carried out later. */
const staleMs = 60_000;
const nameForm = /^[0-9a-f]{16}\.json$/;

const folderOf = (dir: string): string => join(dir, 'orders');

const readOrder = (file: string): Result<TextOrder> => {
  const open = checkPrivate(file);
  if (open !== undefined) return open;
  const parsed = parseJson(readFileSync(file));
  return parsed.ok ? orderShape(parsed.value, '') : parsed;
};

export type TextOrders = { readonly stop: () => Promise<void> };

/** Carries out the orders that are put into a folder while a server has it. */
export const startTextOrders = (
  dir: string,
  store: LedgerStore,
  now: () => number,
  log: (level: 'warn', event: string, facts: JsonObject) => void,
): TextOrders => {
  const folder = folderOf(dir);
  const take = async (name: string): Promise<void> => {
    const [file, taken] = [join(folder, name), join(folder, `${name}.taken`)];
    const found = lstatSync(file);
    const { mtimeMs, size } = found;
    if (!found.isFile() || size > 4096 || Date.now() - mtimeMs > staleMs) return rmSync(file);
    renameSync(file, taken);
    const order = readOrder(taken);
    const done = order.ok ? await carryOut(store, order.value, now()) : order;
    if (order.ok)
      log('warn', 'text-order', {
        do: order.value.do,
        what: order.value.what,
        outcome: done.ok ? 'done' : done.refusal.code,
      });
    const answer = done.ok ? { answer: done.value } : { refusal: { ...done.refusal } };
    writeFileSync(`${taken}.new`, JSON.stringify(answer), { mode: 0o600 });
    renameSync(`${taken}.new`, join(folder, `${name}.answer`));
    rmSync(taken);
  };
  const look = async (): Promise<void> => {
    let names: readonly string[];
    try {
      names = readdirSync(folder);
    } catch {
      return;
    }
    for (const name of names.filter((one) => nameForm.test(one))) {
      try {
        await take(name);
      } catch (error) {
        // Whoever gave it took it back, or the folder can't be written; they are told by the silence.
        log('warn', 'text-order-failed', { why: error instanceof Error ? error.message : String(error) });
      }
    }
  };
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= look().finally(() => {
      running = undefined;
    });
  }, lookEveryMs).unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
};

const noAnswer = (dir: string): Result<JsonObject> =>
  refuse(
    'ledger-unavailable',
    'L31',
    `whatever has the folder \`${dir}\` did not take the order within ${answerWithinMs / 1000} seconds; nothing was done`,
    { dir },
    'look whether a server runs on it, or stop that process',
  );

const readAnswer = (file: string): Result<JsonObject> | undefined => {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  rmSync(file);
  const parsed = parseJson(bytes);
  const { answer, refusal } = parsed.ok && isObject(parsed.value) ? parsed.value : ({} as Record<string, JsonValue>);
  return isObject(answer) ? ok(answer) : { ok: false, refusal: refusal as unknown as Refusal };
};

/** Gives an order to the server that has the folder, and waits for its answer. */
export const giveOrder = async (dir: string, order: TextOrder): Promise<Result<JsonObject>> => {
  mkdirSync(folderOf(dir), { recursive: true, mode: 0o700 });
  const file = join(folderOf(dir), `${randomBytes(8).toString('hex')}.json`);
  writeFileSync(`${file}.new`, JSON.stringify(order), { mode: 0o600, flag: 'wx' });
  renameSync(`${file}.new`, file);
  const until = performance.now() + answerWithinMs;
  for (let takenBack = false; ; ) {
    const answer = readAnswer(`${file}.answer`);
    if (answer !== undefined) return answer;
    if (performance.now() > until && !takenBack) {
      try {
        rmSync(file);
        return noAnswer(dir);
      } catch {
        // The server has it under way: it is going to be answered.
        takenBack = true;
      }
    }
    if (performance.now() > until + answerWithinMs)
      return refuse(
        'ledger-unavailable',
        'L31',
        'the server took the order and did not answer; it may have been carried out',
        { dir },
        'look with `countersign ledger hold list`, or at the request',
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
