// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = (program) => {
  examples(
    program
      .command('demo')
      .description(
        'Show on real things that nobody gets through alone; about half a minute. Exits 0 only if all of it holds.',
      )
      .option('--json', 'one JSON document a step: {"step","ok","detail"}')
      .option('--keep <folder>', 'leave keys, repository, ledger and evidence in this folder')
      .action(async ({ json, keep }: { readonly json?: true; readonly keep?: string }) => {
        const { runDemo } = await import('../demo/demo.ts');
        const held = await runDemo({ json: json === true, ...(keep === undefined ? {} : { keep }) });
        process.exitCode = held ? 0 : 1;
      }),
    '$ countersign demo',
    '$ countersign demo --keep ./demo && countersign verify ./demo/evidence.json --allow-trial --pin sha256:…',
  );
};
