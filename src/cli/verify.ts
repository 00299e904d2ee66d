// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { Option } from 'commander';
import { maxFileBytes } from '../execute/permit-file.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { formatVerdict } from '../verify/report.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../ledger/witness-policy.ts';
import { verifyFile } from '../verify/verify.ts';
import { examples } from './help.ts';
import { acceptV0Option, jsonOption } from './options.ts';
import { exitCodes, orFail, printJson, usage } from './output.ts';
import type { Verb } from './verb.ts';

type VerifyOptions = {
  readonly pin?: string;
  readonly minPersons?: string;
  readonly audience?: string;
  readonly action?: string;
  readonly target?: string;
  readonly unexpired?: true;
  readonly witnesses?: string;
  readonly allowTrial?: true;
  readonly acceptV0?: boolean;
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

const readPolicy = (file: string): WitnessPolicy => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch {
    return usage(
      `the policy of witnesses \`${file}\` cannot be read, or is not UTF-8`,
      'give a file as c2sp.org/tlog-policy describes it',
    );
  }
  return orFail(parseWitnessPolicy(text));
};

const verify = async (file: string, options: VerifyOptions): Promise<void> => {
  const { pin, minPersons, audience, action, target, witnesses, json } = options;
  if (pin === undefined)
    return usage(
      '--pin is missing: without it a file proves nothing',
      'take the pin from a founder of the ledger, never from the file or the server',
    );
  if (!/^sha256:[0-9a-f]{64}$/.test(pin))
    usage(`\`${pin}\` is no pin`, 'a pin is `sha256:` and 64 lowercase hex digits');
  if (minPersons !== undefined && !/^\d{1,3}$/.test(minPersons))
    usage(`--min-persons \`${minPersons}\` is no number`, 'give how many persons must have approved, such as 2');
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    if (witnesses !== undefined) usage('--witnesses is for permit and evidence files', 'verify the folder without it');
    const { checkLedger } = await import('./ledger-check.ts');
    return checkLedger(file, { pin, json, stranger: { allowTrial: options.allowTrial, acceptV0: options.acceptV0 } });
  }
  const verdict = verifyFile(readInput(file), {
    pin,
    allowTrial: options.allowTrial,
    acceptV0: options.acceptV0,
    minPersons: minPersons === undefined ? undefined : Number(minPersons),
    now: options.unexpired === true ? instantFromMs(Date.now()) : undefined,
    expect: { audience, action, target },
    witnesses: witnesses === undefined ? undefined : readPolicy(witnesses),
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
          'Check a permit, an evidence bundle or a whole ledger, offline: from your own pin, without any server. ' +
            'Says what holds, and what the file does not prove.',
        )
        .argument('<file>', 'permit or evidence file, `-` for standard input, or the folder of an exported ledger'),
    )
      .addOption(
        new Option('--pin <digest>', "digest of the ledger's genesis, as a founder gave it to you").env(
          'COUNTERSIGN_PIN',
        ),
      )
      .option(
        '--min-persons <count>',
        'least number of distinct persons who approved (default: 1; 2 for tier critical)',
      )
      .option('--action <name>', 'the action it has to be for')
      .option('--target <target>', 'the target it has to be for')
      .option('--audience <name>', 'the enforcement point it has to be for')
      .option(
        '--witnesses <policy>',
        'your own policy of witnesses (c2sp.org/tlog-policy): their quorum has to have cosigned it, and seen a time lock kept',
      )
      .option('--unexpired', "also asks that it has not expired, by this machine's clock")
      .option('--allow-trial', 'take files of a trial ledger, which one person may have started alone')
      .addOption(acceptV0Option())
      .action(verify),
    '# Exit code 0: it holds; 7: it does not',
    '$ countersign verify evidence.json --pin sha256:… --min-persons 2',
    '$ countersign verify ./export --pin sha256:…',
    '# A time lock by the clocks of witnesses that you choose',
    '$ countersign verify permit.json --pin sha256:… --witnesses witnesses.policy',
  );
};
