// SPDX-License-Identifier: Apache-2.0
import { Argument, Command } from 'commander';
import { completionScripts, type Completable, type Shell } from './completion-scripts.ts';
import { examples } from './help.ts';
import { print } from './output.ts';
import type { Verb } from './verb.ts';
import { verbs } from './verbs.ts';

const optionsOf = (command: Command): readonly string[] =>
  command.options.flatMap(({ long, hidden }) => (long === null || long === undefined || hidden ? [] : [long]));

// Asks each verb itself, so that nothing has to be kept in step by hand.
const completable = async (): Promise<readonly Completable[]> =>
  Promise.all(
    Object.entries(verbs).map(async ([name, { summary, load }]) => {
      const program = new Command();
      const loaded: { readonly verb: Verb } = await load();
      loaded.verb(program);
      const command = program.commands.find((one) => one.name() === name) ?? new Command(name);
      const parts = command.commands.map((one) => one.name());
      const words = [...parts, ...optionsOf(command), ...command.commands.flatMap(optionsOf), '--help'];
      return { name, summary, words: [...new Set(words)] };
    }),
  );

export const verb: Verb = (program) => {
  examples(
    program
      .command('completion')
      .description('Print a script that lets your shell complete verbs and options.')
      .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(completionScripts)))
      .action(async (shell: Shell) => print(completionScripts[shell](await completable()).trimEnd())),
    '# for this shell',
    '$ source <(countersign completion bash)',
    '# for good',
    '$ countersign completion fish > ~/.config/fish/completions/countersign.fish',
  );
};
