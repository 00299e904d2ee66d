// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';

export type Folder = { readonly dir: string; readonly mark?: string };

/** Where a ledger lies, for verbs that look at it without its server. */
export const folderOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--dir <folder>', 'data folder of a stopped server, or an export').env('COUNTERSIGN_DIR').default('.'),
    )
    .option('--mark <file>', 'the mark, where it does not lie in the data folder');

export const rememberedOption = (): Option =>
  new Option('--remembered <file...>', 'signed checkpoints or receipts that people kept, to compare with');

export const pinOption = (): Option =>
  new Option('--pin <digest>', 'digest of the genesis the ledger must begin with').env('COUNTERSIGN_PIN');
