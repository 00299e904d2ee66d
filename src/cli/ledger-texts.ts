// SPDX-License-Identifier: Apache-2.0
import { visibleText } from '../client/visible-text.ts';
import { refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import type { Hold } from '../ledger/store.ts';
import { readServerConfig } from '../server/server-config.ts';
import { holdsLedger, openStoreOf } from '../server/store-config.ts';
import { carryOut, giveOrder, type TextOrder } from '../server/text-orders.ts';
import { askPerson } from './ask-person.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';

export type TextOptions = { readonly dir: string; readonly why?: string; readonly yes?: true; readonly json: boolean };

// On a stopped server's folder here and now; a server that has it does it itself. A store that is shared has its own lock.
const order = async (dir: string, given: TextOrder): Promise<Result<JsonObject>> => {
  const config = readServerConfig(dir);
  if (!config.ok) return config;
  if (!holdsLedger(dir, config.value.store))
    return refuse(
      'ledger-missing',
      'H8',
      `there is no ledger in \`${dir}\``,
      { dir },
      'look at `--dir`; an export holds copies, and nothing is erased there',
    );
  const store = await openStoreOf(dir, config.value.store);
  if (!store.ok) return store.refusal.code === 'store-locked' ? giveOrder(dir, given) : store;
  try {
    return await carryOut(store.value, given, Date.now());
  } finally {
    await store.value.close();
  }
};

const whyOf = ({ why }: TextOptions): string =>
  why ?? usage('--why is missing', 'say why in a line: it is kept, and everybody who looks is shown it');

/** `ledger erase`: the texts of a request, or one text, for good. */
export const eraseFrom = async (what: string, options: TextOptions): Promise<void> => {
  const { dir, yes, json } = options;
  const why = whyOf(options);
  if (yes !== true) {
    say(`This erases the text behind ${visibleText(what)} for good. Its commitment, its date and your reason stay.`);
    const answer = await askPerson('Write `erase` to go on: ');
    if (answer === undefined) usage('nobody confirmed', 'add --yes where nobody is at the terminal');
    if (answer !== 'erase') fail(notConfirmed);
  }
  const done = orFail(await order(dir, { do: 'erase', what, why })) as {
    readonly erased: readonly string[];
    readonly before: readonly string[];
    readonly never: readonly string[];
    readonly shared: readonly string[];
  };
  if (json) return printJson(done);
  for (const commitment of done.erased) print(visibleText(commitment));
  say(`Erased ${done.erased.length}; ${done.before.length} were erased before, ${done.never.length} never had a text.`);
  for (const commitment of done.shared)
    say(`Left: another request names it as well. Erase it by itself if you mean it: ${visibleText(commitment)}`);
  if (done.erased.length > 0)
    say('Copies that people, exports and backups hold are not touched. The ledger replays as before.');
};

const notConfirmed = { code: 'usage', message: 'not confirmed; nothing was erased', help: 'run it again' } as const;

export const putHold = async (what: string, options: TextOptions): Promise<void> => {
  const done = orFail(await order(options.dir, { do: 'hold', what, why: whyOf(options) }));
  if (options.json) return printJson(done);
  say(done['already'] === true ? `A hold of ${visibleText(what)} stood already.` : `Held: ${visibleText(what)}.`);
};

export const removeHold = async (what: string, options: TextOptions): Promise<void> => {
  const done = orFail(await order(options.dir, { do: 'lift', what, why: whyOf(options) }));
  if (options.json) return printJson(done);
  say(`Lifted the hold of ${visibleText(what)}. That it stood, and why it was lifted, is kept.`);
};

export const listHolds = async ({ dir, json }: TextOptions): Promise<void> => {
  const { holds } = orFail(await order(dir, { do: 'list', what: '*', why: 'list' })) as unknown as {
    readonly holds: readonly Hold[];
  };
  if (json) return printJson(holds);
  if (holds.length === 0) say('There never was a hold.');
  for (const { name, at, why, lifted } of holds)
    print(
      `${lifted === null ? 'held  ' : 'lifted'}  ${visibleText(name)}  since ${visibleText(at)}: ${visibleText(why)}${lifted === null ? '' : `; lifted ${visibleText(lifted.at)}: ${visibleText(lifted.why)}`}`,
    );
};
