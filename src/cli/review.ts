// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { sendStatement, signerOf } from '../client/requests.ts';
import { commitTo, openingOf, reviewStatementOf } from '../client/statements.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { orFail, print, printJson, say } from './output.ts';
import type { Verb } from './verb.ts';

type Finding = 'justified' | 'unjustified' | 'needs-change';
type ReviewOptions = ClientOptions & { readonly finding: Finding; readonly summary: string };

const review = async (id: string, options: ReviewOptions): Promise<void> => {
  const client = await openClient(options, { signs: true });
  const by = orFail(await client.principal());
  const summary = openingOf(options.summary);
  const statement = reviewStatementOf(client.anchor, by, {
    request: id,
    finding: options.finding,
    summary: commitTo(summary),
  });
  const sent = orFail(
    await sendStatement(client, orFail(signerOf(client)), statement, {
      path: `/v1/requests/${encodeURIComponent(id)}/review`,
      event: ['ReviewClosed'],
      more: { summary },
    }),
  );
  const { entry, size } = sent.receipt;
  if (options.json) printJson({ request: id, finding: options.finding, index: entry.index, proven_size: size });
  else print(`reviewed ${id}: ${options.finding}`);
  say(`The review is closed: entry ${entry.index} of the ledger, proven under size ${size}.`);
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('review')
        .description('Close the review a request left behind. Whoever had a part in it may not.')
        .argument('<id>', 'request id'),
    )
      .addOption(
        new Option('--finding <finding>', 'what you found')
          .choices(['justified', 'unjustified', 'needs-change'])
          .makeOptionMandatory(),
      )
      .requiredOption('--summary <text>', 'what you looked at and found; kept beside the ledger')
      .action(review),
    '$ countersign review req_0123456789abcdefghjkmnpqrs --finding justified --summary "Read the logs with Vint"',
  );
};
