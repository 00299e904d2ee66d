// SPDX-License-Identifier: Apache-2.0
import { openSessionStore } from '../client/trust-store.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { orFail, print, printJson, say } from './output.ts';
import type { Verb } from './verb.ts';

const login = async (options: ClientOptions & { readonly printToken?: boolean }): Promise<void> => {
  const client = await openClient(options, { signs: true });
  const token = orFail(await client.signIn());
  const session = openSessionStore(client.home).read(client.server, client.signer?.key.fingerprint ?? '');
  const principal = session?.principal ?? orFail(await client.principal());
  const until = session?.expires_at ?? null;
  if (options.json)
    printJson({
      server: client.server,
      ledger: client.anchor.pin,
      trial: client.anchor.trial,
      principal,
      expires_at: until,
      ...(options.printToken === true ? { token } : {}),
    });
  else if (options.printToken === true) print(token);
  say(`Signed in to ${client.server} as ${principal}, for reading, until ${until ?? 'the session ends'}.`);
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program.command('login').description('Open a session for reading. What you do is always signed by itself.'),
    )
      .option('--print-token', 'print the session token on stdout, for other programs that read')
      .action(login),
    '$ countersign login --server https://gate.example.org --pin sha256:… --key ~/.ssh/id_ed25519',
    '$ countersign login --key agent --print-token',
  );
};
