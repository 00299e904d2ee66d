// SPDX-License-Identifier: Apache-2.0
import { listRequests } from '../client/requests.ts';
import { visibleText } from '../client/visible-text.ts';
import type { RequestPage, RequestSummary } from '../contract/api.ts';
import { examples } from './help.ts';
import { named, type People } from './named.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { orFail, print, printJson, say, usage } from './output.ts';
import { statusWord } from './request-words.ts';
import type { Verb } from './verb.ts';

type ListOptions = ClientOptions & {
  readonly state?: string;
  readonly action?: string;
  readonly limit: string;
};

const list = async (options: ListOptions): Promise<void> => {
  const limit = Number(options.limit);
  if (!/^[1-9]\d{0,4}$/.test(options.limit)) usage(`--limit \`${options.limit}\` is no number`, 'give 1 to 99999');
  const client = await openClient(options);
  let shown = 0;
  let cursor: string | null = null;
  do {
    const query: { [name: string]: string } = { limit: String(Math.min(100, limit - shown)) };
    if (options.state !== undefined) query['state'] = options.state;
    if (options.action !== undefined) query['action'] = options.action;
    if (cursor !== null) query['cursor'] = cursor;
    const page: RequestPage = orFail(await listRequests(client, query));
    for (const item of page.items) show(item, page.people, options.json);
    shown += page.items.length;
    cursor = page.items.length === 0 ? null : page.next;
  } while (cursor !== null && shown < limit);
  if (shown === 0 && !options.json) say('There is no such request. Ask for one: countersign request ACTION --help');
  if (cursor !== null && !options.json) say(`There are more; ask for them with --limit ${limit * 2}`);
};

const show = (item: RequestSummary, people: People, json: boolean): void => {
  if (json) return printJson(item);
  const flag = item.emergency ? ' EMERGENCY' : '';
  print(
    `${item.request}  ${statusWord(item.status)}  ${item.seats_filled}/${item.seats_wanted}  ${visibleText(item.action)} → ${visibleText(item.target)}${flag}  by ${named(item.requester, people)}  ${item.requested_at}`,
  );
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(program.command('list').description('List requests, newest first.'))
      .option('--state <state>', 'only those that are pending, met, permitted, consumed, finished, refused, …')
      .option('--action <action>', 'only those for one action')
      .option('--limit <count>', 'at most so many', '50')
      .action(list),
    '$ countersign list --state pending',
    '$ countersign list --action deploy.production --json | head',
  );
};
