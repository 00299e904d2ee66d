// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import type { Finding } from './doctor-finding.ts';
import { examples } from './help.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { escaped, exitCodes, print, printJson, say, styledOut, usage } from './output.ts';
import type { Verb } from './verb.ts';

type DoctorOptions = ClientOptions & { readonly dir?: string; readonly mark?: string };

const marks = {
  ok: styledOut('green', 'ok  '),
  warn: styledOut('yellow', 'look'),
  fail: styledOut(['red', 'bold'], 'BAD '),
} as const;

const tell = ({ check, state, text, help }: Finding): void => {
  print(`${marks[state]}  ${check.padEnd(8)}  ${escaped(text)}`);
  if (help !== undefined) print(`                ${escaped(help)}`);
};

const doctor = async (options: DoctorOptions): Promise<void> => {
  const { dir, mark, server, json } = options;
  if (dir === undefined && server === undefined)
    usage('nothing says what to look at', 'give --dir DIR for a data folder, --server URL for a server, or both');
  const findings: Finding[] = [];
  if (dir !== undefined)
    findings.push(...(await (await import('./doctor-folder.ts')).examineFolder(dir, mark, server === undefined)));
  if (server !== undefined)
    findings.push(...(await (await import('./doctor-server.ts')).examineServer(server, options)));
  const bad = findings.filter(({ state }) => state === 'fail').length;
  const doubts = findings.filter(({ state }) => state === 'warn').length;
  if (json) printJson({ healthy: bad === 0, whole: !findings.some(({ unseen }) => unseen === true), findings });
  else {
    for (const finding of findings) tell(finding);
    const whole = findings.some(({ unseen }) => unseen === true) ? 'Nothing that was looked at' : 'Nothing';
    say(bad === 0 ? `${whole} is broken; ${doubts} to look at.` : `${bad} broken, ${doubts} to look at.`);
  }
  if (bad > 0) process.exitCode = exitCodes.error;
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('doctor')
        .description(
          'Look at a data folder, at a server, or at both, and say in plain words what is wrong and what to do.',
        ),
    )
      .addOption(new Option('--dir <folder>', 'data folder of a server').env('COUNTERSIGN_DIR'))
      .option('--mark <file>', 'the mark, where it does not lie in the data folder')
      .action(doctor),
    '# for whoever runs it',
    '$ countersign doctor --dir /srv/countersign',
    '# for whoever uses it',
    '$ countersign doctor --server https://gate.example.org --key ~/.ssh/id_ed25519',
  );
};
