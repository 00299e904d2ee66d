// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';
import { refuse, type Result } from '../kernel/refusal.ts';
import { openServerSource } from './ledger-server.ts';
import { isLost, openLedgerSource, readIdentity, type LedgerIdentity, type LedgerSource } from './ledger-source.ts';
import { openClient } from './open-client.ts';
import { acceptV0Option, clientOptions, type VerifyingOptions } from './options.ts';
import { fail, usage } from './output.ts';

/** Options of the three verbs that look at a ledger, wherever it is. */
export type LookOptions = VerifyingOptions & { readonly dir?: string; readonly mark?: string };

export type LookAction<Options extends LookOptions = LookOptions> = (
  folder: string | undefined,
  options: Options,
  command: Command,
) => Promise<void>;

/** A folder as argument or `--dir`, or else a running server. */
export const lookOptions = (command: Command): Command =>
  clientOptions(
    command
      .argument('[folder]', "an export, or a stopped server's data folder; without it the server of `--server`")
      .addOption(new Option('--dir <folder>', 'the same as the argument').env('COUNTERSIGN_DIR'))
      .option('--mark <file>', 'the mark, where it does not lie in the data folder'),
  ).addOption(acceptV0Option());

/** What is looked at, and its name for the person at the terminal. */
export type Opened = { readonly source: LedgerSource; readonly where: string };

const otherWays: { readonly [code: string]: string } = {
  'store-locked': 'stop that process, or look at its ledger while it runs: `--server URL`',
  'ledger-unavailable':
    'name the data folder of a stopped server or an export, or a running server with `--server URL`',
};

// A folder that was named goes before a server out of the environment, and that before the folder one stands in.
export const openLook = async (folder: string | undefined, options: LookOptions): Promise<Opened> => {
  const named = folder ?? options.dir;
  if (options.pin !== undefined && !/^sha256:[0-9a-f]{64}$/.test(options.pin))
    usage(`\`${options.pin}\` is no pin`, 'a pin is `sha256:` and 64 lowercase hex digits');
  if (named === undefined && options.server !== undefined) {
    const client = await openClient(options);
    return { source: openServerSource(client), where: client.server };
  }
  const where = named ?? '.';
  const source = await openLedgerSource(where, options.mark);
  if (source.ok) return { source: source.value, where };
  const { refusal } = source;
  const help = otherWays[refusal.code];
  return fail(
    named === undefined || refusal.code === 'store-locked' ? { ...refusal, help: help ?? refusal.help } : refusal,
  );
};

/** For those that ask no time of files: nobody shall think that a demand which was given was met. */
export const refuseFreshness = (folder: string | undefined, options: LookOptions, command: Command): void => {
  if (folder === undefined && options.dir === undefined && options.server !== undefined) return;
  for (const name of ['fresh', 'witnesses'])
    if (command.getOptionValueSource(name) === 'cli')
      usage(
        `--${name} asks when a checkpoint was the newest, which \`ledger ${command.name()}\` does not look at in a folder`,
        'give it to `countersign ledger verify`',
      );
};

/** Closes what was opened; what could not be read at all ends the process with its refusal. */
export const looking = async (opened: Opened, work: (source: LedgerSource) => Promise<void>): Promise<void> => {
  try {
    await work(opened.source);
  } catch (error) {
    // A page of the database that cannot be read at all, or a server that does not answer.
    const refusal = (error as { refusal?: Parameters<typeof fail>[0] } | null)?.refusal;
    if (refusal === undefined) throw error;
    fail(refusal);
  } finally {
    await opened.source.store.close();
  }
};

/** The ledger as its first entry names it, held against the pin. */
export const identify = async (source: LedgerSource, pin: string | undefined): Promise<Result<LedgerIdentity>> => {
  const identity = await readIdentity(source);
  // Of a database that cannot be opened at all its own message says the way out.
  if (!identity.ok && isLost(identity.refusal)) fail(identity.refusal);
  if (!identity.ok || pin === undefined || identity.value.ledger === pin) return identity;
  const { ledger } = identity.value;
  return refuse(
    'pin-mismatch',
    'Y2',
    `it is ledger \`${ledger}\`, not the pinned \`${pin}\``,
    { ledger, pin },
    'compare the pin with the people who founded the ledger',
  );
};
