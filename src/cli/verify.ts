// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { Option } from 'commander';
import { maxFileBytes } from '../execute/permit-file.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { refuse } from '../kernel/refusal.ts';
import { formatVerdict } from '../verify/report.ts';
import { verifyFile } from '../verify/verify.ts';
import { examples } from './help.ts';
import { durationMs } from './duration.ts';
import { acceptV0Option, jsonOption, witnessesOption } from './options.ts';
import { exitCodes, fail, printJson, usage } from './output.ts';
import type { Verb } from './verb.ts';
import { saysFork, verifyFork } from './verify-fork.ts';
import { readPolicyFile } from './witness-policy-file.ts';

type VerifyOptions = {
  readonly pin?: string;
  readonly logKey?: string;
  readonly minPersons?: string;
  readonly audience?: string;
  readonly action?: string;
  readonly target?: string;
  readonly unexpired?: true;
  readonly allowTrial?: true;
  readonly acceptV0?: boolean;
  readonly fresh?: string;
  readonly witnesses?: string;
  readonly json: boolean;
};

const readInput = (file: string): Uint8Array => {
  try {
    const bytes = readFileSync(file === '-' ? 0 : file);
    return bytes.length > maxFileBytes ? usage(`\`${file}\` is larger than ${maxFileBytes} bytes`) : bytes;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read';
    return usage(`\`${file}\` ${why}`, 'give a permit file, an evidence bundle, or `-` for standard input');
  }
};

// Exit code 0 is what scripts act on: what the log's key alone can make must not stand in for a permit (C7, L23).
const noPermit = (file: string): never =>
  fail(
    refuse(
      'file-malformed',
      'L23',
      `\`${file}\` is a proof of a fork, and the pin asks for a permit`,
      { file },
      'to check the proof itself, give `--log-key`, or leave the pin out (`--pin`, COUNTERSIGN_PIN)',
    ).refusal,
  );

// The same of a whole ledger, which any reader can export: what is asked of a permit it cannot answer.
const refuseDemands = (folder: string, { minPersons, audience, action, target, unexpired }: VerifyOptions): void => {
  const asked = { '--min-persons': minPersons, '--audience': audience, '--action': action, '--target': target };
  const [first] = Object.entries({ ...asked, '--unexpired': unexpired }).find(([, value]) => value !== undefined) ?? [];
  if (first !== undefined)
    usage(`\`${folder}\` is the folder of a ledger, and ${first} is asked of a permit`, 'give the permit file');
};

const verify = async (file: string, options: VerifyOptions): Promise<void> => {
  const found = statSync(file, { throwIfNoEntry: false });
  const folder = found?.isDirectory() === true;
  // A proof of a fork needs no pin. For anything else what is wrong with the options is told before that of the file.
  const bytes = folder || (found === undefined && file !== '-') ? undefined : readInput(file);
  if (bytes !== undefined && saysFork(bytes))
    return options.pin === undefined || options.logKey !== undefined ? verifyFork(bytes, options) : noPermit(file);
  const { pin, minPersons, audience, action, target, json } = options;
  if (pin === undefined)
    return usage(
      '--pin is missing: without it a file proves nothing',
      'take the pin from a founder of the ledger, never from the file or the server',
    );
  if (!/^sha256:[0-9a-f]{64}$/.test(pin))
    usage(`\`${pin}\` is no pin`, 'a pin is `sha256:` and 64 lowercase hex digits');
  if (minPersons !== undefined && !/^\d{1,3}$/.test(minPersons))
    usage(`--min-persons \`${minPersons}\` is no number`, 'give how many persons must have approved, such as 2');
  const witnesses = readPolicyFile(options.witnesses);
  const withinMs = options.fresh === undefined ? undefined : durationMs(options.fresh, '--fresh');
  if (folder) {
    refuseDemands(file, options);
    const { verifyLedger } = await import('./ledger-verify.ts');
    const { allowTrial = false, acceptV0 = false, fresh } = options;
    const demands = {
      ...(fresh === undefined ? {} : { fresh }),
      ...(options.witnesses === undefined ? {} : { witnesses: options.witnesses }),
    };
    return verifyLedger(file, { pin, json, allowTrial, acceptV0, input: false, ...demands });
  }
  const verdict = verifyFile(bytes ?? readInput(file), {
    pin,
    allowTrial: options.allowTrial,
    acceptV0: options.acceptV0,
    minPersons: minPersons === undefined ? undefined : Number(minPersons),
    now: options.unexpired === true ? instantFromMs(Date.now()) : undefined,
    expect: { audience, action, target },
    witnesses,
    fresh: withinMs === undefined ? undefined : { now: instantFromMs(Date.now()), withinMs },
  });
  if (json) printJson(verdict);
  else process.stdout.write(formatVerdict(verdict));
  if (verdict.result !== 'PASS') process.exitCode = exitCodes.verificationFailed;
};

export const verb: Verb = (program) => {
  examples(
    jsonOption(
      program
        .command('verify')
        .description(
          'Check a permit, an evidence bundle, a proof of a fork or a whole ledger, offline: from your own pin, without any server. ' +
            'Says what holds, and what the file does not prove.',
        )
        .argument('<file>', 'permit or evidence file, `-` for standard input, or the folder of an exported ledger'),
    )
      .addOption(
        new Option('--pin <digest>', "digest of the ledger's genesis, as a founder gave it to you").env(
          'COUNTERSIGN_PIN',
        ),
      )
      .option('--log-key <key>', "for a proof of a fork: the log's verifier key; by default the one known for the pin")
      .option(
        '--min-persons <count>',
        'least number of distinct persons who approved (default: 1; 2 for tier critical)',
      )
      .option('--action <name>', 'the action it has to be for')
      .option('--target <target>', 'the target it has to be for')
      .option('--audience <name>', 'the enforcement point it has to be for')
      .option('--unexpired', "also asks that it has not expired, by this machine's clock")
      .option('--fresh <duration>', 'also asks that its checkpoint is no older, such as 10m')
      .addOption(witnessesOption('their quorum has to have cosigned it, and seen a time lock kept'))
      .option('--allow-trial', 'take files of a trial ledger, which one person may have started alone')
      .addOption(acceptV0Option())
      .action(verify),
    '# Exit code 0: it holds; 7: it does not',
    '$ countersign verify evidence.json --pin sha256:… --min-persons 2',
    "# Fresh by the clocks of your own witnesses, not by the log's",
    '$ countersign verify permit.json --pin sha256:… --fresh 10m --witnesses witnesses.policy',
    '$ countersign verify ./export --pin sha256:…',
    '# A time lock by the clocks of witnesses that you choose',
    '$ countersign verify permit.json --pin sha256:… --witnesses witnesses.policy',
  );
};
