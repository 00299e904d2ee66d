// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { examples } from './help.ts';
import { exportLedger } from './ledger-export.ts';
import type { ImportVerbOptions } from './ledger-import.ts';
import { folderOptions, pinOption, rememberedOption, type Folder } from './ledger-options.ts';
import type { RestoreOptions } from './ledger-restore.ts';
import { acceptV0Option, clientOptions, jsonOption, type ClientOptions } from './options.ts';
import { usage } from './output.ts';

// A folder that was named goes before a server that only the environment names.
const asksServer = (command: Command, { server }: ClientOptions): boolean => {
  const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  if (given('dir') && given('server')) usage('--dir and --server name two places to export from', 'give one of them');
  return server !== undefined && (given('server') || command.getOptionValueSource('dir') === 'default');
};

/** Verbs that copy a ledger as a folder of tiles, and make a ledger of such a copy. */
export const copyVerbs = (ledger: Command): void => {
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
    jsonOption(
      ledger
        .command('import')
        .description('Make a data folder for a server out of an export or a mirror, after verifying all of it.')
        .argument('<copy>', 'an export or a mirror')
        .argument('<dir>', 'data folder to make'),
    )
      .addOption(pinOption())
      .option('--log-key <file>', 'the log key, which is in no copy; without it the folder cannot be served yet')
      .option('--mark <file>', 'where the mark is kept, best on another disk (default: DIR/mark/main.json)')
      .addOption(rememberedOption())
      .option('--allow-trial', 'take a trial ledger, which one person may have started alone')
      .addOption(acceptV0Option())
      .action(async (from: string, dir: string, options: ImportVerbOptions) =>
        (await import('./ledger-import.ts')).importFolder(from, dir, options),
      ),
    '$ countersign ledger import ./mirror /srv/countersign --pin sha256:… --log-key log.key',
  );

  examples(
    jsonOption(
      folderOptions(
        ledger
          .command('restore')
          .description(
            "Say what a stopped server's ledger lacks of what its key ever signed, and put it back from a mirror or an export.",
          ),
      ),
    )
      .option('--from <copy>', 'a mirror or an export that holds the missing entries')
      .addOption(pinOption())
      .addOption(rememberedOption())
      .action(async ({ dir, ...options }: Folder & RestoreOptions) =>
        (await import('./ledger-restore.ts')).restoreLedger(dir, options),
      ),
    '# Only look: exit code 7 when something is missing',
    '$ countersign ledger restore --dir /srv/countersign --remembered checkpoint-of-ada',
    '$ countersign ledger restore --dir /srv/countersign --from /mnt/mirror',
  );
};
