// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Client } from '../client/connect.ts';
import { submitRequest, type Ask } from '../client/requests.ts';
import type { Signer } from '../client/signer.ts';
import { freshChallenge } from '../client/statements.ts';
import { compareForResume, openVerifiedCase } from '../client/verified-case.ts';
import type { RequestView } from '../contract/api.ts';
import { refuse } from '../kernel/refusal.ts';
import { digestOf } from '../crypto/digest.ts';
import { askOptions, prepareAsk, type AskOptions } from './ask-options.ts';
import { counted } from '../kernel/spoken.ts';
import { durationMs } from './duration.ts';
import { findGate, rememberGate, resumeNonce } from './gate-resume.ts';
import { examples } from './help.ts';
import { manyOption, type Many } from './many-option.ts';
import { openClient, openKey } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { exitCodes, fail, orFail, print, printJson, say, usage } from './output.ts';
import { namedAll } from './named.ts';
import { couldApprove, gradeLine, sentence, standing } from './request-words.ts';
import { consumePermit, deniedBy, obtainPermit, reportResult, standingOf, type HeldPermit } from './use-permit.ts';
import { toPaste } from '../client/to-paste.ts';
import type { Verb } from './verb.ts';
import { waitFor } from './watch.ts';
import { writePrivate } from './write-private.ts';

type GateOptions = VerifyingOptions &
  AskOptions & {
    readonly resumeKey: string;
    readonly wait?: boolean;
    readonly timeout?: string;
    readonly runKey?: string;
    readonly permitOut?: string;
    readonly result?: 'succeeded' | 'failed';
    readonly artifact?: Many;
    readonly content?: string;
    readonly minPersons?: string;
  };

type Gate = {
  readonly client: Client;
  readonly executor: Signer;
  readonly by: string;
  readonly nonce: string;
  readonly options: GateOptions;
};

const gate = async (action: string, options: GateOptions): Promise<void> => {
  const { resumeKey, permitOut } = options;
  if (resumeKey.trim().length < 4 || resumeKey.length > 200)
    usage(
      '--resume-key must have 4 to 200 characters',
      'make it of the run id and the attempt: "$RUN_ID-$RUN_ATTEMPT"',
    );
  if (permitOut !== undefined && existsSync(permitOut)) usage(`\`${permitOut}\` is there already`, 'name a new file');
  const limit = options.timeout === undefined ? undefined : durationMs(options.timeout, '--timeout');
  const client = await openClient(options, { signs: true, verifies: true });
  const executor = options.runKey === undefined ? client.signer : await openKey(options.runKey, options, '--run-key');
  if (executor === undefined) return;
  const by = orFail(await client.principal());
  const nonce = resumeNonce(client, by, action, resumeKey);
  const parts: Gate = { client, executor, by, nonce, options };
  const before = orFail(await findGate(client, by, action, nonce));
  if (options.result !== undefined) return sendResult(parts, before, options.result);
  const content = options.content === undefined ? undefined : readFile(options.content, '--content');
  const { ask } = await prepareAsk(client, action, options, {
    nonce,
    resumes: before !== undefined,
    ...(content === undefined ? {} : { content }),
    ...(permitOut === undefined ? { executorKey: executor.key.fingerprint } : {}),
  });
  checkArtifacts(ask, options.artifact ?? []);
  const id = before ?? (await askOnce(parts, ask));
  rememberGate(client, nonce, id);
  const view = await waitOrLeave(parts, id, options.wait === true, limit);
  await passThrough(parts, ask, view);
};

const readFile = (path: string, option: string): Uint8Array => {
  try {
    return readFileSync(path);
  } catch (error) {
    return usage(`${option} \`${path}\` cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
};

// Every file at hand must be one that people approve: its digest stands in a fact, or is the content (C1, C2).
const checkArtifacts = (ask: Ask, files: readonly string[]): void => {
  const approved = new Set<unknown>(Object.values(ask.facts));
  if (ask.content !== undefined) approved.add(digestOf(ask.content));
  for (const path of files) {
    const own = digestOf(readFile(path, '--artifact'));
    if (!approved.has(own))
      fail(
        refuse(
          'artefact-differs',
          'W5',
          `\`${path}\` has digest \`${own}\`, which no fact of this request names`,
          { found: own },
          'give it as a fact of type digest: --fact artifact=@FILE',
        ).refusal,
      );
  }
};

const maxRefusedAsks = 20;
/** Idempotency keys of one resume key, in the order they are tried. */
const askKey = (nonce: string, tried: number): string => nonce + tried.toString(16).padStart(16, '0');

// Two runners with one resume key: the server takes the first, and the second finds that one (C11). A key that was
// used and led to no request is that of a call that was refused; what was mended since is asked with the next one,
// which both runners would take in the same order.
const askOnce = async ({ client, by, nonce, options }: Gate, ask: Ask): Promise<string> => {
  for (let tried = 0; tried < maxRefusedAsks; tried += 1) {
    const asked = await submitRequest(client, ask, askKey(nonce, tried));
    if (asked.ok) {
      say(`Asked: ${asked.value.request}`);
      return asked.value.request;
    }
    const { code } = asked.refusal;
    if (code !== 'idempotency-conflict' && code !== 'statement-replayed')
      fail({ ...asked.refusal, help: asked.refusal.help ?? `resume key \`${options.resumeKey}\`` });
    const other = orFail(await findGate(client, by, ask.action, nonce));
    if (other !== undefined) return other;
    if (code === 'statement-replayed') fail(asked.refusal);
  }
  return fail(
    refuse(
      'idempotency-conflict',
      'L12',
      `${maxRefusedAsks} calls with the resume key \`${options.resumeKey}\` were refused`,
      { resume_key: options.resumeKey },
      'look at what the last of them said; then take a new --resume-key',
    ).refusal,
  );
};

const tellPending = (client: Client, view: RequestView): void => {
  say(sentence(view, view.people));
  say(`${standing(view)}${view.locked_until === null ? '' : `; time lock until ${view.locked_until}`}`);
  const able = couldApprove(view);
  if (able.length > 0)
    say(`Could approve: ${namedAll(able, view.people)}: ${toPaste(client, `countersign approve ${view.request}`)}`);
};

const waitOrLeave = async (
  { client, options }: Gate,
  id: string,
  waits: boolean,
  limit: number | undefined,
): Promise<RequestView> => {
  const { view, timedOut } = await waitFor(
    client,
    id,
    (one) => standingOf(one).kind !== 'waiting',
    waits ? limit : 0,
    (one) => tellPending(client, one),
  );
  const at = standingOf(view);
  if (at.kind === 'denied') fail(deniedBy(view).refusal);
  if (at.kind === 'used')
    fail(
      refuse(
        'permit-used',
        'X2',
        `the permit of request \`${id}\` was used already`,
        { request: id },
        'one approval lets one run through: a new run or attempt needs a new --resume-key',
      ).refusal,
    );
  if (!timedOut) return view;
  const state = { request: id, status: view.status, change: view.change, resume_key: options.resumeKey };
  if (waits)
    fail(
      refuse(
        'wait-timeout',
        'W7',
        `request \`${id}\` is still ${view.status} after ${options.timeout}`,
        state,
        'call it again with the same --resume-key, or wait longer',
      ).refusal,
    );
  if (options.json) printJson({ ...state, pending: true });
  else print(`pending ${id}`);
  return process.exit(exitCodes.pending);
};

const floorOf = ({ minPersons }: GateOptions): number | undefined =>
  minPersons === undefined
    ? undefined
    : /^[1-9]\d?$/.test(minPersons)
      ? Number(minPersons)
      : usage('--min-persons must be a number from 1 to 99');

const passThrough = async (parts: Gate, ask: Ask, view: RequestView): Promise<void> => {
  const { client, options } = parts;
  // What was approved must be what this call is about: the same facts, content, executor, enforcement point.
  const opened = orFail(await openVerifiedCase(client, view.request));
  orFail(compareForResume(opened, ask, 'with a new resume key'));
  checkArtifacts(ask, options.artifact ?? []);
  const held = orFail(
    await obtainPermit(client, view.request, {
      minPersons: floorOf(options),
      expect: {
        action: ask.action,
        audience: ask.audience ?? undefined,
        content: opened.change.content,
        executorKey: ask.executor ?? undefined,
        facts: ask.facts,
      },
    }),
  );
  if (options.permitOut === undefined) await consume(parts, held);
  else writePrivate(options.permitOut, held.file, { fresh: true });
  tellPassed(parts, held, view);
};

const consume = async ({ client, executor }: Gate, { permit }: HeldPermit): Promise<void> => {
  orFail(await consumePermit(client, executor, permit, freshChallenge()));
};

const tellPassed = ({ client, options }: Gate, { permit }: HeldPermit, view: RequestView): void => {
  const { permitOut } = options;
  if (options.json)
    printJson({
      request: permit.request,
      permit: permit.permit,
      change: permit.change,
      action: permit.action,
      target: permit.target,
      persons: permit.persons,
      enforced: permit.enforced,
      expires_at: permit.expires_at,
      ...(permitOut === undefined ? { consumed: true } : { consumed: false, file: permitOut }),
    });
  else print(permitOut ?? `passed ${permit.request}`);
  say(`${counted(permit.persons, 'person')} approved ${view.change}; verified here, from your own pin.`);
  say(`Enforced ${gradeLine(permit.enforced)}`);
  say(
    permitOut === undefined
      ? `The permit is used up. Say what came of it: ${toPaste(client, `countersign gate ${permit.action} --resume-key … --result succeeded`)}`
      : `The permit lies in ${permitOut}; the enforcement point ${permit.audience} uses it.`,
  );
};

const sendResult = async (
  { client, executor, options }: Gate,
  id: string | undefined,
  outcome: 'succeeded' | 'failed',
): Promise<void> => {
  if (id === undefined)
    return fail(
      refuse('request-unknown', 'Q6', 'nothing was asked with this resume key', {}, 'look at --resume-key and ACTION')
        .refusal,
    );
  const opened = orFail(await openVerifiedCase(client, id));
  const { permit } = opened.request;
  if (permit === null)
    return fail(
      refuse('result-not-expected', 'X5', `request \`${id}\` has no permit yet`, {}, 'a result follows a consumption')
        .refusal,
    );
  const result = { outcome, exit_code: null, output: null };
  const used = { permit: permit.permit, principal: permit.executor.principal };
  const sent = orFail(await reportResult(client, executor, used, result));
  if (options.json) printJson({ request: id, permit: permit.permit, outcome, index: sent.receipt.entry.index });
  else print(`${outcome} ${id}`);
};

export const verb: Verb = (program) => {
  const command = askOptions(
    verifyingOptions(
      program
        .command('gate')
        .description(
          'Stop a pipeline until a request is approved. Asks once for each resume key; exit code 8 while it is pending, 0 only when a permit was verified here and used.',
        )
        .argument('<action>', 'what policy calls it, such as deploy.production'),
    ),
  )
    .requiredOption('--resume-key <text>', 'names this run and attempt, so that calling again asks nothing new')
    .option('--wait', 'wait instead of leaving with exit code 8')
    .option('--timeout <duration>', 'with --wait: stop waiting after so long; exit code 124')
    .option('--consume', 'use the permit here and now (the default)')
    .option('--permit-out <file>', 'write the permit file, for another enforcement point to use')
    .option('--run-key <file|agent>', 'the key that uses the permit; by default the one that asks')
    .addOption(
      manyOption('--artifact <file>', 'a file whose digest a fact must name, looked at again right before use'),
    )
    .option('--content <file>', 'a document to attach: what will be carried out as a whole')
    .option('--min-persons <count>', 'least number of persons who must have approved, whatever policy says')
    .addOption(
      new Option('--result <outcome>', 'say what came of the run that used the permit').choices([
        'succeeded',
        'failed',
      ]),
    )
    .action(gate);
  examples(
    command,
    '$ countersign gate deploy.production --resume-key "$RUN_ID-$ATTEMPT" --fact artifact=@app.tgz --artifact app.tgz --reason "$TITLE"',
    '$ countersign gate deploy.production --resume-key "$RUN_ID-$ATTEMPT" --wait --timeout 30m …',
    '$ countersign gate deploy.production --resume-key "$RUN_ID-$ATTEMPT" --result succeeded',
  );
};
