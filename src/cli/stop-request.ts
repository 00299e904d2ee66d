// SPDX-License-Identifier: Apache-2.0
import { sendStatement, showRequest, signerOf } from '../client/requests.ts';
import { commitTo, openingOf, stopStatementOf } from '../client/statements.ts';
import { openClient } from './open-client.ts';
import type { ClientOptions } from './options.ts';
import { fail, orFail, print, printJson, say, warn } from './output.ts';

export type StopOptions = ClientOptions & { readonly reason?: string };

const receiptWithinMs = 10_000;

/**
 * Signs and sends a veto or a withdrawal. A stop needs little: no case is derived first, so that nothing the server
 * does can keep a "no" from being said. Without a proven receipt in 10 s it says that the server may be hiding it.
 */
export const stopRequest = async (id: string, kind: 'veto' | 'withdrawal', options: StopOptions): Promise<void> => {
  const client = await openClient(options, { signs: true });
  const view = orFail(await showRequest(client, id));
  const by = orFail(await client.principal());
  const opening = options.reason === undefined ? undefined : openingOf(options.reason);
  const statement = stopStatementOf(client.anchor, by, kind, {
    request: view.request,
    change: view.change,
    reason: opening === undefined ? null : commitTo(opening),
  });
  const [path, event] =
    kind === 'veto'
      ? [`/v1/requests/${id}/veto`, 'RequestVetoed']
      : [`/v1/requests/${id}/withdraw`, 'RequestWithdrawn'];
  const late = setTimeout(() => {
    warn(
      'no receipt after 10 seconds: the server may be hiding this. Tell the enforcement point and the others directly.',
    );
  }, receiptWithinMs);
  const sent = await sendStatement(client, orFail(signerOf(client)), statement, {
    path,
    event: [event],
    ...(opening === undefined ? {} : { more: { reason: opening } }),
  });
  clearTimeout(late);
  if (!sent.ok) {
    if (sent.refusal.code === 'receipt-invalid' || sent.refusal.code === 'server-unreachable')
      warn('there is no proof that it was recorded: the server may be hiding it. Tell the others directly.');
    fail(sent.refusal);
  }
  const { entry, size } = sent.value.receipt;
  if (options.json)
    printJson({ request: id, status: sent.value.status, index: entry.index, proven_size: size, change: view.change });
  else print(`${kind === 'veto' ? 'vetoed' : 'withdrawn'} ${id}`);
  say(
    `Receipt: entry ${entry.index} of the ledger, proven under size ${size}. The request is now ${sent.value.status}.`,
  );
};
