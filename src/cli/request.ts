// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Client } from '../client/connect.ts';
import { showRequest, submitRequest } from '../client/requests.ts';
import { freshNonce } from '../client/statements.ts';
import { digestOf } from '../crypto/digest.ts';
import { draftOf } from '../request/draft.ts';
import { askOptions, attestOptions, prepareAsk, type AskOptions } from './ask-options.ts';
import { draftText } from './draft-file.ts';
import { readFacts } from './fact-argument.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { orFail, print, printJson, say, usage } from './output.ts';
import { namedAll } from './named.ts';
import { couldApprove, explanationLines, gradeLine, sentence } from './request-words.ts';
import { rulesInForce } from './rules-in-force.ts';
import { toPaste } from '../client/to-paste.ts';
import type { Verb } from './verb.ts';
import { writePrivate } from './write-private.ts';

type RequestOptions = VerifyingOptions &
  AskOptions & { readonly content?: string; readonly prepare?: boolean; readonly out?: string };

const request = async (action: string, options: RequestOptions): Promise<void> => {
  const asks = options.prepare !== true;
  const client = await openClient(options, { signs: asks, verifies: asks });
  const content = options.content === undefined ? undefined : readContent(options.content);
  if (options.prepare === true) return prepare(client, action, options, content);
  const { ask } = await prepareAsk(client, action, options, content === undefined ? {} : { content });
  const asked = orFail(await submitRequest(client, ask));
  await tellAsked(client, asked.request, options.json, ask);
};

const readContent = (path: string): Uint8Array => {
  try {
    return readFileSync(path);
  } catch (error) {
    return usage(`--content \`${path}\` cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
};

// Attested facts are signed for a draft, so that they serve for these facts and this content alone (SPEC F5).
const prepare = async (client: Client, name: string, options: RequestOptions, content?: Uint8Array): Promise<void> => {
  const action = orFail(orFail(await rulesInForce(client)).action(name));
  const facts = orFail(readFacts(action, options.fact ?? []));
  const draft = draftOf({
    action: name,
    facts,
    content: content === undefined ? null : digestOf(content),
    nonce: freshNonce(),
  });
  if (options.out === undefined) print(draftText(draft));
  else writePrivate(options.out, `${draftText(draft)}\n`, { fresh: true });
  const file = options.out ?? 'draft.json';
  for (const [fact, { source }] of Object.entries(action.facts))
    if (source.kind === 'attested')
      say(
        `Let one of ${source.by} run: ${toPaste(client, `countersign attest ${file} --fact ${fact}=… --out ${fact}.json`, 'talks')}`,
      );
  say(`Then ask: ${toPaste(client, `countersign request ${name} --draft ${file} --attest FILE … --reason …`)}`);
};

/** Shows what was asked: its id at once, the rest after it was derived again here and compared with what was meant. */
export const tellAsked = async (
  client: Client,
  id: string,
  json: boolean,
  ask: Parameters<typeof submitRequest>[1],
): Promise<void> => {
  if (json) say(`Asked: ${id}`);
  else print(id);
  // Loaded only now: it brings the whole pure core with it.
  const { compareWithAsk, compareWithView, openVerifiedCase } = await import('../client/verified-case.ts');
  const opened = orFail(await openVerifiedCase(client, id));
  const view = orFail(await showRequest(client, id));
  orFail(compareWithView(opened, view));
  orFail(compareWithAsk(opened, ask));
  if (json) {
    printJson({
      request: view.request,
      revision: view.revision,
      change: view.change,
      action: view.action,
      target: view.target,
      tier: view.tier,
      status: view.status,
      enforced: view.enforced,
      emergency: view.emergency,
      could_approve: couldApprove(view),
      answer_by: view.answer_by,
      audience: ask.audience,
      executor: ask.executor,
    });
    return;
  }
  say(sentence(view, view.people));
  say(`Tier ${view.tier}. Enforced ${gradeLine(view.enforced, view.action)}`);
  for (const line of explanationLines(view.explanation, view.people)) say(`  ${line}`);
  const able = couldApprove(view);
  say(
    able.length === 0
      ? 'Nobody could approve it now.'
      : `Could approve: ${namedAll(able, view.people)}, until ${view.answer_by}.`,
  );
  say(`They run: ${toPaste(client, `countersign approve ${view.request}`)}`);
  say(`Follow it: ${toPaste(client, `countersign watch ${view.request}`, 'talks')}`);
};

export const verb: Verb = (program) => {
  const command = attestOptions(
    askOptions(
      verifyingOptions(
        program
          .command('request')
          .description('Ask for an action. You sign what you ask; others, who had no part in it, decide.')
          .argument('<action>', 'what policy calls it, such as deploy.production'),
      ),
    ),
  )
    .option('--content <file>', 'a document to attach: what will be carried out or applied as a whole')
    .option('--prepare', 'only write a draft, for others to vouch for facts of it')
    .option('--out <file>', 'where --prepare writes the draft; stdout by default')
    .action(request);
  examples(
    command,
    '$ countersign request deploy.production --fact service=shop --fact artifact=@dist/shop.tgz --reason "Fixes the checkout"',
    '# facts that somebody else vouches for',
    '$ countersign request deploy.production --prepare --fact service=shop --out draft.json',
    '$ countersign request deploy.production --draft draft.json --attest tested.json --reason …',
  );
};
