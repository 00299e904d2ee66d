// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { fingerprintWords } from '../crypto/words.ts';
import { foundersOf, readPlan } from './founding.ts';
import { examples } from './help.ts';
import { makeDraft, type DraftOptions } from './init-draft.ts';
import { configOption, finishDraft, type FinishOptions } from './init-finish.ts';
import { signDraft, type SignOptions } from './init-sign.ts';
import { logAgentIn } from './log-key-argument.ts';
import { foundTrial } from './init-trial.ts';
import { jsonOption, outputOptions } from './options.ts';
import { print, printJson, say, usage } from './output.ts';
import type { Verb } from './verb.ts';

type TrialOptions = {
  readonly trial?: true;
  readonly dir?: string;
  readonly roster?: string;
  readonly policy?: readonly string[];
  readonly keys?: string;
  readonly founder: readonly string[];
  readonly logKey?: string;
  readonly config?: string;
  readonly json: boolean;
};

const trial = async (options: TrialOptions): Promise<void> => {
  const { dir, roster, policy, keys, founder, logKey, config, json, ...given } = options;
  if (given.trial !== true)
    usage(
      'nothing says what to found',
      'a trial: --trial; a real ledger: `countersign init draft`, then `sign`, then `finish`',
    );
  const needed = { '--dir': dir, '--roster': roster, '--policy': policy, '--keys': keys };
  const missing = Object.entries(needed).find(([, value]) => value === undefined)?.[0];
  if (dir === undefined || roster === undefined || policy === undefined || keys === undefined)
    return usage(`${missing ?? 'an option'} is missing`, 'see the examples in `countersign help init`');
  const plan = readPlan(roster, policy, keys);
  const logAgent = logKey === undefined ? undefined : logAgentIn(logKey);
  if (logKey !== undefined && logAgent === undefined)
    usage(
      `--log-key \`${logKey}\` is no agent's key`,
      'a trial makes its own key; give agent:SHA256:… or leave it out',
    );
  const founders = foundersOf(plan, founder);
  const founded = await foundTrial(plan, { dir, keys, founders, logAgent, ...configOption(config) });
  const words = fingerprintWords(founded.ledger);
  if (json) return printJson({ dir, ...founded, words });
  print(founded.ledger);
  say(`Founded a trial in ${dir}. Above stands its pin: ${words.join(' ')}`);
  say('A trial stays one for ever: verifiers and enforcement points refuse it without --allow-trial.');
  say(`Next: countersign serve --dir ${dir}`);
};

const many = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

const founderOption = (): Option =>
  new Option('--founder <handle>', 'a founder; repeat for each')
    .argParser(many)
    .default([], "the roster's group `founders`");

const draftCommand = (init: Command): Command =>
  jsonOption(
    init
      .command('draft')
      .description('Write what all founders will sign.')
      .argument('[folder]', 'folder to make', 'genesis-draft'),
  )
    .requiredOption('--roster <file>', 'roster document: who there is, with public keys beside it')
    .requiredOption('--policy <path...>', 'policy documents: files, or a folder of them')
    .option('--keys <folder>', 'where the public keys lie, when not beside the roster')
    .addOption(founderOption())
    .option('--threshold <count>', 'least number of persons that governance needs', '2')
    .requiredOption(
      '--recovery <handle=key>',
      'an offline key that may re-found the ledger: HANDLE=FILE.pub; repeat',
      many,
    )
    .option('--recovery-threshold <count>', 'how many recovery keys are needed', '2')
    .option('--recovery-delay <duration>', 'how long a recovery waits, at least 7d', '7d')
    .option(
      '--log-key <file|agent>',
      'where to put the key that signs checkpoints; or agent:SHA256:…, a key in an agent',
      'log.key',
    )
    .action((folder: string, options: DraftOptions) => makeDraft(folder, options));

export const verb: Verb = (program) => {
  const init = jsonOption(
    program.command('init').description('Found a ledger: a trial alone, or a real one with at least three founders.'),
  )
    .option('--trial', 'found a trial: one person may, and it never becomes a real ledger')
    .option('--dir <folder>', 'data folder to make')
    .option('--roster <file>', 'roster document')
    .option('--policy <path...>', 'policy documents: files, or a folder of them')
    .option('--keys <folder>', 'where the keys of everybody in the roster lie, public and private')
    .addOption(founderOption())
    .option(
      '--log-key <file|agent>',
      'agent:SHA256:…, where the key that signs checkpoints lies; without it one is made',
    )
    .option('--config <file>', 'countersign.yaml for the new folder; it may say that the ledger lies in PostgreSQL')
    .action(trial);
  examples(
    init,
    '# try it alone',
    '$ countersign init --trial --dir ./trial --roster roster.yaml --policy policy/ --keys keys/',
    '# found a real one: whoever runs the server drafts, every founder signs, then it begins',
    '$ countersign init draft --roster roster.yaml --policy policy/ \\',
    '    --recovery grace=grace-recovery.pub --recovery radia=radia-recovery.pub',
    '$ countersign init sign genesis-draft --key ~/.ssh/id_ed25519',
    '$ countersign init finish genesis-draft --dir /srv/countersign',
  );
  examples(
    draftCommand(init),
    '# at least 3 founders, a threshold of 2, recovery keys in two hands or more',
    '$ countersign init draft --roster roster.yaml --policy policy/ \\',
    '    --recovery grace=grace-recovery.pub --recovery radia=radia-recovery.pub',
  );
  examples(
    outputOptions(
      init
        .command('sign')
        .description("On a founder's own machine: show the draft, have the six words compared, sign.")
        .argument('<draft>', 'folder that `init draft` wrote'),
    )
      .addOption(
        new Option('--key <file|agent>', 'your private SSH key, or `agent`')
          .env('COUNTERSIGN_KEY')
          .makeOptionMandatory(),
      )
      .option('--pin <digest>', 'the digest another founder told you; compared instead of asking for the words')
      .action((folder: string, options: SignOptions) => signDraft(folder, options)),
    '$ countersign init sign genesis-draft --key ~/.ssh/id_ed25519',
  );
  examples(
    jsonOption(
      init
        .command('finish')
        .description('Check every signature, make the data folder, and print the pin.')
        .argument('<draft>', 'folder with all signatures'),
    )
      .requiredOption('--dir <folder>', 'data folder to make')
      .option(
        '--log-key <file|agent>',
        'the key that `init draft` made; or agent:SHA256:…, as you drafted it',
        'log.key',
      )
      .option('--config <file>', 'countersign.yaml for the new folder; it may say that the ledger lies in PostgreSQL')
      .action((folder: string, options: FinishOptions) => finishDraft(folder, options)),
    '$ countersign init finish genesis-draft --dir /srv/countersign',
  );
};
