// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { examples } from './help.ts';
import { copyVerbs } from './ledger-copies.ts';
import { fsckLedger } from './ledger-fsck.ts';
import { addHistoryVerbs } from './ledger-history.ts';
import { lookOptions } from './ledger-open.ts';
import { folderOptions, type Folder } from './ledger-options.ts';
import { proveEntry } from './ledger-proof.ts';
import { rebuildViews } from './ledger-rebuild.ts';
import { replayLedger } from './ledger-replay.ts';
import { eraseFrom, listHolds, putHold, removeHold, type TextOptions } from './ledger-texts.ts';
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
