// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { digestOf } from '../crypto/digest.ts';
import { openCase, type OpenedCase } from '../verify/open-case.ts';
import type { Client } from './connect.ts';
import { fetchCase, type Ask } from './requests.ts';
import { now } from './statements.ts';

const differs = (what: string, server: JsonValue, here: JsonValue): Refused =>
  refuse(
    'change-differs',
    'W2',
    `what the server says of ${what} is not what follows from the signed bytes`,
    { server, here },
    'sign nothing of it; tell the founders that this server, or something before it, shows what is not so',
  );

/**
 * Fetches the case of a request and derives all of it again on this machine: governance from the pin on, the change
 * document from what the requester signed, the votes; under a checkpoint that continues what was seen (SPEC W1, W2).
 */
export const openVerifiedCase = async (client: Client, id: string): Promise<Result<OpenedCase>> => {
  const file = await fetchCase(client, id);
  if (!file.ok) return file;
  const opened = openCase(file.value, {
    pin: client.anchor.pin,
    allowTrial: client.allowTrial,
    acceptV0: client.acceptV0,
    request: id,
    now: now(),
  });
  if (!opened.ok) return opened;
  const accepted = await client.accept(opened.value.checkpoint.note);
  return accepted.ok ? opened : accepted;
};

/** Whether the server's own words agree with what was derived here. */
export const compareWithView = (opened: OpenedCase, view: RequestView): Result<null> => {
  if (view.request !== opened.change.request) return differs('the request id', view.request, opened.change.request);
  if (view.change !== opened.digest) return differs('the change digest', view.change, opened.digest);
  if (view.change_text !== opened.changeText)
    return differs('the change document', view.change_text, opened.changeText);
  if (view.revision !== opened.change.revision) return differs('the revision', view.revision, opened.change.revision);
  return ok(null);
};

/** Whether what stands in the ledger is what was meant to be asked. */
export const compareWithAsk = ({ change }: OpenedCase, ask: Ask): Result<null> => {
  const asked: { readonly [name: string]: JsonValue } = {
    action: ask.action,
    audience: ask.audience,
    executor: ask.executor,
    emergency: ask.emergency ?? false,
    content: ask.content === undefined ? null : digestOf(ask.content),
    not_after: ask.not_after,
    facts: ask.facts,
  };
  const given = Object.entries(change.facts).filter(([, fact]) => fact.vouched === 'requester');
  const stands: { readonly [name: string]: JsonValue } = {
    action: change.action,
    audience: change.audience,
    executor: change.executor?.key ?? null,
    emergency: change.emergency,
    content: change.content,
    not_after: change.not_after,
    facts: Object.fromEntries(given.map(([name, fact]) => [name, fact.value])),
  };
  for (const [name, value] of Object.entries(asked)) {
    const here = stands[name] ?? null;
    if (canonicalize(value) !== canonicalize(here)) return differs(`the request's \`${name}\``, here, value);
  }
  const driver = (ask.drivers ?? []).find((one) => !change.producers.includes(one));
  return driver === undefined ? ok(null) : differs('the producers', [...change.producers], driver);
};
