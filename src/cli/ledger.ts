// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import { checkLedger, type CheckOptions } from './ledger-check.ts';
import { copyVerbs } from './ledger-copies.ts';
import { addHistoryVerbs } from './ledger-history.ts';
import { folderOptions, pinOption, type Folder } from './ledger-options.ts';
import { proveEntry } from './ledger-proof.ts';
import { durationMs } from './duration.ts';
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

  addHistoryVerbs(ledger);
};
