// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { examples } from './help.ts';
import { jsonOption } from './options.ts';
import type { Verb } from './verb.ts';
import type { WitnessInitOptions } from './witness-init.ts';
import type { WitnessServeOptions } from './witness-serve.ts';

const folder = (): Option =>
  new Option('--dir <folder>', 'folder of the witness').env('COUNTERSIGN_WITNESS_DIR').makeOptionMandatory();

export const verb: Verb = (program) => {
  const witness = program
    .command('witness')
    .description("Cosign other people's logs, so that none of them can show two histories (c2sp.org/tlog-witness).");

  examples(
    jsonOption(
      witness
        .command('init')
        .description('Make a witness with a new key, in a folder of its own. Prints its verifier key.'),
    )
      .addOption(folder())
      .requiredOption('--name <name>', 'its name, best an address without https://, such as witness.example.org/w1')
      .option('--log <vkey...>', 'verifier key of a log that it cosigns; more can be written into DIR/logs')
      .action(async (options: WitnessInitOptions) => (await import('./witness-init.ts')).initWitness(options)),
    '$ countersign witness init --dir /srv/witness --name witness.example.org/w1 \\',
    '    --log countersign/0123…+1f0a3c5d+AU…',
  );

  examples(
    witness
      .command('serve')
      .description('Run a witness. It needs no ledger, and cosigns the logs in DIR/logs and no others.')
      .addOption(folder())
      .option('--listen <host:port>', 'where to listen', '127.0.0.1:7081')
      .option('--tls-cert <file>', 'certificate in PEM; needed beyond loopback, unless a proxy ends TLS')
      .option('--tls-key <file>', 'its private key in PEM')
      .option(
        '--trusted-proxy <address...>',
        'address or network of a proxy that ends TLS; plain HTTP from nowhere else',
      )
      .action(async (options: WitnessServeOptions) => (await import('./witness-serve.ts')).serveWitness(options)),
    '$ countersign witness serve --dir /srv/witness',
    '$ countersign witness serve --dir /srv/witness --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem',
  );
};
