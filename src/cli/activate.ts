// SPDX-License-Identifier: Apache-2.0
import { activate as applyChange } from '../client/requests.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { orFail, print, printJson, say } from './output.ts';
import type { Verb } from './verb.ts';

const activate = async (id: string, options: ClientOptions): Promise<void> => {
  const client = await openClient(options);
  const sent = orFail(await applyChange(client, id));
  const { entry, size } = sent.receipt;
  if (options.json) printJson({ request: id, status: sent.status, index: entry.index, proven_size: size });
  else print(`applied ${id}`);
  say(`The change is in force: entry ${entry.index} of the ledger, proven under size ${size}.`);
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('activate')
        .description('Apply an approved change of roster or policy. Anybody who may read may do it: the votes decide.')
        .argument('<id>', 'request id'),
    ).action(activate),
    '$ countersign activate req_0123456789abcdefghjkmnpqrs',
  );
};
