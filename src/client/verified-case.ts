// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { digestOf } from '../crypto/digest.ts';
import { openCase, type OpenedCase } from '../verify/open-case.ts';
import type { Client } from './connect.ts';
import { fetchCase, type Ask } from './requests.ts';
import { commitTo, now } from './statements.ts';

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
  // The bytes hold only a commitment to the reason; a text that is not behind it was put into the requester's mouth.
  const { reason, reason_salt: salt, reason_state: state, reason_erased: erased } = view;
  if (reason !== null && commitTo({ salt: salt ?? '', text: reason }) !== opened.change.reason)
    return differs('the reason', reason, opened.change.reason);
  // Nor do the words of an erasure stand beside a text that is there: they are the server's.
  if (reason !== null && (state !== 'kept' || erased !== null)) return differs('the reason', state, 'kept');
  return ok(null);
};

type Difference = { readonly name: string; readonly stands: JsonValue; readonly asked: JsonValue };

const differenceFrom = ({ change }: OpenedCase, ask: Ask): Difference | undefined => {
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
    if (canonicalize(value) !== canonicalize(here)) return { name, stands: here, asked: value };
  }
  const driver = (ask.drivers ?? []).find((one) => !change.producers.includes(one));
  return driver === undefined ? undefined : { name: 'producers', stands: [...change.producers], asked: driver };
};

/** Whether what stands in the ledger is what was just asked. */
export const compareWithAsk = (opened: OpenedCase, ask: Ask): Result<null> => {
  const other = differenceFrom(opened, ask);
  return other === undefined ? ok(null) : differs(`the request's \`${other.name}\``, other.stands, other.asked);
};

/** Whether a request that was made before is for exactly what this call is about; its end may be another. */
export const compareForResume = (
  opened: OpenedCase,
  ask: Ask,
  how: 'with a new resume key' | 'without `--request`',
): Result<null> => {
  const { change } = opened;
  const other = differenceFrom(opened, { ...ask, not_after: change.not_after });
  return other === undefined
    ? ok(null)
    : refuse(
        'resume-differs',
        'W5',
        `request \`${change.request}\` was made for another \`${other.name}\` than this call`,
        { request: change.request, approved: other.stands, here: other.asked },
        `what was approved is not what you hold: ask anew, ${how}`,
      );
};
