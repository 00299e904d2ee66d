// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import type { RequestView } from '../contract/api.ts';
import type { Client } from '../client/connect.ts';
import { fetchEvidence, showRequest } from '../client/requests.ts';
import { visibleText } from '../client/visible-text.ts';
import { digestOf } from '../crypto/digest.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { isObject } from '../kernel/shape.ts';
import { counted } from '../kernel/spoken.ts';
import { examples } from './help.ts';
import { named, type People } from './named.ts';
import { openClient } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { orFail, print, printJson, say, styledOut, usage, warn } from './output.ts';
import { viewerReason } from '../server/page-reasons.ts';
import {
  explanationLines,
  gradeLine,
  levelWord,
  raisedWord,
  reasonWords,
  sentence,
  standing,
} from './request-words.ts';
import { toPaste } from '../client/to-paste.ts';
import type { Verb } from './verb.ts';

type ShowOptions = VerifyingOptions & { readonly verify?: boolean; readonly evidence?: string };

const show = async (id: string, options: ShowOptions): Promise<void> => {
  const client = await openClient(options, { verifies: options.verify === true });
  const view = orFail(await showRequest(client, id));
  if (options.evidence !== undefined) await writeEvidence(client, id, options.evidence);
  const verified = options.verify === true ? await verifiedCase(client, id, view) : undefined;
  if (options.json) return printJson(verified === undefined ? view : { ...view, verified: true });
  for (const line of describe(view, client)) print(line);
  if (verified !== undefined) {
    print('');
    print('Verified here, from your own pin: governance, the request, its votes and the change digest.');
  } else say('As the server says it. `--verify` derives it again here, and `countersign approve` always does.');
};

// What `verify` reads, without this server. Nothing is believed of it before that, so nothing is checked here.
const writeEvidence = async (client: Client, id: string, file: string): Promise<void> => {
  const bundle = orFail(await fetchEvidence(client, id));
  try {
    writeFileSync(file, bundle, { flag: 'wx' });
  } catch (error) {
    usage(
      `--evidence \`${file}\` cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unwritable'})`,
      'name a file that is not there yet, in a folder that is',
    );
  }
  say(`Wrote the evidence to ${file}: ${toPaste(client, `countersign verify ${file} --pin ${client.anchor.pin}`)}`);
};

// Loaded only on demand: it brings the whole pure core with it.
const verifiedCase = async (client: Awaited<ReturnType<typeof openClient>>, id: string, view: RequestView) => {
  const { compareWithView, openVerifiedCase } = await import('../client/verified-case.ts');
  const opened = orFail(await openVerifiedCase(client, id));
  orFail(compareWithView(opened, view));
  return opened;
};

const factLines = (changeText: string, people: People): readonly string[] => {
  const parsed = parseCanonical(changeText);
  const facts = parsed.ok && isObject(parsed.value) ? parsed.value['facts'] : undefined;
  if (!isObject(facts)) return ['Facts:', '  (the change document cannot be read)', ''];
  const lines = Object.entries(facts).map(([name, fact]) => {
    const { value, source, vouched, by } = isObject(fact) ? fact : {};
    const who =
      vouched === 'requester'
        ? 'the requester says so; it can lower nothing'
        : vouched === 'attested'
          ? `attested by ${named(String(by), people)}`
          : `as the server's adapter ${visibleText(String(source))} says`;
    return `  ${visibleText(name)} = ${visibleText(JSON.stringify(value))}   (${who})`;
  });
  return lines.length === 0 ? [] : ['Facts:', ...lines, ''];
};

const describe = (view: RequestView, client: Client): readonly string[] => {
  if (digestOf(view.change_text) !== view.change)
    warn('the change document that the server shows does not have the digest it names; sign nothing of it');
  const lines = [
    styledOut('bold', sentence(view, view.people)),
    `${standing(view)}.`,
    '',
    `request   ${view.request}`,
    `change    ${view.change}`,
    `words     ${fingerprintWords(view.change).join(' ')}`,
    `asked     ${view.requested_at}; answer by ${view.answer_by}; valid until ${view.not_after}`,
    `reason    ${reasonWords(view)}${view.reason !== null && view.reason_state !== 'altered' ? "   (the requester's words)" : ''}`,
    ...(view.runbook === null ? [] : [`runbook   ${visibleText(view.runbook)}`]),
    `enforced  ${gradeLine(view.enforced, view.action)}`,
    '',
    ...factLines(view.change_text, view.people),
    'Gate:',
    ...explanationLines(view.explanation, view.people).map((line) => `  ${line}`),
    ...raisedLines(view.change_text),
  ];
  if (view.votes.length > 0) lines.push('', 'Votes:');
  for (const vote of view.votes)
    lines.push(
      `  ${vote.decision} by ${named(vote.person, view.people)}, revision ${vote.revision}, with ${levelWord(vote.level)} (entry ${vote.index})`,
    );
  if (view.locked_until !== null) lines.push('', `Time lock until ${view.locked_until}.`);
  if (view.permit !== null)
    lines.push(
      '',
      `Permit ${view.permit.permit}, ${counted(view.permit.persons, 'person')}, issued ${view.permit.issued_at}, expires ${view.permit.expires_at}.`,
    );
  if (view.outcome !== null) lines.push(`Outcome: ${visibleText(view.outcome)}.`);
  if (view.debt !== null)
    lines.push(
      `Review owed by ${visibleText(view.debt.reviewers)} until ${view.debt.due_at}${view.debt.overdue ? ', OVERDUE' : ''}.`,
    );
  if (view.can_decide !== null)
    lines.push(
      '',
      view.can_decide.may
        ? `You may vote: ${toPaste(client, `countersign approve ${view.request}`)}`
        : `You ${visibleText(viewerReason(view.can_decide.why).text)}.`,
    );
  return lines;
};

const raisedLines = (changeText: string): readonly string[] => {
  const parsed = parseCanonical(changeText);
  const gate = parsed.ok && isObject(parsed.value) ? parsed.value['gate'] : undefined;
  const raised = isObject(gate) && Array.isArray(gate['raised']) ? gate['raised'] : [];
  return raised.map((code) => `  Raised: ${raisedWord(String(code))}`);
};

export const verb: Verb = (program) => {
  examples(
    verifyingOptions(
      program
        .command('show')
        .description('Show one request: what is asked, why it stands where it stands, and what is missing.')
        .argument('<id>', 'request id'),
    )
      .option('--verify', 'derive it again on this machine, from your own pin')
      .option('--evidence <file>', 'write its evidence bundle, which `countersign verify` reads without any server')
      .action(show),
    '$ countersign show req_0123456789abcdefghjkmnpqrs',
    '$ countersign show req_0123456789abcdefghjkmnpqrs --json',
    '$ countersign show req_0123456789abcdefghjkmnpqrs --evidence evidence.json',
  );
};
