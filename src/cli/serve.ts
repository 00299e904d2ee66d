// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { examples } from './help.ts';
import { usage } from './output.ts';
import type { Verb } from './verb.ts';

export type ServeVerbOptions = {
  readonly dir: string;
  readonly listen?: string;
  readonly publicUrl?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustedProxy?: readonly string[];
  readonly mark?: string;
  readonly acceptMissingMark?: true;
  readonly acceptLoss?: string;
  readonly acceptTimeJump?: true;
};

/** `host:port`, `[v6]:port` or a port alone. */
export const readListen = (given: string): { readonly host: string; readonly port: number } => {
  const match = /^(?:(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):)?(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    return usage(`--listen \`${given}\` is no address`, 'write HOST:PORT, such as 127.0.0.1:7080 or [::1]:7080');
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port };
};

export const verb: Verb = (program) => {
  examples(
    program
      .command('serve')
      .description("Run the server of a ledger. It holds nobody's key, and can speak for nobody.")
      .addOption(
        new Option('--dir <folder>', 'data folder that `init` made').env('COUNTERSIGN_DIR').makeOptionMandatory(),
      )
      .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:7080, or as countersign.yaml says)')
      .option('--public-url <url>', 'the address people use, when it is another, such as https://gate.example.org')
      .option('--tls-cert <file>', 'certificate in PEM; needed beyond loopback, unless a proxy ends TLS')
      .option('--tls-key <file>', 'its private key in PEM')
      .option(
        '--trusted-proxy <address...>',
        'address or network of a proxy that ends TLS; plain HTTP from nowhere else',
      )
      .option('--mark <file>', 'where the mark is kept, best on another disk (default: DIR/mark/main.json)')
      .option('--accept-missing-mark', 'start although the mark is gone; only after you found out why')
      .option(
        '--accept-loss <size>',
        'the same, and say at which size the ledger ends; it is recorded, and told on every channel',
      )
      .option('--accept-time-jump', 'believe the clock although it is more than 24 h after the last entry')
      .action(async (options: ServeVerbOptions) => (await import('./serve-run.ts')).serve(options)),
    '$ countersign serve --dir /srv/countersign',
    '$ countersign serve --dir /srv/countersign --listen 0.0.0.0:443 \\',
    '    --tls-cert cert.pem --tls-key key.pem --public-url https://gate.example.org',
  );
};
