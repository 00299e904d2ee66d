// SPDX-License-Identifier: Apache-2.0
import type { Client } from '../client/connect.ts';
import { submitRequest } from '../client/requests.ts';
import { prepareAsk } from './ask-options.ts';
import { orFail, say } from './output.ts';
import { tellAsked } from './request.ts';
import { toPaste } from '../client/to-paste.ts';

/** Asks for a change of roster or policy: a request like any other, with the change as its content. */
export const proposeGovernance = async (
  client: Client,
  action: 'governance.policy' | 'governance.roster',
  content: Uint8Array,
  { reason, json }: { readonly reason?: string | undefined; readonly json: boolean },
): Promise<void> => {
  const nothing: readonly string[] = [];
  const { ask } = await prepareAsk(
    client,
    action,
    { fact: nothing, driver: nothing, for: nothing, attest: nothing, ...(reason === undefined ? {} : { reason }) },
    { content },
  );
  const asked = orFail(await submitRequest(client, ask));
  await tellAsked(client, asked.request, json, ask);
  say(
    `When it is approved, anybody may apply it: ${toPaste(client, `countersign activate ${asked.request}`, 'talks')}`,
  );
};
