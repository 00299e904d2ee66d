// SPDX-License-Identifier: Apache-2.0
import { startWitness } from '../server/witness-server.ts';
import { fail, orFail, print, styledOut, usage } from './output.ts';
import { stopOnSignal } from './serve-run.ts';
import { readListen } from './serve.ts';

export type WitnessServeOptions = {
  readonly dir: string;
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustedProxy?: readonly string[];
};

export const serveWitness = async (options: WitnessServeOptions): Promise<void> => {
  const { dir, tlsCert, tlsKey, trustedProxy } = options;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    usage('--tls-cert and --tls-key go together', 'give both, or neither');
  const witness = orFail(
    await startWitness({
      dir,
      ...readListen(options.listen),
      ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { certificate: tlsCert, key: tlsKey } }),
      ...(trustedProxy === undefined ? {} : { trustedProxies: trustedProxy }),
      fatal: (error) =>
        fail({
          code: 'store-io',
          message: `the witness cannot keep what it cosigns: ${error instanceof Error ? error.message : String(error)}`,
          help: 'nothing was answered that is not kept; look at the disk, then start it again',
        }),
    }),
  );
  stopOnSignal(witness);
  print(`Listening on  ${styledOut('bold', witness.url)}`);
  print(`Key           ${witness.vkey}`);
  print(`Logs          ${witness.logs} known, ${witness.cosigned} cosigned before`);
};
