// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { personSetback, seatsOpenTo, type Setback } from '../approve/evaluate-gate.ts';
import { contentLines, documentLines, type DocumentLine } from '../client/change-lines.ts';
import type { Client } from '../client/connect.ts';
import { sendStatement, showRequest, signerOf } from '../client/requests.ts';
import { commitTo, openingOf, voteStatementOf } from '../client/statements.ts';
import { compareWithView, openVerifiedCase } from '../client/verified-case.ts';
import { visibleText } from '../client/visible-text.ts';
import type { RequestView } from '../contract/api.ts';
import { digestOf } from '../crypto/digest.ts';
import { fingerprintWords } from '../crypto/words.ts';
import type { RefusalCode } from '../kernel/refusal-codes.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { OpenedCase } from '../verify/open-case.ts';
import { askPerson } from './ask-person.ts';
import { governanceChange } from './governance-lines.ts';
import { manyOption, type Many } from './many-option.ts';
import { named } from './named.ts';
import { openClient } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { fail, orFail, print, printJson, say, styled, usage, warn } from './output.ts';
import { gradeLine, reasonWords } from './request-words.ts';
import { setbackReason } from '../server/page-reasons.ts';

export type Decision = 'approve' | 'reject';
export type VoteOptions = VerifyingOptions & {
  readonly yes?: boolean;
  readonly digest?: string;
  readonly seat?: Many;
  readonly comment?: string;
  readonly content?: string;
};

/** Options of `approve` and `reject`. */
export const voteOptions = (command: Command): Command =>
  verifyingOptions(command)
    .option('--yes', 'sign without asking; needs --digest, so that a script names what it signs')
    .option('--digest <digest>', 'the change digest you mean to sign; any other is refused')
    .addOption(manyOption('--seat <name>', 'a seat you agree to fill; by default all that are open to you'))
    .option('--comment <text>', 'a comment; kept beside the ledger, which holds a digest of it')
    .option('--content <file>', 'your own copy of the content, where it cannot be shown as text');

/**
 * Shows everything that is to be signed, derived on this machine from the voter's own pin, and signs it when the voter
 * says which bytes are meant (SPEC W1–W4).
 */
export const castVote = async (id: string, decision: Decision, options: VoteOptions): Promise<void> => {
  if (options.yes === true && options.digest === undefined)
    fail(digestNotNamed('`--yes` without `--digest` would sign whatever the server shows').refusal);
  const client = await openClient(options, { signs: true, verifies: true });
  const opened = orFail(await openVerifiedCase(client, id));
  const view = orFail(await showRequest(client, id));
  orFail(compareWithView(opened, view));
  const by = orFail(await client.principal());
  orFail(checkOpen(opened));
  const seats = decision === 'approve' ? orFail(openSeats(opened, by, options.seat ?? [])) : [];
  const shown = showAll(opened, view, options, decision);
  await confirm(shown, decision, options);
  // The digest once more, of the very text whose every value was shown.
  if (digestOf(shown.text) !== opened.digest) fail(notConfirmed('the bytes changed while they were shown').refusal);
  await signAndSend({ client, opened, by, decision, seats, options });
};

// What time or policy has decided already needs no signature.
const checkOpen = ({ due, change, request }: OpenedCase): Result<null> => {
  if (due.includes('RequestRevised'))
    return refuse(
      'revision-stale',
      'V1',
      `the policy changed since \`${change.request}\` was asked: a new revision is due`,
      {},
      'look again in a moment',
    );
  if (due.includes('RequestExpired'))
    return refuse('request-expired', 'Q2', `request \`${change.request}\` has expired`, {}, 'let it be asked again');
  return request.status === 'pending' || request.status === 'met'
    ? ok(null)
    : refuse(
        'vote-too-late',
        'V2',
        `request \`${change.request}\` is ${request.status}`,
        { status: request.status },
        'veto it to stop it',
      );
};

const setbackCodes: Readonly<Partial<Record<Setback, RefusalCode>>> = {
  'voter-is-producer': 'vote-by-producer',
  'voter-is-executor': 'vote-by-executor',
  'voter-not-independent': 'vote-not-independent',
  'voter-not-active': 'principal-suspended',
};

const openSeats = (opened: OpenedCase, by: string, wanted: readonly string[]): Result<readonly string[]> => {
  const { change, roster, votes } = opened;
  if (!by.startsWith('person:'))
    return refuse(
      'vote-by-machine',
      'V1',
      `\`${by}\` is a machine, and a machine fills no seat`,
      { by },
      'let a person vote',
    );
  const person = by.slice('person:'.length);
  if (votes.some((vote) => vote.person === person && vote.revision === change.revision))
    return refuse(
      'vote-already-cast',
      'V3',
      `\`${by}\` has voted on this revision already`,
      { by },
      'one person has one vote, whatever keys',
    );
  const setback = personSetback(roster, change, person);
  if (setback !== undefined) {
    const code = setbackCodes[setback] ?? 'vote-not-entitled';
    const groups = change.gate.seats.map((seat) => seat.group).join(', ');
    return refuse(
      code,
      'V3',
      `\`${by}\` may not approve this: ${setbackReason(setback).text}`,
      { by },
      `its seats are for ${groups}; who asked, drove, wrote or runs it fills none`,
    );
  }
  const open = seatsOpenTo(roster, change, person);
  const wrong = wanted.find((seat) => !open.includes(seat));
  return wrong === undefined
    ? ok(wanted.length === 0 ? open : wanted)
    : refuse(
        'vote-seat-unknown',
        'V3',
        `seat \`${wrong}\` is not open to \`${by}\``,
        { open },
        `open to you: ${open.join(', ')}`,
      );
};

type Shown = { readonly text: string; readonly words: readonly string[]; readonly digest: string };

const tell = (lines: readonly DocumentLine[]): number => {
  const width = Math.min(40, Math.max(...lines.map((line) => line.path.length)));
  for (const { path, value, strange } of lines)
    say(`  ${path.padEnd(width)}  ${strange ? styled('yellow', `${value}   <- escaped`) : value}`);
  return lines.filter((line) => line.strange).length;
};

// Ids are what is signed; what the server calls them may help to know whom to ask.
const tellNames = ({ people }: RequestView): void => {
  const names = Object.entries(people);
  if (names.length > 0) say("Who is who, by the server's word alone; the bytes below hold the ids:");
  for (const [id, name] of names) say(`  ${id}  ${visibleText(name.slice(0, 80))}`);
};

// A whole roster or policy is long: what of it is new comes first, worked out here and not by the server.
const tellDifference = (opened: OpenedCase): void => {
  const difference = governanceChange(opened);
  if (difference === undefined) return;
  const { lines, hindrance } = difference;
  say('What changes, against what is in force by your own pin:');
  for (const line of lines.length === 0 ? ['nothing'] : lines) say(`  ${line}`);
  if (hindrance !== undefined) warn(`it cannot be applied as things stand: ${visibleText(hindrance)}`);
  say('');
};

const showAll = (opened: OpenedCase, view: RequestView, options: VoteOptions, decision: Decision): Shown => {
  const { change, changeText, digest } = opened;
  const lines = orFail(documentLines(changeText));
  say(
    styled(
      'bold',
      `${named(change.requester, view.people)} asks for ${visibleText(change.action)} at ${visibleText(change.target)}.`,
    ),
  );
  tellNames(view);
  if (view.title !== '') say(`The server calls it: ${visibleText(view.title)}`);
  if (change.emergency) warn('this is the EMERGENCY path: no wait, and a review afterwards');
  say(`Enforced ${gradeLine(change.enforced, change.action)}`);
  say('');
  tellDifference(opened);
  say(
    `Every value of the ${Buffer.byteLength(changeText)} bytes that you would sign, derived on this machine from your own pin:`,
  );
  let strange = tell(lines);
  if (change.content !== null) strange += showContent(change.content, opened, options, decision);
  const untrusted = Object.entries(change.facts).filter(([, fact]) => fact.vouched === 'adapter');
  for (const [name, fact] of untrusted)
    warn(`fact \`${name}\` is as the server's adapter ${visibleText(fact.source)} says; nobody signed it`);
  if (strange > 0)
    warn(
      `${strange} values hold characters that a terminal hides, moves or draws like others; they are written as \\u{…}`,
    );
  say('');
  say(
    view.reason === null
      ? `Reason: ${reasonWords(view)}`
      : `Reason, in the requester's words, as the digest in the bytes confirms: ${visibleText(view.reason)}`,
  );
  const words = fingerprintWords(digest);
  say(`Digest: ${digest}`);
  say(`Words:  ${styled('bold', words.join(' '))}`);
  return { text: changeText, words, digest };
};

const showContent = (content: string, { blobs }: OpenedCase, options: VoteOptions, decision: Decision): number => {
  say('');
  say(`Content \`${content}\`, which is carried out or applied as a whole:`);
  const lines = contentLines(content, blobs.get(content));
  if (lines.ok) return tell(lines.value);
  if (options.content !== undefined) {
    const own = readOwn(options.content);
    if (digestOf(own) !== content)
      fail(notConfirmed(`your file \`${options.content}\` has digest \`${digestOf(own)}\``).refusal);
    say(`  ${own.length} bytes, the same as your own file ${visibleText(options.content)}`);
    return 0;
  }
  // A "no" may be said to what nobody can see; a "yes" may not.
  if (decision === 'approve') fail(lines.refusal);
  warn(lines.refusal.message);
  return 0;
};

const readOwn = (path: string): Uint8Array => {
  try {
    return readFileSync(path);
  } catch (error) {
    return usage(`--content \`${path}\` cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
};

const digestNotNamed = (why: string) =>
  refuse(
    'digest-not-named',
    'W3',
    `nobody says which bytes are meant: ${why}`,
    {},
    'work out the digest yourself (`countersign digest ID`), then give `--yes --digest sha256:…`',
  );
const notConfirmed = (why: string) =>
  refuse(
    'vote-not-confirmed',
    'W3',
    `nothing was signed: ${why}`,
    {},
    'look at the change again, and sign only what you mean',
  );

const confirm = async ({ words, digest }: Shown, decision: Decision, options: VoteOptions): Promise<void> => {
  if (options.digest !== undefined && options.digest !== digest)
    fail(notConfirmed(`the change has digest \`${digest}\`, you named \`${options.digest}\``).refusal);
  if (options.yes === true) return;
  if (!options.input || !process.stdin.isTTY) fail(digestNotNamed('there is no terminal to ask at').refusal);
  say('');
  const answer = await askPerson(`Sign this? Type the first word to ${decision}: `);
  if (answer === undefined || answer.toLowerCase() !== words[0])
    fail(notConfirmed(`\`${visibleText(answer ?? '').slice(0, 40)}\` is not the first word`).refusal);
};

type Vote = {
  readonly client: Client;
  readonly opened: OpenedCase;
  readonly by: string;
  readonly decision: Decision;
  readonly seats: readonly string[];
  readonly options: VoteOptions;
};

const signAndSend = async ({ client, opened, by, decision, seats, options }: Vote): Promise<void> => {
  const { change, digest } = opened;
  const signer = orFail(signerOf(client));
  const comment = options.comment === undefined ? undefined : openingOf(options.comment);
  const { size, root } = client.seen().checkpoint;
  const statement = voteStatementOf(client.anchor, by, {
    request: change.request,
    revision: change.revision,
    change: digest,
    decision,
    seats,
    seen: { size, root },
    comment: comment === undefined ? null : commitTo(comment),
    not_after: change.not_after,
  });
  const sent = orFail(
    await sendStatement(client, signer, statement, {
      path: `/v1/requests/${change.request}/votes`,
      event: [decision === 'approve' ? 'ApprovalRecorded' : 'RejectionRecorded'],
      ...(comment === undefined ? {} : { more: { comment } }),
    }),
  );
  const { entry, size: proven } = sent.receipt;
  if (options.json)
    printJson({
      request: change.request,
      decision,
      change: digest,
      seats,
      status: sent.status,
      index: entry.index,
      proven_size: proven,
    });
  else print(`${decision === 'approve' ? 'approved' : 'rejected'} ${change.request}`);
  say(
    `Your vote is entry ${entry.index} of the ledger, proven under size ${proven}; the request is now ${sent.status}.`,
  );
};
