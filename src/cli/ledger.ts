// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { durationMs } from './duration.ts';
import { examples } from './help.ts';
import { checkLedger, type CheckOptions } from './ledger-check.ts';
import { copyVerbs } from './ledger-copies.ts';
import { addHistoryVerbs } from './ledger-history.ts';
import { folderOptions, pinOption, type Folder } from './ledger-options.ts';
import { proveEntry } from './ledger-proof.ts';
import { eraseFrom, listHolds, putHold, removeHold, type TextOptions } from './ledger-texts.ts';
import { acceptV0Option, jsonOption, witnessesOption } from './options.ts';
import { usage } from './output.ts';
import type { Verb } from './verb.ts';
import { readPolicyFile } from './witness-policy-file.ts';

type VerifyLedgerOptions = Omit<CheckOptions, 'witnesses'> & {
  readonly allowTrial?: true;
  readonly acceptV0?: boolean;
  readonly fresh?: string;
  readonly witnesses?: string;
};

export const verb: Verb = (program) => {
  const ledger = program
    .command('ledger')
    .description('Check, export or prove a ledger, without its server; compare what people have seen of it.');

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
      .option('--fresh <duration>', 'also ask that its newest checkpoint is no older, such as 10m')
      .addOption(witnessesOption())
      .addOption(acceptV0Option())
      .action((folder: string, { allowTrial, acceptV0, fresh, witnesses, ...options }: VerifyLedgerOptions) => {
        if (options.pin === undefined)
          usage(
            '--pin is missing: without it a ledger proves nothing',
            'take the pin from a founder, never from whoever gave you the folder; `ledger fsck` needs none',
          );
        return checkLedger(folder, {
          ...options,
          stranger: { allowTrial, acceptV0 },
          witnesses: readPolicyFile(witnesses),
          freshWithinMs: fresh === undefined ? undefined : durationMs(fresh, '--fresh'),
        });
      }),
    '# The pin comes from the founders, never from whoever gave you the folder',
    '$ countersign ledger verify ./export --pin sha256:…',
  );

  copyVerbs(ledger);

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
  textVerbs(ledger);
  addHistoryVerbs(ledger);
};

const dirOption = (): Option =>
  new Option('--dir <folder>', 'data folder of the server, running or stopped').env('COUNTERSIGN_DIR').default('.');

const textVerbs = (ledger: Command): void => {
  const hold = ledger
    .command('hold')
    .description(
      'Legal hold: what must not be erased. Whoever runs the server can lift it; no gate asks for others yet.',
    );
  examples(
    jsonOption(
      ledger
        .command('erase')
        .description(
          'Erase the texts of a request (reason, comments, summaries), or one text, for good. Whoever runs the server can; no gate asks for others yet. When and why stays visible.',
        )
        .argument('<what>', 'a request (req_…) or a commitment (sha256:…)'),
    )
      .addOption(dirOption())
      .option('--why <text>', 'why, in a line; everybody who looks is shown it')
      .option('--yes', 'do not ask')
      .action((what: string, options: TextOptions) => eraseFrom(what, options)),
    '$ countersign ledger erase req_0f8kq2… --dir /srv/countersign --why "asked for by the person, case 1234"',
  );
  examples(
    jsonOption(
      hold
        .command('add')
        .description('Keep texts from being erased.')
        .argument('<what>', 'a request, a commitment, or `*` for everything'),
    )
      .addOption(dirOption())
      .option('--why <text>', 'why, in a line')
      .action((what: string, options: TextOptions) => putHold(what, options)),
    '$ countersign ledger hold add req_0f8kq2… --dir /srv/countersign --why "case 1234"',
  );
  examples(
    jsonOption(
      hold
        .command('remove')
        .description('Lift a hold; that it stood stays visible.')
        .argument('<what>', 'as it was put'),
    )
      .addOption(dirOption())
      .option('--why <text>', 'why, in a line')
      .action((what: string, options: TextOptions) => removeHold(what, options)),
    '$ countersign ledger hold remove req_0f8kq2… --dir /srv/countersign --why "case 1234 is closed"',
  );
  examples(
    jsonOption(hold.command('list').description('List holds, lifted ones too.'))
      .addOption(dirOption())
      .action((options: TextOptions) => listHolds(options)),
    '$ countersign ledger hold list --dir /srv/countersign',
  );
};
