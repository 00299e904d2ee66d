// SPDX-License-Identifier: Apache-2.0
import { Argument, Option } from 'commander';
import { examples } from './help.ts';
import type { LintOptions } from './policy-lint.ts';
import type { ProposeOptions } from './policy-propose.ts';
import { clientOptions, type ClientOptions, verifyingOptions } from './options.ts';
import { orFail, print, printJson } from './output.ts';
import type { Verb } from './verb.ts';

const show = async (options: ClientOptions): Promise<void> => {
  const [{ openClient }, { policyInForce }, { rulesInForce }, { policySummary }, { visibleText }] = await Promise.all([
    import('./open-client.ts'),
    import('./policy-propose.ts'),
    import('./rules-in-force.ts'),
    import('./policy-summary.ts'),
    import('../client/visible-text.ts'),
  ]);
  const client = await openClient(options);
  const { version, digest, policy } = await policyInForce(client);
  if (options.json) return printJson({ version, digest, policy });
  const { titles } = orFail(await rulesInForce(client));
  print(`Policy version ${version}, ${digest}${policy.commit === null ? '' : `, from ${policy.commit}`}`);
  for (const line of policySummary(policy, titles)) print(visibleText(line));
};

const schema = async (kind: 'action' | 'roster'): Promise<void> => {
  const [{ actionSchema }, { rosterSchema }] = await Promise.all([
    import('../policy/compile.ts'),
    import('../roster/compile.ts'),
  ]);
  print(JSON.stringify(kind === 'action' ? actionSchema() : rosterSchema(), null, 2));
};

export const verb: Verb = (program) => {
  const policy = program
    .command('policy')
    .description('Check policy documents, read the policy in force, or propose another.');
  examples(
    clientOptions(
      policy
        .command('lint')
        .description('Say everything that is wrong with policy documents, with file, line and what to do.')
        .argument('<path...>', 'YAML files, or a folder of them'),
    )
      .option('--roster <file>', 'roster document: whether there are people who can meet the gates')
      .option('--keys <folder>', 'where the public keys lie, when not beside the roster')
      .addOption(
        new Option('--format <format>', 'how to show problems').choices(['pretty', 'github']).default('pretty'),
      )
      .action(async (paths: readonly string[], options: LintOptions) =>
        (await import('./policy-lint.ts')).lint(paths, options),
      ),
    '# Exit code 0: nothing is wrong; 1: something is',
    '$ countersign policy lint policy/ --roster roster.yaml',
    '# annotations in a pull request',
    '$ countersign policy lint policy/ --roster roster.yaml --format github',
  );
  examples(
    policy
      .command('schema')
      .description('Print the JSON Schema of a document, for editors.')
      .addArgument(new Argument('[kind]', 'which document').choices(['action', 'roster']).default('action'))
      .action(schema),
    '$ countersign policy schema > action.schema.json',
  );
  examples(
    clientOptions(
      policy.command('show').description('Show the policy in force: what decides, and nothing else.'),
    ).action(show),
    '$ countersign policy show --server https://gate.example.org',
  );
  examples(
    verifyingOptions(
      policy
        .command('propose')
        .description(
          'Ask that these documents be the policy. They are checked, compiled, and approved like any request.',
        )
        .argument('<path...>', 'YAML files, or a folder of them'),
    )
      .option('--reason <text>', 'why, for the people who decide')
      .option('--out <file>', 'only write the change to a file, and ask for nothing')
      .action(async (paths: readonly string[], options: ProposeOptions) =>
        (await import('./policy-propose.ts')).propose(paths, options),
      ),
    '# from a clean git working tree the policy names the commit it comes from',
    '$ countersign policy propose policy/ --reason "Two people for migrations" --key ~/.ssh/id_ed25519',
  );
};
