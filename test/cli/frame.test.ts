// SPDX-License-Identifier: Apache-2.0
// What every verb has in common: help, exit codes, plain errors, completion, and no secret in any argument.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { completionScripts } from '../../src/cli/completion-scripts.ts';
import { helpLayout } from '../../src/cli/help.ts';
import { verbs } from '../../src/cli/verbs.ts';
import type { Verb } from '../../src/cli/verb.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-frame-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const output = new URL('../../src/cli/output.ts', import.meta.url).href;

const everyCommand = async (): Promise<readonly Command[]> => {
  const found: Command[] = [];
  const gather = (command: Command): void => {
    found.push(command);
    command.commands.forEach(gather);
  };
  for (const [name, { load }] of Object.entries(verbs)) {
    const program = new Command('countersign');
    const { verb }: { readonly verb: Verb } = await load();
    verb(program);
    const command = program.commands.find((one) => one.name() === name);
    assert.ok(command, `${name}.ts adds the verb \`${name}\``);
    gather(command);
  }
  return found;
};

const helpOf = (command: Command): string => {
  let text = '';
  command.configureHelp({ ...helpLayout(), helpWidth: 100 }).configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
};

test('every verb and every part of one explains itself: a sentence, examples, within 100 columns', async () => {
  for (const command of await everyCommand()) {
    const name = `${command.parent?.name() ?? ''} ${command.name()}`;
    const help = helpOf(command);
    assert.match(command.description(), /^[A-Z"].*\.$/s, `${name} is described in a sentence`);
    for (const line of help.split('\n')) assert.ok(line.length <= 100, `${name}: ${line}`);
    if (command.commands.length === 0)
      assert.match(help, /\nExamples:\n[\s\S]*\$ countersign /, `${name} has an example`);
    for (const option of command.options)
      assert.notEqual(option.description, '', `${name} ${option.flags} is explained`);
    for (const argument of command.registeredArguments)
      assert.notEqual(argument.description, '', `${name} <${argument.name()}> is explained`);
  }
});

test('A23: no secret is ever an argument: tokens, passwords and keys are named by file', async () => {
  for (const command of await everyCommand())
    for (const { flags, long } of command.options) {
      if (!/token|pass|secret|key/.test(long ?? '') || long === '--resume-key') continue;
      // Fingerprints and public keys are no secrets; neither is the name under which a pipeline resumes.
      assert.match(
        flags,
        /<(file|file\|agent|folder|fingerprint|key|handle=key)(\.\.\.)?>|^--[a-z-]+$/,
        `${command.name()} ${flags}`,
      );
    }
});

test('examples in help name verbs and options that exist', async () => {
  const commands = await everyCommand();
  const wrong: string[] = [];
  for (const command of commands) {
    const text = helpOf(command).split('\nExamples:\n')[1]?.replaceAll('\\\n', ' ') ?? '';
    for (const [, line = ''] of text.replaceAll(' && ', '\n$ ').matchAll(/\$ (?:.*\()?countersign ([^\n]*)/g)) {
      const [own = ''] = line.split(' -- ');
      const [verbName = '', ...parts] = own.split(' ');
      let used = commands.find((one) => one.name() === verbName && one.parent?.name() === 'countersign');
      for (const part of parts) used = used?.commands.find((one) => one.name() === part) ?? used;
      if (used === undefined) wrong.push(`${verbName}: ${line}`);
      for (const [option] of own.matchAll(/(?<= )--[a-z][a-z-]*/g))
        if (used !== undefined && !used.options.some(({ long }) => long === option) && option !== '--help')
          wrong.push(`${command.name()}: ${option} in ${line}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('`countersign help` lists every verb, two spaces in', async () => {
  const { code, stdout } = await runCli(['help']);
  assert.equal(code, 0);
  const listed = [...stdout.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((match) => match[1] ?? '');
  assert.deepEqual(listed.filter((name) => name !== 'help').sort(), Object.keys(verbs).sort());
  const bare = await runCli([]);
  assert.equal(bare.stdout, stdout);
});

test('usage errors say what was meant and end with 2; data stays off stderr and errors off stdout', async () => {
  const cases: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [['reqest'], /error\[usage\]: unknown command `reqest`\n {2}help: did you mean request\?/],
    [['help', 'nope'], /unknown command `nope`/],
    [['ledger', 'fsck', '--dri', '.'], /unknown option `--dri`\n {2}help: did you mean --dir\?/],
    [['ledger', 'proof'], /missing required argument `index`\n {2}help: `countersign help ledger proof`/],
    [['ledger', 'hold', 'add'], /missing required argument `what`\n {2}help: `countersign help ledger hold add`/],
    [['ledger', 'verify', 'x', '--pin', 'sha256:12'], /`sha256:12` is no pin/],
    [['ledger', 'proof', 'seven'], /`seven` is no index/],
    [['token'], /Usage: countersign token/],
    [['token', 'create', '--dir', folder], /required option `--name <name>` not specified/],
    [['completion', 'tcsh'], /`tcsh` is no shell\n {2}help: write one of bash, zsh, fish/],
    [['verify', 'x'], /--pin is missing: without it a file proves nothing/],
    [['verify', 'x', '--pin', 'sha256:12'], /`sha256:12` is no pin/],
    [['serve', '--dir', folder, '--listen', 'nowhere'], /`nowhere` is no address/],
    [['serve', '--dir', folder, '--tls-cert', 'c.pem'], /--tls-cert and --tls-key go together/],
    [['doctor'], /nothing says what to look at/],
    [['roster', 'possession'], /--pin is missing or no digest/],
  ];
  const ran = await Promise.all(cases.map(([args]) => runCli(args)));
  for (const [at, { code, stdout, stderr }] of ran.entries()) {
    const [args, said] = cases[at] ?? [[], /./];
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '', args.join(' '));
    assert.match(stderr, said);
  }
});

test('help explains a part of a verb, and knows when there is none', async () => {
  const part = await runCli(['help', 'policy', 'lint']);
  assert.equal(part.code, 0);
  assert.match(part.stdout, /Usage: countersign policy lint/);
  const none = await runCli(['help', 'roster', 'nonsense']);
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /error\[usage\]: `roster` has no part `nonsense`\n {2}help: its parts are show, propose, possession/,
  );
});

test('a value that is none of the choices is said in our words', async () => {
  const kind = await runCli(['policy', 'schema', 'nonsense']);
  assert.equal(kind.code, 2);
  assert.match(kind.stderr, /error\[usage\]: `nonsense` is no kind\n {2}help: write one of action, roster/);
  const format = await runCli(['policy', 'lint', '.', '--format', 'x']);
  assert.match(format.stderr, /error\[usage\]: `x` is no value of --format\n {2}help: write one of pretty, github/);
});

test('with --json a failure is one JSON document on stderr; after `--` it is not ours', async () => {
  const missing = await runCli(['ledger', 'fsck', '--dir', join(folder, 'none'), '--json']);
  assert.equal(missing.code, 6);
  assert.equal(missing.stdout, '');
  const failure = JSON.parse(missing.stderr) as { code: string; rule: string; help: string };
  assert.equal(failure.code, 'ledger-unavailable');
  assert.match(failure.help, /ledger export/);
  const plain = await runCli(['reqest', '--', '--json']);
  assert.match(plain.stderr, /^error\[usage\]/);
});

test('the version is the one in package.json', async () => {
  const { stdout } = await runCli(['--version']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

const evaluate = (code: string, env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });

test('what nobody expected is one clear line and exit code 1; the trace comes on demand', () => {
  const code = `import { broken } from '${output}'; broken(new Error('the sky fell\\nsecond line'));`;
  const quiet = evaluate(code);
  assert.equal(quiet.status, 1);
  assert.match(quiet.stderr, /^error\[unexpected\]: the sky fell\n {2}help: .*COUNTERSIGN_DEBUG=1.*\n$/);
  const loud = evaluate(code, { COUNTERSIGN_DEBUG: '1' });
  assert.match(loud.stderr, /at .*\n/);
});

test('exit codes follow the table of refusals, and a text from outside moves no cursor (T9)', () => {
  const refusal = { code: 'gate-pending', message: 'wait\u001b[2J\u202e', rule: 'X1', facts: {}, help: 'a\u0007b' };
  const ran = evaluate(`import { fail } from '${output}'; fail(${JSON.stringify(refusal)});`);
  assert.equal(ran.status, 8);
  assert.equal(ran.stderr, 'error[gate-pending]: wait\\u{1b}[2J\\u{202e}\n  help: a\\u{7}b\n');
});

test('NO_COLOR and pipes are plain; a terminal that wants colour gets it', () => {
  const code = `import { fail } from '${output}'; fail({ code: 'x', message: 'm' });`;
  const red = '\u001b[31m';
  assert.ok(!evaluate(code).stderr.includes(red));
  assert.ok(evaluate(code, { FORCE_COLOR: '1' }).stderr.includes(red));
});

test('completion knows every verb and its options, and the shells take it', async () => {
  for (const shell of Object.keys(completionScripts)) {
    const { code, stdout } = await runCli(['completion', shell]);
    assert.equal(code, 0);
    for (const name of Object.keys(verbs)) assert.match(stdout, new RegExp(`\\b${name}\\b`), `${shell}: ${name}`);
    const file = join(folder, `completion.${shell}`);
    writeFileSync(file, stdout);
    const checked = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    if (checked.error === undefined) assert.equal(checked.status, 0, `${shell}: ${checked.stderr}`);
  }
  const script = `. ${join(folder, 'completion.bash')}
    complete_words() { COMP_WORDS=(countersign "$@"); COMP_CWORD=$#; _countersign; echo "\${COMPREPLY[@]}"; }
    complete_words ver; complete_words ledger fs; complete_words token --ex`;
  assert.deepEqual(execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n'), [
    'verify',
    'fsck',
    '--expires',
  ]);
});
