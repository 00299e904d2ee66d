#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The offline verifier as a command of its own: no server, no network, no package.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { instantFromMs } from '../kernel/instant.ts';
import { maxFileBytes } from '../execute/permit-file.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../ledger/witness-policy.ts';
import { parseVerifierKey } from '../crypto/signed-note.ts';
import { verifyForkProof } from '../ledger/fork-proof.ts';
import { forkAsJson, formatFork } from './fork-report.ts';
import { formatVerdict } from './report.ts';
import { verifyFile } from './verify.ts';

const usage = `countersign-verify FILE --pin sha256:…  checks a permit or an evidence bundle, offline

  --pin DIGEST       the ledger's genesis, as its founders gave it to you (or COUNTERSIGN_PIN)
  --log-key VKEY     for a proof of a fork, instead of the pin: the verifier key of the log
  --min-persons N    least number of distinct persons who approved; default 1, 2 for tier critical
  --audience NAME    the enforcement point it has to be for
  --action NAME      the action it has to be for
  --target TARGET    the target it has to be for
  --fresh DURATION   also asks that its checkpoint is no older, such as 30s, 10m, 2h
  --witnesses FILE   your own policy of witnesses: their quorum has to have cosigned it, and seen a time lock kept
  --unexpired        also asks that it has not expired, by this machine's clock
  --allow-trial      takes files of trial ledgers
  --accept-v0        takes formats of version v0 outside trials
  --json             prints the verdict as JSON
  --help             prints this

Exit codes: 0 it holds, 7 it does not, 2 this command was used wrongly.
`;

const wrong = (message: string): never => {
  process.stderr.write(`error: ${message}\n  help: countersign-verify --help\n`);
  process.exit(2);
};

const readOptions = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        pin: { type: 'string' },
        'log-key': { type: 'string' },
        'min-persons': { type: 'string' },
        audience: { type: 'string' },
        action: { type: 'string' },
        target: { type: 'string' },
        fresh: { type: 'string' },
        witnesses: { type: 'string' },
        unexpired: { type: 'boolean' },
        'allow-trial': { type: 'boolean' },
        'accept-v0': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
};

const readInput = (file: string): Uint8Array => {
  try {
    const bytes = readFileSync(file === '-' ? 0 : file);
    return bytes.length > maxFileBytes ? wrong(`\`${file}\` is larger than ${maxFileBytes} bytes`) : bytes;
  } catch (error) {
    return wrong(`\`${file}\` cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const readPolicy = (file: string): WitnessPolicy => {
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch {
    return wrong(`the policy of witnesses \`${file}\` cannot be read, or is not UTF-8`);
  }
  const policy = parseWitnessPolicy(text);
  return policy.ok ? policy.value : wrong(policy.refusal.message);
};

const { values, positionals } = readOptions();
if (values.help === true) {
  process.stdout.write(usage);
  process.exit(0);
}
const [file, ...more] = positionals;
if (file !== undefined && more.length === 0 && values['log-key'] !== undefined) {
  const log = parseVerifierKey(values['log-key']);
  const fork = log.ok ? verifyForkProof(readInput(file), log.value) : log;
  if (!fork.ok) process.stderr.write(`error[${fork.refusal.code}]: ${fork.refusal.message}\n`);
  else
    process.stdout.write(values.json === true ? `${JSON.stringify(forkAsJson(fork.value))}\n` : formatFork(fork.value));
  process.exit(fork.ok ? 0 : 7);
}
const pin = values.pin ?? process.env['COUNTERSIGN_PIN'];
if (file === undefined || more.length > 0) wrong('give one file, or `-` for standard input');
if (pin === undefined) wrong('give the pin with `--pin sha256:…`; without it a file proves nothing');
if (!/^sha256:[0-9a-f]{64}$/.test(pin ?? '')) wrong(`\`${pin}\` is no pin: \`sha256:\` and 64 lowercase hex digits`);
const floor = values['min-persons'];
if (floor !== undefined && !/^\d{1,3}$/.test(floor)) wrong(`\`${floor}\` is no number of persons`);

const durationOf = (text: string): number => {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const ms = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit];
  return ms === undefined ? wrong(`\`${text}\` is no duration, such as 10m`) : Number(count) * ms;
};

const { fresh } = values;
const verdict = verifyFile(readInput(file ?? ''), {
  pin: pin ?? '',
  allowTrial: values['allow-trial'],
  acceptV0: values['accept-v0'],
  minPersons: floor === undefined ? undefined : Number(floor),
  now: values.unexpired === true ? instantFromMs(Date.now()) : undefined,
  fresh: fresh === undefined ? undefined : { now: instantFromMs(Date.now()), withinMs: durationOf(fresh) },
  witnesses: values.witnesses === undefined ? undefined : readPolicy(values.witnesses),
  expect: { audience: values.audience, action: values.action, target: values.target },
});
process.stdout.write(values.json === true ? `${JSON.stringify(verdict)}\n` : formatVerdict(verdict));
process.exitCode = verdict.result === 'PASS' ? 0 : 7;
