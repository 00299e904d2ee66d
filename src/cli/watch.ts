// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestView } from '../contract/api.ts';
import type { Client } from '../client/connect.ts';
import { showRequest } from '../client/requests.ts';
import { durationMs } from './duration.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { exitCodes, fail, print, printJson, say } from './output.ts';
import { sentence, standing } from './request-words.ts';
import type { Verb } from './verb.ts';

type WatchOptions = ClientOptions & { readonly until: string; readonly timeout?: string };

/** Statuses that no vote, time or person changes any more. */
const over = new Set(['finished', 'refused', 'withdrawn', 'vetoed', 'expired']);
const order = ['pending', 'met', 'permitted', 'consumed', 'finished'];

/** Whether a request came as far as was waited for; on any other end it never will. */
const arrived = (status: string, until: string): boolean =>
  until === 'over' ? over.has(status) : order.indexOf(status) >= order.indexOf(until);

/** Waits between looks: soon at first, then less and less often; people take minutes. */
export const nextWaitMs = (waited: number): number => Math.min(5000, 300 + waited / 10);

/** Looks again and again until `done` says so or the time is over; gives the last look. `lost` speaks before a look that fails ends it. */
export const waitFor = async (
  client: Client,
  id: string,
  done: (view: RequestView) => boolean,
  limitMs: number | undefined,
  changed: (view: RequestView) => void = () => {},
  lost: () => void = () => {},
): Promise<{ readonly view: RequestView; readonly timedOut: boolean }> => {
  const started = performance.now();
  let last = '';
  for (;;) {
    const shown = await showRequest(client, id);
    if (!shown.ok) {
      lost();
      return fail(shown.refusal);
    }
    const view = shown.value;
    const stands = `${standing(view)} ${view.locked_until ?? ''}`;
    if (stands !== last) changed(view);
    last = stands;
    const waited = performance.now() - started;
    if (done(view)) return { view, timedOut: false };
    if (limitMs !== undefined && waited >= limitMs) return { view, timedOut: true };
    await sleep(
      Math.min(nextWaitMs(waited), limitMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, limitMs - waited)),
    );
  }
};

const watch = async (id: string, options: WatchOptions): Promise<void> => {
  if (options.until !== 'over' && !order.includes(options.until))
    fail({
      code: 'usage',
      message: `--until \`${options.until}\` is no status`,
      help: `use over, ${order.join(', ')}`,
    });
  const limit = options.timeout === undefined ? undefined : durationMs(options.timeout, '--timeout');
  const client = await openClient(options);
  let told = false;
  const { view, timedOut } = await waitFor(
    client,
    id,
    (one) => over.has(one.status) || arrived(one.status, options.until),
    limit,
    (one) => {
      if (options.json) return printJson(one);
      if (!told) say(sentence(one, one.people));
      told = true;
      const lock = one.status === 'met' && one.locked_until !== null ? `; time lock until ${one.locked_until}` : '';
      print(`${new Date().toISOString()}  ${standing(one)}${lock}`);
    },
  );
  if (timedOut) {
    say(`Still ${view.status} after ${options.timeout}.`);
    process.exitCode = exitCodes.timeout;
  } else if (view.status !== 'finished' && over.has(view.status)) process.exitCode = exitCodes.denied;
  else if (view.outcome !== null && view.outcome !== 'succeeded') process.exitCode = exitCodes.error;
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('watch')
        .description(
          'Follow one request until it is over. Exit code: 0 it came that far, 3 it was stopped, 124 timeout.',
        )
        .argument('<id>', 'request id'),
    )
      .option('--until <status>', 'stop at pending, met, permitted, consumed, finished, or when it is over', 'over')
      .option('--timeout <duration>', 'give up after so long, such as 30m')
      .action(watch),
    '$ countersign watch req_0123456789abcdefghjkmnpqrs --until met --timeout 1h',
  );
};
