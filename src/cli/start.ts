// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import type { Verb } from './verb.ts';

export type StartOptions = { readonly dir: string; readonly listen?: string };

export const verb: Verb = (program) => {
  examples(
    program
      .command('start')
      .description(
        'Try it: make an example organisation with fresh keys and a trial ledger, serve it, and say what to try next. ' +
          'Started again, it carries on with the same ledger.',
      )
      .option('--dir <folder>', 'where to keep all of it', './trial')
      .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:7080, or the next port that is free)')
      .action(async (options: StartOptions) => (await import('./start-run.ts')).start(options)),
    '$ countersign start',
    '$ countersign start --dir /tmp/trial --listen 127.0.0.1:9000',
  );
};
