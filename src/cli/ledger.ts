// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { examples } from './help.ts';
import { checkLedger, type CheckOptions } from './ledger-check.ts';
import { exportLedger } from './ledger-export.ts';
import { proveEntry } from './ledger-proof.ts';
import { acceptV0Option, clientOptions, jsonOption, type ClientOptions } from './options.ts';
import { usage } from './output.ts';
import type { Verb } from './verb.ts';

type VerifyLedgerOptions = CheckOptions & { readonly allowTrial?: true; readonly acceptV0?: boolean };
type Folder = { readonly dir: string; readonly mark?: string };

const folderOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--dir <folder>', 'data folder of a stopped server, or an export').env('COUNTERSIGN_DIR').default('.'),
    )
    .option('--mark <file>', 'the mark, where it does not lie in the data folder');

// A folder that was named goes before a server that only the environment names.
const asksServer = (command: Command, { server }: ClientOptions): boolean => {
  const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  if (given('dir') && given('server')) usage('--dir and --server name two places to export from', 'give one of them');
  return server !== undefined && (given('server') || command.getOptionValueSource('dir') === 'default');
};

const pinOption = (): Option =>
  new Option('--pin <digest>', 'digest of the genesis the ledger must begin with').env('COUNTERSIGN_PIN');

export const verb: Verb = (program) => {
  const ledger = program.command('ledger').description('Check, export or prove a ledger, without its server.');

  examples(
    jsonOption(
      folderOptions(
        ledger
          .command('fsck')
          .description("Check every byte of a stopped server's ledger, and name the first entry that is wrong."),
      ),
    )
      .addOption(pinOption())
      .action(({ dir, ...options }: Folder & CheckOptions) => checkLedger(dir, options)),
    '# Exit code 0: sound; 7: damaged, with the entry and what is wrong with it',
    '$ countersign ledger fsck --dir /srv/countersign',
  );

  examples(
    jsonOption(
      ledger
        .command('verify')
        .description('Check a whole ledger as a stranger would: signatures, rules, history and the pin.')
        .argument('<folder>', 'an export, or the data folder of a stopped server'),
    )
      .addOption(pinOption())
      .option('--mark <file>', 'the mark, where it does not lie in the data folder')
      .option('--allow-trial', 'take a trial ledger, which one person may have started alone')
      .addOption(acceptV0Option())
      .action((folder: string, { allowTrial, acceptV0, ...options }: VerifyLedgerOptions) => {
        if (options.pin === undefined)
          usage(
            '--pin is missing: without it a ledger proves nothing',
            'take the pin from a founder, never from whoever gave you the folder; `ledger fsck` needs none',
          );
        return checkLedger(folder, { ...options, stranger: { allowTrial, acceptV0 } });
      }),
    '# The pin comes from the founders, never from whoever gave you the folder',
    '$ countersign ledger verify ./export --pin sha256:…',
  );

  examples(
    clientOptions(
      folderOptions(
        ledger
          .command('export')
          .description(
            'Write entries, documents and the newest checkpoint into a folder for somebody else, ' +
              "out of a stopped server's data folder or from a running server; or bring such a folder up to date.",
          )
          .argument('<out>', 'folder to make, or an earlier export of the same ledger'),
      ),
    ).action(async (out: string, { dir, ...options }: Folder & ClientOptions, command: Command) => {
      if (!asksServer(command, options)) return exportLedger(dir, out, options);
      const { exportFromServer } = await import('./ledger-export-server.ts');
      return exportFromServer(out, options);
    }),
    '$ countersign ledger export ./export --dir /srv/countersign',
    '# As a reader, from a running server; every tile is held against its checkpoint',
    '$ countersign ledger export ./export --server https://gate.example.org --key ~/.ssh/id_ed25519',
  );

  examples(
    folderOptions(
      ledger
        .command('proof')
        .description('Write the proof that an entry stands in the ledger (c2sp.org/tlog-proof).')
        .argument('<index>', 'index of the entry, from 0'),
    )
      .option('--out <file>', 'write to a file instead of stdout')
      .action((index: string, { dir, ...options }: Folder & { readonly out?: string }) =>
        proveEntry(dir, index, options),
      ),
    '$ countersign ledger proof 7 --dir /srv/countersign --out entry-7.tlog-proof',
  );
};
