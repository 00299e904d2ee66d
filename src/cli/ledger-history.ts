// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { examples } from './help.ts';
import { compareNotes, printSeen, type CompareOptions } from './ledger-compare.ts';
import { makeEvidence, type EvidenceOptions } from './ledger-evidence.ts';
import { jsonOption } from './options.ts';

const serverOption = (): Option =>
  new Option('--server <url>', 'the server that is asked, such as https://gate.example.org').env('COUNTERSIGN_SERVER');
const pinOption = (): Option =>
  new Option('--pin <digest>', 'digest of the genesis of the ledger meant').env('COUNTERSIGN_PIN');

/** What people do who want to know that all of them are shown one history. */
export const addHistoryVerbs = (ledger: Command): void => {
  examples(
    ledger
      .command('seen')
      .description('Print the newest checkpoint this machine has seen, for a colleague to compare with theirs.')
      .addOption(serverOption())
      .addOption(pinOption())
      .action((options: Omit<CompareOptions, 'json'>) => printSeen(options)),
    '$ countersign ledger seen > ada.note',
  );

  examples(
    jsonOption(
      ledger
        .command('compare')
        .description(
          'Compare checkpoints of colleagues with the newest one this machine has seen. Two sizes are compared by what the server proves.',
        )
        .argument('<notes...>', 'signed checkpoints, `-` for standard input'),
    )
      .addOption(serverOption())
      .addOption(pinOption())
      .action((files: readonly string[], options: CompareOptions) => compareNotes(files, options)),
    '# Exit code 0: one history; 7: two, with evidence that is kept',
    '$ countersign ledger compare ada.note grace.note',
  );

  examples(
    ledger
      .command('evidence')
      .description(
        "Make a file of two checkpoints that contradict each other. Anybody checks it with the log's key alone: `countersign verify`.",
      )
      .argument('<notes...>', 'two signed checkpoints, or the folder that a refusal named')
      .option('--server <url>', 'for checkpoints of two sizes: the server that showed the larger one')
      .addOption(pinOption())
      .option('--log-key <key>', "the log's verifier key; by default the one this machine knows")
      .option('--out <file>', 'write to a file instead of stdout')
      .action((notes: readonly string[], options: EvidenceOptions) => makeEvidence(notes, options)),
    '$ countersign ledger evidence seen.note shown.note --out fork.json',
    '$ countersign verify fork.json --log-key countersign/…',
  );
};
