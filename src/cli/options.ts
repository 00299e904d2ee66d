// SPDX-License-Identifier: Apache-2.0
import { Option, type Command } from 'commander';

/** Options of every verb that talks to a server, each with its environment variable. */
export type ClientOptions = {
  readonly server?: string;
  readonly pin?: string;
  readonly key?: string;
  readonly as?: string;
  readonly tokenFile?: string;
  readonly json: boolean;
  /** False with `--no-input`: never ask a question. */
  readonly input: boolean;
  readonly allowTrial: boolean;
  readonly fresh?: string;
  readonly witnesses?: string;
};

/** `--witnesses`, for whoever trusts the clocks and the word of others than the operator. */
export const witnessesOption = (more?: string): Option =>
  new Option(
    '--witnesses <file>',
    `your own policy of witnesses (c2sp.org/tlog-policy)${more === undefined ? '' : `: ${more}`}`,
  ).env('COUNTERSIGN_WITNESSES');

const options = {
  server: () => new Option('--server <url>', 'the server, such as https://gate.example.org').env('COUNTERSIGN_SERVER'),
  pin: () =>
    new Option('--pin <digest>', 'digest of the genesis you trust; remembered after the first use').env(
      'COUNTERSIGN_PIN',
    ),
  key: () =>
    new Option('--key <file|agent>', 'your private SSH key, or `agent` to let ssh-agent sign').env('COUNTERSIGN_KEY'),
  as: () =>
    new Option('--as <principal>', 'person:<id> or machine:<name>; by default whoever holds the key in the roster').env(
      'COUNTERSIGN_AS',
    ),
  tokenFile: () => new Option('--token-file <file>', 'file with a token for reading').env('COUNTERSIGN_TOKEN_FILE'),
  fresh: () =>
    new Option('--fresh <duration>', 'refuse a server whose newest checkpoint is older, such as 10m').env(
      'COUNTERSIGN_FRESH',
    ),
  witnesses: () => witnessesOption(),
  allowTrial: () => new Option('--allow-trial', 'accept a trial ledger, which one person started alone').default(false),
} as const;

/** `--json` and `--no-input`, which every verb has. */
export const outputOptions = (command: Command): Command =>
  command
    .addOption(new Option('--json', 'answer in JSON, one document a line').default(false))
    .addOption(new Option('--no-input', 'never ask a question; fail instead'));

/** `--json` alone, for verbs that never ask anything. */
export const jsonOption = (command: Command): Command =>
  command.addOption(new Option('--json', 'answer in JSON, one document a line').default(false));

/** Adds the shared client options to a verb. */
export const clientOptions = (command: Command): Command => {
  command.optionsGroup('Connection:');
  for (const option of Object.values(options)) command.addOption(option());
  return outputOptions(command).optionsGroup('Options:');
};

/** `--accept-v0`, for whatever derives something again on this machine. A variable that says no is no yes. */
export const acceptV0Option = (): Option => {
  const option = new Option('--accept-v0', 'accept formats that are still v0, on a ledger that is no trial');
  const refused = /^(|0|false|no|off)$/i.test(process.env['COUNTERSIGN_ACCEPT_V0'] ?? '1');
  return refused ? option : option.env('COUNTERSIGN_ACCEPT_V0');
};

/** Shared options of the verbs that derive something again on this machine. */
export type VerifyingOptions = ClientOptions & { readonly acceptV0?: boolean };

export const verifyingOptions = (command: Command): Command => clientOptions(command).addOption(acceptV0Option());
