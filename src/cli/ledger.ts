// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { examples } from './help.ts';
import { copyVerbs } from './ledger-copies.ts';
import { fsckLedger } from './ledger-fsck.ts';
import { addHistoryVerbs } from './ledger-history.ts';
import { lookOptions } from './ledger-open.ts';
import { folderOptions, type Folder } from './ledger-options.ts';
import { proveEntry } from './ledger-proof.ts';
import { rebuildViews } from './ledger-rebuild.ts';
import { replayLedger } from './ledger-replay.ts';
import { verifyLedger } from './ledger-verify.ts';
import { manyOption } from './many-option.ts';
import { jsonOption } from './options.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = (program) => {
  const ledger = program
    .command('ledger')
    .description(
      'Check, copy or prove a ledger: of a running server, a stopped one, or as files alone; compare what people have seen of it.',
    );

  examples(
    lookOptions(
      ledger
        .command('fsck')
        .description(
          'Hash every stored entry, document and tile again, and name the first entry that is wrong. No rules, no signatures.',
        ),
    ).action(fsckLedger),
    '# Exit code 0: unchanged; 7: damaged, with the entry and what is wrong with it',
    '$ countersign ledger fsck /srv/countersign',
    '$ countersign ledger fsck --server https://gate.example.org --token-file FILE',
  );

  examples(
    lookOptions(
      ledger
        .command('replay')
        .description(
          'Decide every entry again from the first one on, and compare decisions, events and view rows, byte for byte.',
        ),
    )
      .option('--no-signatures', "do not check the signatures of the entries' statements; the answer says so")
      .action(replayLedger),
    '# Prints a digest of the state that the ledger comes to: the same on every machine',
    '$ countersign ledger replay /srv/countersign',
  );

  examples(
    lookOptions(
      ledger
        .command('verify')
        .description(
          'Check a whole ledger as a stranger would: rules, signatures, checkpoint, cosignatures, history, under the pin.',
        ),
    )
      .option('--since <file>', 'an older checkpoint that you kept, which the ledger must go on from')
      .addOption(manyOption('--witness <key>', 'key of a witness that must have cosigned'))
      .action(verifyLedger),
    '# The pin comes from the founders, never from whoever gave you the folder',
    '$ countersign ledger verify ./export --pin sha256:…',
    '$ countersign ledger verify ./export --pin sha256:… --since kept.note --witness witness.example+…',
  );

  examples(
    jsonOption(
      ledger
        .command('rebuild')
        .description('Build the views again from the first entry on: under a running server, or in its stopped folder.')
        .addOption(new Option('--dir <folder>', "the server's data folder").env('COUNTERSIGN_DIR').default('.')),
    ).action(rebuildViews),
    '# Nothing is sent again: what went out is no view',
    '$ countersign ledger rebuild --dir /srv/countersign',
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
