// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import { clientOptions } from './options.ts';
import { stopRequest, type StopOptions } from './stop-request.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('veto')
        .description('Stop a request during its time lock, or until its permit is used. One vetoer is enough.')
        .argument('<id>', 'request id'),
    )
      .option('--reason <text>', 'why; kept beside the ledger')
      .action((id: string, options: StopOptions) => stopRequest(id, 'veto', options)),
    '$ countersign veto req_0123456789abcdefghjkmnpqrs --reason "Not during the sale"',
  );
};
