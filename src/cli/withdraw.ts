// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import { clientOptions } from './options.ts';
import { stopRequest, type StopOptions } from './stop-request.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program.command('withdraw').description('Take back what you asked for.').argument('<id>', 'request id'),
    )
      .option('--reason <text>', 'why; kept beside the ledger')
      .action((id: string, options: StopOptions) => stopRequest(id, 'withdrawal', options)),
    '$ countersign withdraw req_0123456789abcdefghjkmnpqrs',
  );
};
