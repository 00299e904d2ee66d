// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import type { Client } from '../client/connect.ts';
import { submitRequest, type Ask } from '../client/requests.ts';
import type { Signer } from '../client/signer.ts';
import { askOptions, prepareAsk, type AskOptions } from './ask-options.ts';
import { durationMs } from './duration.ts';
import { checkCopies, prepareRun, type PreparedRun, type SecretPlace } from './exec-plan.ts';
import { carryOut } from './exec-run.ts';
import { reportUnfinished } from './exec-unfinished.ts';
import { examples } from './help.ts';
import { manyOption, type Many } from './many-option.ts';
import { openClient, openKey } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { exitCodes, fail, orFail, say, usage } from './output.ts';
import { tellAsked } from './request.ts';
import { standing } from './request-words.ts';
import { openRunJournal } from './run-journal.ts';
import { deniedBy, obtainPermit, standingOf, type HeldPermit } from './use-permit.ts';
import type { Verb } from './verb.ts';
import { waitFor } from './watch.ts';

export type ExecOptions = VerifyingOptions &
  AskOptions & {
    readonly artifact?: Many;
    readonly env?: Many;
    readonly stdin?: string;
    readonly runKey?: string;
    readonly request?: string;
    readonly timeout?: string;
    /** False with `--no-wait`. */
    readonly wait: boolean;
    readonly minPersons?: string;
    readonly credentialFrom?: string;
    readonly credentialEnv: string;
    readonly credentialFd?: boolean;
  };

const exec = async (action: string, argv: readonly string[], options: ExecOptions): Promise<void> => {
  if (argv.length === 0)
    usage('there is no command to run', 'put it behind `--`: countersign exec ACTION … -- deploy.sh');
  const timeout = options.timeout === undefined ? undefined : durationMs(options.timeout, '--timeout');
  const client = await openClient(options, { signs: true, verifies: true });
  const executor = options.runKey === undefined ? client.signer : await openKey(options.runKey, options, '--run-key');
  if (executor === undefined) return;
  await reportUnfinished(client, executor);
  const journal = openRunJournal(client.home);
  process.on('exit', () => journal.closeIfUnused());
  const { artifact, env, stdin } = options;
  const credential = credentialOf(options);
  const run = orFail(
    prepareRun({
      argv,
      cwd: process.cwd(),
      artefacts: artifact ?? [],
      envNames: env ?? [],
      env: process.env,
      stdin,
      credential: credential?.place ?? null,
      folder: journal.folder,
    }),
  );
  const { ask, id } = await askFor(client, action, options, run, executor);
  if (!options.wait) return tellTakeUp(options, id);
  const held = await waitForPermit(client, id, { ask, run, executor, timeout, minPersons: floorOf(options) });
  await carryOut({ client, executor, run, held, journal, credential, json: options.json });
};

const tellTakeUp = ({ request }: ExecOptions, id: string): void => {
  if (request !== undefined) usage('--no-wait and --request do not go together', 'one asks, the other carries out');
  say(`Nothing was run. Once it is approved, carry it out with the same command and --request ${id}`);
};

const floorOf = ({ minPersons }: ExecOptions): number | undefined => {
  if (minPersons === undefined) return undefined;
  return /^[1-9]\d?$/.test(minPersons) ? Number(minPersons) : usage('--min-persons must be a number from 1 to 99');
};

export type Credential = { readonly from: string; readonly place: SecretPlace } | null;

const credentialOf = ({ credentialFrom, credentialEnv, credentialFd }: ExecOptions): Credential =>
  credentialFrom === undefined
    ? null
    : { from: credentialFrom, place: credentialFd === true ? { fd: 3 } : { env: credentialEnv } };

// Asks anew, or takes up a request that was made before: only when it is for these very bytes.
const askFor = async (
  client: Client,
  action: string,
  options: ExecOptions,
  run: PreparedRun,
  executor: Signer,
): Promise<{ readonly ask: Ask; readonly id: string }> => {
  const reason = options.request === undefined ? {} : { reason: 'taken up again' };
  const { ask } = await prepareAsk(
    client,
    action,
    { ...options, ...reason },
    { content: run.content, executorKey: executor.key.fingerprint, resumes: options.request !== undefined },
  );
  if (options.request === undefined) {
    const sent = await submitRequest(client, ask);
    if (!sent.ok && sent.refusal.code === 'executor-not-allowed' && options.executor === undefined)
      fail({
        ...sent.refusal,
        help: `${sent.refusal.help ?? ''}; the key that runs it here is given by --run-key FILE`.replace(/^; /, ''),
      });
    const asked = orFail(sent);
    await tellAsked(client, asked.request, options.json, ask);
    return { ask, id: asked.request };
  }
  const { compareForResume, openVerifiedCase } = await import('../client/verified-case.ts');
  const opened = orFail(await openVerifiedCase(client, options.request));
  orFail(compareForResume(opened, ask, 'without `--request`'));
  return { ask, id: options.request };
};

type Waiting = {
  readonly ask: Ask;
  readonly run: PreparedRun;
  readonly executor: Signer;
  readonly timeout: number | undefined;
  readonly minPersons: number | undefined;
};

const waitForPermit = async (client: Client, id: string, waiting: Waiting): Promise<HeldPermit> => {
  const { ask, run, executor, timeout, minPersons } = waiting;
  const started = performance.now();
  for (;;) {
    const left = timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - started));
    const { view, timedOut } = await waitFor(
      client,
      id,
      (one) => standingOf(one).kind !== 'waiting',
      left,
      (one) => {
        say(`${standing(one)}${one.locked_until === null ? '' : `; time lock until ${one.locked_until}`}`);
      },
      () => say(`Nothing was run. The request stands; take it up again with the same options and --request ${id}`),
    );
    const at = standingOf(view);
    if (at.kind === 'denied') fail(deniedBy(view).refusal);
    if (timedOut) {
      say(`Still ${view.status}. Take it up again with the same options and --request ${id}`);
      process.exit(exitCodes.timeout);
    }
    orFail(checkCopies(run));
    const held = await obtainPermit(client, id, {
      minPersons,
      expect: {
        action: ask.action,
        audience: ask.audience ?? undefined,
        content: run.contentDigest,
        executorKey: executor.key.fingerprint,
        facts: ask.facts,
      },
    });
    if (held.ok) return held.value;
    if (held.refusal.code !== 'timelock-running' && held.refusal.code !== 'gate-pending') fail(held.refusal);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

export const verb: Verb = (program) => {
  const command = askOptions(
    verifyingOptions(
      program
        .command('exec')
        .description(
          'Ask, wait, use the permit, run the command once, and report. A guard rail: whoever may run the command without it is not stopped by it.',
        )
        .argument('<action>', 'what policy calls it, such as run.command')
        .argument('[command...]', 'the command and its arguments, behind `--`; no shell is between'),
    ),
  )
    .addOption(
      manyOption(
        '--artifact <file>',
        'a file the command is given; a private copy is hashed now and used later. An argument that is this path, or ends in `=` and this path, is replaced by the path of the copy',
      ),
    )
    .addOption(
      manyOption('--env <name>', 'pass this variable on; everybody who decides sees its value. Nothing else is passed'),
    )
    .option('--stdin <file>', "the command's standard input; copied and hashed now")
    .option('--run-key <file|agent>', 'the key that uses the permit; by default the one that asks')
    .option('--request <id>', 'take up a request made before, if it is for exactly this command')
    .option('--no-wait', 'ask, print the request id, and leave; `--request` carries it out later')
    .option('--timeout <duration>', 'stop waiting after so long; exit code 124')
    .option('--min-persons <count>', 'least number of persons who must have approved, whatever policy says')
    .option(
      '--credential-from <file>',
      'give the command a secret, only once the permit is used: a file, or `exec:COMMAND` whose output it is',
    )
    .addOption(
      new Option('--credential-env <name>', 'variable that holds the secret').default('COUNTERSIGN_CREDENTIAL'),
    )
    .option('--credential-fd', 'give the secret on file descriptor 3 instead')
    .action(exec);
  examples(
    command,
    '$ countersign exec run.command --fact host=db1 --reason "Frees disk space" -- /usr/local/bin/vacuum --full',
    '$ countersign exec deploy.production --artifact dist/shop.tgz --fact … --reason … -- ./deploy.sh dist/shop.tgz',
    '$ countersign exec … --credential-from exec:"vault read -field=token deploy" -- ./deploy.sh',
  );
};
