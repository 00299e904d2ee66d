// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../client/connect.ts';
import type { Signer } from '../client/signer.ts';
import { freshChallenge } from '../client/statements.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { counted } from '../kernel/spoken.ts';
import type { Credential } from './exec.ts';
import { checkCopies, type PreparedRun } from './exec-plan.ts';
import { exitCodes, fail, orFail, printJson, say, warn } from './output.ts';
import { gradeLine } from './request-words.ts';
import { catchSignals, runChild, type ChildEnd } from './run-child.ts';
import type { RunJournal, RunRecord } from './run-journal.ts';
import { consumePermit, reportResult, type HeldPermit, type RunResult } from './use-permit.ts';

export type CarryOut = {
  readonly client: Client;
  readonly executor: Signer;
  readonly run: PreparedRun;
  readonly held: HeldPermit;
  readonly journal: RunJournal;
  readonly credential: Credential;
  readonly json: boolean;
};

/**
 * Uses the permit, then runs the command once, then reports (SPEC W5, X2, X5). Every step is written down before it is
 * taken: whatever dies in between leaves `unknown`, and nothing here is ever run again.
 */
export const carryOut = async (parts: CarryOut): Promise<void> => {
  const { client, executor, run, held, journal, credential } = parts;
  const { permit } = held;
  const grade = credential === null ? 'advisory' : 'credential-held';
  say(
    `Permit ${permit.permit}: ${counted(permit.persons, 'person')}, for ${permit.target}, until ${permit.expires_at}; verified here.`,
  );
  say(`Enforced here ${gradeLine(grade)}`);
  if (permit.enforced === 'target-verified')
    say('Policy says target-verified: the target has to check this permit by itself.');
  if (permit.enforced === 'credential-held' && credential === null)
    warn('policy says credential-held, and no `--credential-from` is given: nothing is held here');
  orFail(checkCopies(run));
  const base: Base = {
    server: client.server,
    pin: client.anchor.pin,
    request: permit.request,
    permit: permit.permit,
    principal: permit.executor.principal,
    key: executor.key.fingerprint,
  };
  const signals = catchSignals();
  journal.write({ ...base, ...notYet, phase: 'consuming' });
  const consumed = await consumePermit(client, executor, permit, freshChallenge());
  if (!consumed.ok) {
    // Refused for good, the permit was not used by this; otherwise nobody knows, and the next start finds out.
    if (isRefusal(consumed.refusal.code)) journal.close();
    fail(consumed.refusal);
  }
  journal.write({ ...base, ...notYet, phase: 'running' });
  const secret = releaseCredential(credential);
  if (!secret.ok) {
    const told = await finish(parts, base, { outcome: 'failed', exit_code: null, output: null });
    if (!told) warn('the result could not be reported; the next `countersign exec` will');
    fail(secret.refusal);
  }
  const early = signals.early();
  if (early !== null) {
    await finish(parts, base, { outcome: 'failed', exit_code: null, output: null });
    say(`Stopped by ${early} before the command began; nothing was run, and the permit is used up.`);
    process.exit(exitCodes.interrupted);
  }
  const end = await runOnce(parts, secret.value, signals);
  const outcome = end.exitCode === 0 ? 'succeeded' : 'failed';
  const reported = await finish(parts, base, { outcome, exit_code: end.exitCode, output: end.output });
  signals.release();
  if (end.failed !== null) say(`The command ended: ${end.failed}.`);
  const status = end.status;
  if (parts.json)
    printJson({
      request: permit.request,
      permit: permit.permit,
      outcome,
      exit_code: status,
      output: end.output,
      reported,
      grade,
    });
  say(
    `${outcome}, exit code ${status}. ${reported ? 'The result stands in the ledger.' : 'The result could NOT be reported; the next `countersign exec` will do it.'}`,
  );
  process.exitCode = status;
};

const notYet = { outcome: null, exit_code: null, output: null } as const;
type Base = Omit<RunRecord, 'phase' | 'outcome' | 'exit_code' | 'output' | 'pid' | 'began'>;

// These say that the ledger decided against this use; any other failure leaves open what became of it.
const refusals = new Set([
  'permit-used',
  'permit-expired',
  'permit-void',
  'permit-wrong-executor',
  'permit-wrong-audience',
  'permit-wrong-change',
  'permit-unknown',
  'gate-lost',
  'request-vetoed',
  'request-withdrawn',
  'request-refused',
  'request-expired',
]);
const isRefusal = (code: string): boolean => refusals.has(code);

const runOnce = async (
  { run, held, client }: CarryOut,
  secret: Secret,
  signals: ReturnType<typeof catchSignals>,
): Promise<ChildEnd> => {
  // A reader of our output that goes away must not end us while the command runs.
  process.stdout.removeAllListeners('error');
  process.stdout.on('error', () => {});
  const outputs = join(client.home, 'outputs');
  mkdirSync(outputs, { recursive: true, mode: 0o700 });
  const outputFile = join(outputs, `${held.permit.permit}.log`);
  const end = await runChild(
    {
      argv: run.runArgv,
      cwd: run.plan.cwd,
      env: { ...run.plan.env, ...secret.env },
      stdin: run.stdin?.copy ?? null,
      descriptor: secret.descriptor,
      outputFile,
    },
    signals,
  );
  say(`Its output is kept in ${outputFile}`);
  return end;
};

const finish = async (
  { client, executor, held, journal }: CarryOut,
  base: Base,
  result: RunResult,
): Promise<boolean> => {
  journal.write({ ...base, ...result, phase: 'ended' });
  const { permit, executor: by } = held.permit;
  const reported = await reportResult(client, executor, { permit, principal: by.principal }, result);
  if (!reported.ok) {
    warn(`${reported.refusal.code}: ${reported.refusal.message}`);
    return false;
  }
  journal.close();
  return true;
};

type Secret = { readonly env: Readonly<Record<string, string>>; readonly descriptor: string | null };

// Called only after the ledger proved that the permit is used up. The secret goes to the child and nowhere else.
const releaseCredential = (credential: Credential): Result<Secret> => {
  if (credential === null) return ok({ env: {}, descriptor: null });
  const { from, place } = credential;
  try {
    const text = from.startsWith('exec:')
      ? execFileSync('/bin/sh', ['-c', from.slice('exec:'.length)], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
          timeout: 60_000,
        })
      : readFileSync(from, 'utf8');
    const secret = text.replace(/\r?\n$/, '');
    if (secret === '' || secret.includes('\0')) return unavailable('it is empty, or holds a null byte');
    return ok('env' in place ? { env: { [place.env]: secret }, descriptor: null } : { env: {}, descriptor: secret });
  } catch (error) {
    const { code, status } = error as NodeJS.ErrnoException & { status?: number };
    return unavailable(status === undefined ? (code ?? 'it cannot be read') : `the command ended with ${status}`);
  }
};
const unavailable = (why: string) =>
  refuse(
    'credential-unavailable',
    'W5',
    `the credential could not be fetched: ${why}`,
    {},
    'the permit is used up and nothing was run: mend `--credential-from` and ask again',
  );
