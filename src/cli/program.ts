// SPDX-License-Identifier: Apache-2.0
// The command line as a whole: finds the verb, runs it, and turns whatever happens into words and an exit code.
import { Command, CommanderError } from 'commander';
import { exitCodeHelp, helpLayout } from './help.ts';
import { broken, exitCodes, failInJson, usage } from './output.ts';
import type { Verb } from './verb.ts';
import { verbs, type VerbName } from './verbs.ts';
import { packageVersion } from './version.ts';

const isVerb = (name: string | undefined): name is VerbName => name !== undefined && Object.hasOwn(verbs, name);

const described = (): Command =>
  new Command('countersign')
    .usage('VERB [options]')
    .description('Separation of duties for any critical action: nobody carries it through alone.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [verb]', 'list the verbs, or explain one')
    // What stands after a verb belongs to the verb: `init` and `init draft` have options of the same names.
    .enablePositionalOptions()
    .configureHelp(helpLayout())
    .addHelpText('after', exitCodeHelp);

// Commander prints nothing of its own on an error and ends no process: `usage` does both, once, in our words.
const quieten = (command: Command): Command => {
  command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp(helpLayout());
  for (const inner of command.commands) quieten(inner);
  return command;
};

/** All verbs by name and summary, with nothing behind them: for help, and to say what was meant. */
const catalogue = (): Command => {
  const program = described();
  for (const [name, { group, summary }] of Object.entries(verbs))
    program.addCommand(new Command(name).description(summary).helpGroup(group));
  return quieten(program.commandsGroup('More:'));
};

const withVerb = async (name: VerbName): Promise<Command> => {
  const program = described();
  const { verb }: { readonly verb: Verb } = await verbs[name].load();
  verb(program);
  return quieten(program);
};

const explain = (error: CommanderError): never => {
  if (error.exitCode === 0) process.exit(exitCodes.ok);
  // A verb with parts, and none was named: its help stands on stderr already.
  if (error.code === 'commander.help') process.exit(exitCodes.usage);
  const [message = '', ...rest] = error.message
    .replace(/^error: /, '')
    .replaceAll("'", '`')
    .split('\n');
  const choices =
    /^(?:command-argument value `(.*)` is invalid for argument `(.*)`|option `(--[\w-]+).*` argument `(.*)` is invalid)\. Allowed choices are (.*)\.$/s.exec(
      message,
    );
  if (choices !== null) {
    const [, value = choices[4] ?? '', name = choices[3] ?? '', , , allowed = ''] = choices;
    usage(
      `\`${value.slice(0, 60)}\` is no ${name}`.replace(/ no (--.*)$/, ' no value of $1'),
      `write one of ${allowed}`,
    );
  }
  const meant = /\((Did you mean .*)\)/.exec(rest.join(' '))?.[1];
  return usage(message, meant?.replace(/^D/, 'd') ?? `\`countersign help${named}\` says what there is`);
};

// `help VERB` is `VERB --help`, and nothing at all asks what there is.
const readAsked = (argv: readonly string[]): readonly string[] => {
  if (argv.length === 0) return ['--help'];
  const [first, second] = argv;
  if (first !== 'help' || second === undefined) return argv;
  return isVerb(second) ? [...argv.slice(1), '--help'] : [second];
};

// Commander explains a verb whose part it does not know as if nothing had been named.
const checkParts = (program: Command, [verb, ...parts]: readonly string[]): void => {
  let command = program.commands.find((one) => one.name() === verb);
  for (const part of parts) {
    if (command === undefined || command.commands.length === 0 || part.startsWith('-')) return;
    const inner = command.commands.find((one) => one.name() === part);
    if (inner === undefined)
      usage(
        `\`${verb ?? ''}\` has no part \`${part.slice(0, 60)}\``,
        `its parts are ${command.commands.map((one) => one.name()).join(', ')}`,
      );
    command = inner;
  }
};

/** The command that was named, with its parts, as far as they are there: ` ledger import`. */
let named = '';
const noteNamed = (program: Command, argv: readonly string[]): void => {
  let command: Command | undefined = program;
  for (const part of argv) {
    command = command.commands.find((one) => one.name() === part);
    if (command === undefined) return;
    named += ` ${part}`;
  }
};

const run = async (argv: readonly string[]): Promise<void> => {
  const end = argv.indexOf('--');
  failInJson(argv.slice(0, end < 0 ? undefined : end).includes('--json'));
  const asked = readAsked(argv);
  const [name] = asked;
  const program = isVerb(name) ? await withVerb(name) : catalogue();
  noteNamed(program, asked);
  if (argv[0] === 'help') checkParts(program, asked);
  await program.parseAsync(asked, { from: 'user' });
};

// A verb with a handler of its own, such as `serve`, ends by itself.
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(exitCodes.interrupted);
});
// `countersign list | head` is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});
process.on('uncaughtException', (error) => broken(error));

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) explain(error);
  broken(error);
}
